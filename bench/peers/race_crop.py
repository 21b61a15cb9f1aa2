"""Crop and normalise, one core each: bench/data/crop_bench against OpenCV's warpAffine and numpy.

  python bench/peers/race_crop.py BUILD [--rounds 9] [--core 0]

Both turn the same 640x480 picture into the same 64 crops of 256x192, f32, ((v / 255) - mean) / std.
Rounds alternate; medians are printed, per second of processor time. OpenCV gets the quicker of two forms of the normalisation: the
three steps of the published code in place, or one multiply and one add folded beforehand.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy as np

NUM = 64
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def picture():
    y, x = np.mgrid[0:480, 0:1920]
    return ((7 * x + 13 * y + x * y) & 255).astype(np.uint8).reshape(480, 640, 3)


def matrix(i):
    side = np.float32((120 + (71 * i) % 480) / 200) * np.float32(200)
    c = np.array([100 + (37 * i) % 440, 80 + (53 * i) % 320], np.float64)
    a = np.pi * ((29 * i) % 81 - 40) / 180
    up = np.array([side / 2 * np.sin(a), -side / 2 * np.cos(a)])
    src = np.zeros((3, 2), np.float32)
    dst = np.zeros((3, 2), np.float32)
    src[0], src[1] = c, c + up
    dst[0], dst[1] = (96, 128), (96, 128 - 96)
    for t in (src, dst):
        d = t[0] - t[1]
        t[2] = t[1] + np.array([-d[1], d[0]], np.float32)
    return cv2.getAffineTransform(src, dst)


def steps(image, m, slot):
    crop = cv2.warpAffine(image, m, (192, 256), flags=cv2.INTER_LINEAR)
    np.divide(crop, np.float32(255), out=slot)
    np.subtract(slot, MEAN, out=slot)
    np.divide(slot, STD, out=slot)


SCALE = np.tile(1 / (255 * STD), 192)
SHIFT = np.tile(-MEAN / STD, 192)


def folded(image, m, slot):
    crop = cv2.warpAffine(image, m, (192, 256), flags=cv2.INTER_LINEAR)
    flat = slot.reshape(256, 576)
    np.multiply(crop.reshape(256, 576), SCALE, out=flat)
    np.add(flat, SHIFT, out=flat)


def time_peer(function, image, matrices, seconds=0.3):
    batch = np.empty((32, 256, 192, 3), np.float32)
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for _ in range(16):
            function(image, matrices[count % NUM], batch[count % 32])
            count += 1
    return count / (time.process_time() - start)


def time_ours(binary):
    out = subprocess.run([binary, "--benchmark_format=json", "--benchmark_min_time=0.3"],
                         check=True, capture_output=True, text=True).stdout
    return {b["name"].split("/")[1]: b["items_per_second"]
            for b in json.loads(out)["benchmarks"] if "crop/" in b["name"]}


def compare(binary, image, matrices):
    with tempfile.NamedTemporaryFile() as f:
        subprocess.run([binary, "--dump", f.name], check=True)
        ours = np.fromfile(f.name, np.uint8).reshape(NUM, 256, 192, 3).astype(int)
    theirs = np.stack([cv2.warpAffine(image, m, (192, 256)) for m in matrices]).astype(int)
    d = np.abs(ours - theirs)
    print(f"difference to this OpenCV in grey levels: mean {d.mean():.4f}, max {d.max()}, "
          f"equal {100 * (d == 0).mean():.2f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--core", type=int, default=0)
    args = parser.parse_args()
    os.sched_setaffinity(0, {args.core})  # children inherit it
    cv2.setNumThreads(1)
    binary = os.path.join(args.build, "bench", "crop_bench")
    image, matrices = picture(), [matrix(i) for i in range(NUM)]
    print("OpenCV", cv2.__version__, "numpy", np.__version__)
    compare(binary, image, matrices)
    results = {"opencv, three steps": [], "opencv, folded": [], "ours, opencv": [], "ours, fast": []}
    for _ in range(args.rounds):
        for name, rate in time_ours(binary).items():
            results["ours, " + name].append(rate)
        results["opencv, three steps"].append(time_peer(steps, image, matrices))
        results["opencv, folded"].append(time_peer(folded, image, matrices))
    medians = {k: statistics.median(v) for k, v in results.items()}
    best = max(v for k, v in medians.items() if k.startswith("opencv"))
    for name, rate in medians.items():
        spread = results[name]
        print(f"{name:22} {rate:8.0f} crops/s  ({min(spread):.0f} to {max(spread):.0f})  "
              f"{rate / best:.2f} of OpenCV's best")


main()
