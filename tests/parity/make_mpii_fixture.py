#!/usr/bin/env python3
"""Writes tests/data/mpii: small ground truths in MATLAB's format, good and bad ones, predictions,
and the PCKh that a computation of its own gives for them (numpy, from the description of the
published evaluation, not from any code). tests/datasets/metrics/pckh_test.cpp reads them.

    make_mpii_fixture.py [FOLDER]
"""
import json
import os
import sys

import numpy as np
from scipy.io import loadmat, savemat

JOINTS = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri".split()
PEOPLE = 7


def cell(texts):
    array = np.empty((1, len(texts)), dtype=object)
    for i, text in enumerate(texts):
        array[0, i] = text
    return array


def pckh(truth, predictions, share):
    corners = truth["headboxes_src"]
    head = 0.6 * np.sqrt(((corners[1] - corners[0]) ** 2).sum(axis=0))
    wanted = truth["pos_gt_src"].transpose(2, 0, 1)  # people, joints, axes
    labelled = truth["jnt_missing"].T == 0
    error = np.sqrt(((predictions + 1 - wanted) ** 2).sum(axis=2)) / head[:, None]
    right = (error <= share) & labelled
    return 100.0 * right.sum(axis=0) / labelled.sum(axis=0), labelled.sum(axis=0)


def row(truth, predictions, share):
    per_joint, count = pckh(truth, predictions, share)
    of = {name: per_joint[i] for i, name in enumerate(JOINTS)}
    groups = ["sho", "elb", "wri", "hip", "kne", "ank"]
    values = [of["head"]] + [(of["r" + g] + of["l" + g]) / 2 for g in groups]
    keep = [i for i in range(16) if JOINTS[i] not in ("pelv", "thor")]
    return values + [(per_joint[keep] * count[keep]).sum() / count[keep].sum()]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../data/mpii")
    os.makedirs(folder, exist_ok=True)
    random = np.random.default_rng(7)
    positions = np.round(random.uniform(1, 600, (16, 2, PEOPLE)), 2)
    missing = (random.uniform(size=(16, PEOPLE)) < 0.2).astype(np.uint8)
    heads = np.zeros((2, 2, PEOPLE))
    heads[0] = np.round(random.uniform(1, 500, (2, PEOPLE)))
    heads[1] = heads[0] + np.round(random.uniform(20, 60, (2, PEOPLE)))
    truth = dict(dataset_joints=cell(JOINTS), jnt_missing=missing, pos_gt_src=positions,
                 headboxes_src=heads)
    off = random.normal(size=(PEOPLE, 16, 2)) * random.choice([1.0, 4.0, 20.0], (PEOPLE, 16, 1))
    predictions = np.round(positions.transpose(2, 0, 1) - 1 + off, 3)

    def write(name, **changes):
        savemat(os.path.join(folder, name), {**truth, **changes}, do_compression=True)

    write("gt.mat")
    write("bad_order.mat", dataset_joints=cell(JOINTS[::-1]))
    write("bad_names.mat", dataset_joints=cell(JOINTS[:5]))
    write("bad_shape.mat", pos_gt_src=positions[:, :, :3])
    write("bad_head.mat", headboxes_src=np.zeros_like(heads))
    write("bad_nan.mat", pos_gt_src=np.where(positions > 300, np.nan, positions))
    write("bad_class.mat", jnt_missing=cell(["a"]))
    expected = dict(
        about="made by tests/parity/make_mpii_fixture.py",
        predictions=predictions.tolist(),
        rows={str(share): row(truth, predictions, share) for share in (0.5, 0.11, 0.1)})
    with open(os.path.join(folder, "expected.json"), "w") as out:
        json.dump(expected, out)
        out.write("\n")
    assert loadmat(os.path.join(folder, "gt.mat"))["pos_gt_src"].shape == (16, 2, PEOPLE)


if __name__ == "__main__":
    main()
