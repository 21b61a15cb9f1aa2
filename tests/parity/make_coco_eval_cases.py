#!/usr/bin/env python3
"""Writes tests/data/metrics/coco_eval_cases.json: what pycocotools says about random result sets.

Only the ten figures of each set are stored. The sets come from the generator below, of which
tests/datasets/metrics/coco_cases.cpp is the twin: both must draw the same numbers in the same order.
Every number is a multiple of 1/4096 or a quotient of two small integers, so both languages hold the
same doubles. The sets have crowds, unlabelled people, people twice, ties of scores and of OKS, areas
on the limits, images without people or poses, more than 20 poses in an image, annotation id 0, poses
with boxes, and two categories.

    make_coco_eval_cases.py [--sets 240] [--real ANNOTATIONS.json] [--out FILE]
"""
import argparse
import contextlib
import io
import json
import os

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MASK = (1 << 64) - 1
NOISE = [0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 2]
SIGMAS = 17


class Rng:
    def __init__(self, seed):
        self.state = seed & MASK

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 33) % n


def make_person(rng, previous):
    copies = rng.below(12) == 0 and previous is not None
    bx, by, bw, bh = rng.below(400), rng.below(300), 8 + rng.below(200), 8 + rng.below(200)
    kind = rng.below(8)
    area = [1024.0, 9216.0, 1023.75, 9216.25][kind] if kind < 4 else bw * bh * 0.5
    crowd = rng.below(10) == 0
    unlabelled = rng.below(8) == 0
    keypoints = []
    for _ in range(SIGMAS):
        v = 0 if rng.below(4) == 0 or unlabelled else 1 + rng.below(2)
        x, y = bx + rng.below(4 * bw + 1) / 4, by + rng.below(4 * bh + 1) / 4
        keypoints += [x, y, v] if v > 0 else [0, 0, 0]
    hides_count = rng.below(20) == 0
    count = sum(v > 0 for v in keypoints[2::3])
    person = dict(bbox=[bx, by, bw, bh], area=area, iscrowd=int(crowd), keypoints=keypoints,
                  num_keypoints=0 if hides_count else count)
    if copies:
        person.update(bbox=previous["bbox"], area=previous["area"], keypoints=previous["keypoints"],
                      num_keypoints=previous["num_keypoints"])
    return person


def near_pose(rng, person):
    bx, by, bw, bh = person["bbox"]
    reach = max(bw, bh) * NOISE[rng.below(len(NOISE))]
    keypoints = []
    for k in range(SIGMAS):
        x, y, v = person["keypoints"][3 * k:3 * k + 3]
        if v == 0:
            x, y = bx + bw / 2, by + bh / 2
        dx, dy = (rng.below(65) - 32) / 32 * reach, (rng.below(65) - 32) / 32 * reach
        keypoints += [x + dx, y + dy, 1]
    return keypoints


def far_pose(rng):
    keypoints = []
    for _ in range(SIGMAS):
        x, y = rng.below(2560) / 4, rng.below(1920) / 4
        keypoints += [x, y, 1]
    return keypoints


def finish_pose(rng, image_id, category, keypoints, levels, boxes):
    pose = dict(image_id=image_id, category_id=category, keypoints=keypoints,
                score=rng.below(levels + 1) / levels)
    if boxes:
        pose["bbox"] = [rng.below(400), rng.below(300), rng.below(150), rng.below(150)]
    return pose


def make_case(seed):
    rng = Rng(seed)
    levels = [4, 100, 1000000][seed % 3]
    many, empties = seed % 5 == 0, seed % 4 == 1
    boxes, two_categories = seed % 7 == 2, seed % 11 == 3
    next_id = 0 if seed % 13 == 4 else 1
    images, people, poses = [], [], []
    for i in range(1 + rng.below(12)):
        image_id = 1 + i * 37 % 101
        images.append(dict(id=image_id))
        num_people = rng.below(4)
        if empties and rng.below(2) == 0:
            num_people = 0
        previous = None
        for _ in range(num_people):
            person = make_person(rng, previous)
            previous = person
            category = 2 if two_categories and rng.below(3) == 0 else 1
            person.update(id=next_id, image_id=image_id, category_id=category)
            next_id += 1
            people.append(person)
            for _ in range(rng.below(12 if many else 4)):
                poses.append(finish_pose(rng, image_id, category, near_pose(rng, person), levels,
                                         boxes))
        for _ in range(rng.below(15 if many else 3)):
            category = 2 if two_categories and rng.below(3) == 0 else 1
            poses.append(finish_pose(rng, image_id, category, far_pose(rng), levels, boxes))
    if not poses:
        poses.append(finish_pose(rng, images[0]["id"], 1, far_pose(rng), levels, boxes))
    turn = rng.below(len(poses))
    categories = [dict(id=1, name="person")] + ([dict(id=2, name="animal")] if two_categories else [])
    return (dict(images=images, annotations=people, categories=categories),
            poses[turn:] + poses[:turn])


def real_poses(labels):
    """Three poses near every labelled person of a real annotation file."""
    rng = Rng(1)
    poses = []
    for person in labels["annotations"]:
        for _ in range(3):
            poses.append(finish_pose(rng, person["image_id"], person["category_id"],
                                     near_pose(rng, person), 100, False))
    return poses


def figures(labels, poses):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = labels
        gt.createIndex()
        evaluation = COCOeval(gt, gt.loadRes(poses), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=240)
    parser.add_argument("--real")
    parser.add_argument("--out", default=os.path.join(here, "../data/metrics/coco_eval_cases.json"))
    args = parser.parse_args()
    result = dict(about="Figures of pycocotools; made by tests/parity/make_coco_eval_cases.py",
                  sets=[figures(*make_case(seed)) for seed in range(args.sets)])
    if args.real:
        labels = json.load(open(args.real))
        result["real"] = figures(labels, real_poses(labels))
    with open(args.out, "w") as out:
        out.write('{"about": %s,\n' % json.dumps(result["about"]))
        if "real" in result:
            out.write('"real": %s,\n' % json.dumps(result["real"]))
        out.write('"sets": [\n' + ",\n".join(json.dumps(row) for row in result["sets"]) + "\n]}\n")


if __name__ == "__main__":
    main()
