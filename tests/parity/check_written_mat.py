#!/usr/bin/env python3
"""Opens a pred.mat of `akimbo eval` with scipy and compares it with results.json beside it.

    check_written_mat.py FOLDER
"""
import json
import os
import sys

import numpy as np
from scipy.io import loadmat


def main():
    folder = sys.argv[1]
    preds = loadmat(os.path.join(folder, "pred.mat"))["preds"]
    poses = json.load(open(os.path.join(folder, "results.json")))
    wanted = np.array([np.reshape(pose["keypoints"], (-1, 3))[:, :2] for pose in poses]) + 1
    assert preds.dtype == np.float64 and preds.shape == (len(poses), 16, 2), (preds.dtype, preds.shape)
    assert np.array_equal(preds, wanted), np.abs(preds - wanted).max()
    print("%d people, equal to results.json" % len(poses))


if __name__ == "__main__":
    main()
