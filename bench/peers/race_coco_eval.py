#!/usr/bin/env python3
"""Races the COCO keypoint evaluator against pycocotools on one set of the size of val2017.

Both get the same two files; runs alternate, medians are compared, the ten figures must agree to
1e-9. "evaluate" is what happens to loaded data (matching, accumulation, the ten figures), "files to
figures" includes reading and parsing both JSON files.

    race_coco_eval.py BUILD/bench/coco_eval_bench [--rounds 3] [--images 5000] [--results 104000]
"""
import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def make_set(folder, num_images, num_results):
    rng = np.random.default_rng(1)
    num_people = int(num_images * 2.2)
    images = [dict(id=i + 1, file_name="%012d.jpg" % (i + 1), width=640, height=480)
              for i in range(num_images)]
    people, truth = [], []
    for i in range(num_people):
        image_id = int(rng.integers(1, num_images + 1))
        size = rng.uniform(20, 300, 2)
        corner = rng.uniform(0, 300, 2)
        labelled = rng.random() < 0.58
        crowd = not labelled and rng.random() < 0.1
        xy = corner + rng.random((17, 2)) * size
        v = rng.integers(0, 3, 17) if labelled else np.zeros(17, int)
        shown = np.where(v[:, None] > 0, np.round(xy), 0)
        people.append(dict(
            id=i + 1, image_id=image_id, category_id=1, iscrowd=int(crowd),
            area=float(size.prod() * 0.5), bbox=np.round([*corner, *size], 2).tolist(),
            num_keypoints=int((v > 0).sum()),
            keypoints=np.concatenate([shown, v[:, None]], 1).astype(int).reshape(-1).tolist()))
        truth.append((image_id, xy, size))
    results = []
    for i in range(num_results):
        near = i < 2 * num_people
        image_id, xy, size = truth[i % num_people]
        if near:
            xy = xy + rng.normal(size=(17, 2)) * size * 0.05
        else:
            image_id = int(rng.integers(1, num_images + 1))
            xy = rng.uniform(0, 480, (17, 2))
        score = rng.uniform(0.3 if near else 0.0, 1.0 if near else 0.6)
        keypoints = np.concatenate([xy, rng.random((17, 1))], 1).astype(np.float32)
        results.append(dict(image_id=image_id, category_id=1, score=float(score),
                            keypoints=keypoints.astype(float).reshape(-1).tolist()))
    rng.shuffle(results)
    labels = dict(images=images, annotations=people,
                  categories=[dict(id=1, name="person", supercategory="person")])
    paths = [os.path.join(folder, name) for name in ("annotations.json", "results.json")]
    for path, content in zip(paths, (labels, results)):
        with open(path, "w") as out:
            json.dump(content, out)
    return paths


def run_official(annotations, results):
    with contextlib.redirect_stdout(io.StringIO()):
        begin = time.perf_counter()
        gt = COCO(annotations)
        evaluation = COCOeval(gt, gt.loadRes(results), "keypoints")
        loaded = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        end = time.perf_counter()
    return dict(evaluate=end - loaded, total=end - begin, figures=list(map(float, evaluation.stats)))


def run_ours(program, annotations, results):
    line = subprocess.run([program, "--files", annotations, results], check=True,
                          capture_output=True, text=True).stdout
    run = json.loads(line)
    total = run["read_labels_s"] + run["read_results_s"] + run["evaluate_s"]
    return dict(evaluate=run["evaluate_s"], total=total, figures=run["figures"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--results", type=int, default=104000)
    args = parser.parse_args()
    official, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        annotations, results = make_set(folder, args.images, args.results)
        size = os.path.getsize(annotations) + os.path.getsize(results)
        print(f"{args.images} images, {args.results} results, {size / 1e6:.0f} MB", flush=True)
        for _ in range(args.rounds):
            official.append(run_official(annotations, results))
            ours.append(run_ours(args.program, annotations, results))
    worst = max(abs(a - b) for run in ours for a, b in zip(run["figures"], official[0]["figures"]))
    print("figures:", " ".join("%.6f" % f for f in ours[0]["figures"]))
    print(f"largest difference of a figure: {worst:.3g}")
    for key, name in (("evaluate", "evaluate"), ("total", "files to figures")):
        theirs = statistics.median(run[key] for run in official)
        mine = statistics.median(run[key] for run in ours)
        print(f"{name}: pycocotools {theirs:.3f} s, akimbo {mine:.4f} s, ratio {theirs / mine:.0f}")
    if worst > 1e-9:
        raise SystemExit("the figures differ")


if __name__ == "__main__":
    main()
