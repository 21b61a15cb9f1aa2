#!/usr/bin/env python3
"""Writes tests/data/topdown/postprocess.json: what becomes of random heatmaps on the way to a results
file, computed from the description of the published pipelines with numpy alone: mirrored pass, shift,
average, arg-max, quarter offset, map back to the image, rescoring, hard and soft suppression.

Heatmaps are not stored: element i of a map called `name` is u of the rule in tests/support/golden.h.
tests/datasets/metrics/postprocess_test.cpp does the same with the engine.

    make_postprocess_fixture.py [FILE]
"""
import json
import os
import sys

import numpy as np

MASK = (1 << 64) - 1
PAIRS = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
SIGMAS = np.array([.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89,
                   .89]) / 10
JOINTS, HEIGHT, WIDTH = 17, 16, 12
F32 = np.float32


def uniform(name, shape):
    h = 0xcbf29ce484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001b3) & MASK
    values = np.empty(int(np.prod(shape)))
    for i in range(values.size):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        values[i] = (z >> 40) / 2 ** 24 * 2 - 1
    return values.astype(F32).reshape(shape)


def averaged(plain, mirrored, shift):
    back = mirrored[:, :, ::-1].copy()
    for a, b in PAIRS:
        back[[a, b]] = back[[b, a]]
    if shift:
        back[:, :, 1:] = back[:, :, :-1].copy()
    return (plain + back) * F32(0.5)


def peaks_of(maps):
    peaks = np.zeros((JOINTS, 3), F32)
    for j, m in enumerate(maps):
        index = int(np.argmax(m))
        top = m.flat[index]
        peaks[j] = (index % WIDTH, index // WIDTH, top) if top > 0 else (0, 0, top)
        px, py = int(np.floor(peaks[j, 0] + 0.5)), int(np.floor(peaks[j, 1] + 0.5))
        if 1 < px < WIDTH - 1 and 1 < py < HEIGHT - 1:
            peaks[j, 0] += 0.25 * np.sign(m[py, px + 1] - m[py, px - 1])
            peaks[j, 1] += 0.25 * np.sign(m[py + 1, px] - m[py - 1, px])
    return peaks


def to_image(peaks, center, scale):
    """Three point pairs in f32, the map between them in double."""
    side = F32(scale[0]) * F32(200)
    cx, cy = F32(center[0]), F32(center[1])

    def third(a, b):
        d = a - b
        return b + np.array([-d[1], d[0]], F32)

    image = np.zeros((3, 2), F32)
    image[0], image[1] = (cx, cy), (cx, F32(float(cy) - float(side) * 0.5))
    image[2] = third(image[0], image[1])
    crop = np.zeros((3, 2), F32)
    crop[0], crop[1] = (WIDTH * .5, HEIGHT * .5), (WIDTH * .5, HEIGHT * .5 - WIDTH * .5)
    crop[2] = third(crop[0], crop[1])
    system = np.hstack([crop.astype(float), np.ones((3, 1))])
    matrix = np.linalg.solve(system, image.astype(float))
    out = peaks.copy()
    points = np.hstack([peaks[:, :2].astype(float), np.ones((JOINTS, 1))])
    out[:, :2] = points @ matrix
    return out


def oks(a, b, area_a, area_b):
    d = (a[:, 0] - b[:, 0]) ** 2 + (a[:, 1] - b[:, 1]) ** 2
    e = d / (2 * SIGMAS) ** 2 / ((area_a + area_b) / 2 + np.spacing(1)) / 2
    return np.exp(-e).mean()


def order_of(scores):
    return [i for i in sorted(range(len(scores)), key=lambda i: scores[i])][::-1]


def hard(poses, areas, scores, threshold):
    order, kept = order_of(scores), []
    while order:
        best = order.pop(0)
        kept.append(best)
        order = [i for i in order if oks(poses[best], poses[i], areas[best], areas[i]) <= threshold]
    return kept


def soft(poses, areas, scores, threshold):
    order, scores, kept = order_of(scores), list(scores), []
    while order and len(kept) < 20:
        best = order.pop(0)
        kept.append(best)
        for i in order:
            overlap = oks(poses[best], poses[i], areas[best], areas[i])
            scores[i] *= np.exp(-overlap ** 2 / threshold)
        order = sorted(order, key=lambda i: scores[i])[::-1]
    return kept


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    default = os.path.join(here, "../data/topdown/postprocess.json")
    random = np.random.default_rng(11)
    people = []
    for i in range(14):
        # Some share a map, so that suppression has something to do.
        name = "person_%d" % (i % 6)
        center = np.round(random.uniform(80, 300, 2)) if i < 6 else (
            np.array(people[i % 6]["center"]) + np.round(random.uniform(-12, 12, 2), 1))
        scale = np.round(random.uniform(.4, 1.4), 3) if i < 6 else people[i % 6]["scale"][0]
        people.append(dict(map=name, image_id=1 + i % 2, center=[float(v) for v in center],
                           scale=[float(scale), float(scale) * 4 / 3],
                           box_score=float(np.round(random.uniform(.2, 1), 3))))
    for shift in (True, False):
        for person in people:
            maps = averaged(uniform(person["map"], (JOINTS, HEIGHT, WIDTH)),
                            uniform(person["map"] + "_mirrored", (JOINTS, HEIGHT, WIDTH)), shift)
            key = "shifted" if shift else "plain"
            person[key] = to_image(peaks_of(maps), person["center"], person["scale"])
    for person in people:
        scores = person["shifted"][:, 2].astype(float)
        above = scores[scores > 0.2]
        person["score"] = (above.mean() if above.size else 0.0) * person["box_score"]
        width, height = F32(person["scale"][0]) * F32(200), F32(person["scale"][1]) * F32(200)
        person["area"] = float(width * height)
    kept = {}
    for name, suppress in (("hard", hard), ("soft", soft)):
        kept[name] = []
        for image_id in (1, 2):
            members = [i for i, p in enumerate(people) if p["image_id"] == image_id]
            picks = suppress([people[i]["shifted"] for i in members],
                             [people[i]["area"] for i in members],
                             [people[i]["score"] for i in members], 0.5)
            kept[name] += [members[i] for i in picks]
    for person in people:
        for key in ("shifted", "plain"):
            person[key] = [float(v) for v in person[key].flatten()]
    result = dict(about="made by tests/parity/make_postprocess_fixture.py", height=HEIGHT, width=WIDTH,
                  oks_threshold=0.5, people=people, kept=kept)
    with open(sys.argv[1] if len(sys.argv) > 1 else default, "w") as out:
        out.write(json.dumps(result).replace('{"map"', '\n{"map"') + "\n")


if __name__ == "__main__":
    main()
