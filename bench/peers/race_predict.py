"""Races `akimbo predict` on a folder of JPEGs against a PyTorch and OpenCV program that does the same.

    python bench/peers/race_predict.py build/akimbo [--images 96] [--rounds 3] [--threads 2]

Both are whole programs, from their start to the last drawing: decode, crop (every picture as one
person's), pose_resnet50 256x192 with one set of weights, heatmaps to keypoints with the quarter
offset, a drawing of each picture as JPEG, and a results file. They take turns; the ratio is of
medians. The keypoints of both are compared.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3"
LIMBS = [(15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
         (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]


def crop_matrix(width, height):
    """Of the whole picture as a box: aspect 192:256, a quarter wider."""
    import numpy as np
    cx, cy = width * 0.5, height * 0.5
    w, h = (width, width / 0.75) if width > 0.75 * height else (height * 0.75, height)
    w, h = w * 1.25, h * 1.25
    scale = 192 / w
    return np.array([[scale, 0, 96 - scale * cx], [0, scale, 128 - scale * cy]], np.float64)


def load(path):
    import cv2
    import numpy as np
    image = cv2.imread(str(path))
    matrix = crop_matrix(image.shape[1], image.shape[0])
    crop = cv2.warpAffine(image, matrix, (192, 256), flags=cv2.INTER_LINEAR)  # BGR, as the config
    x = (crop.astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return image, matrix, x.astype(np.float32).transpose(2, 0, 1)


def keypoints_of(heatmap, matrix):
    import numpy as np
    k, h, w = heatmap.shape
    flat = heatmap.reshape(k, -1)
    index = flat.argmax(1)
    points = np.stack([index % w, index // w], 1).astype(np.float32)
    for i, (x, y) in enumerate(points.astype(int)):
        if 1 < x < w - 1 and 1 < y < h - 1:
            m = heatmap[i]
            points[i] += 0.25 * np.sign([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]])
    points[flat.max(1) <= 0] = 0  # as the published code does
    scale = matrix[0, 0]
    image_points = np.stack([(points[:, 0] * 4 - matrix[0, 2]) / scale,
                             (points[:, 1] * 4 - matrix[1, 2]) / scale], 1)
    return image_points, flat.max(1)


def peer(args):
    import cv2
    import torch
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    from pose_resnet_torch import PoseResNet
    model = PoseResNet(50).eval()
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    out = pathlib.Path(args.out)
    out.mkdir(exist_ok=True)
    paths, results = sorted(pathlib.Path(args.folder).glob("*.jpg")), []
    for begin in range(0, len(paths), 32):
        loaded = [load(path) for path in paths[begin:begin + 32]]
        x = torch.stack([torch.from_numpy(item[2]) for item in loaded])
        with torch.inference_mode():
            maps = model(x).numpy()
        for path, (image, matrix, _), heatmap in zip(paths[begin:begin + 32], loaded, maps):
            points, scores = keypoints_of(heatmap, matrix)
            for a, b in LIMBS:
                cv2.line(image, tuple(points[a].astype(int)), tuple(points[b].astype(int)),
                         (255, 128, 0), 2, cv2.LINE_AA)
            for p in points:
                cv2.circle(image, tuple(p.astype(int)), 3, (0, 255, 0), -1, cv2.LINE_AA)
            cv2.imwrite(str(out / path.name), image)
            results.append({"file": path.name, "keypoints": points.tolist(),
                            "scores": scores.tolist()})
    (out / "results.json").write_text(json.dumps(results))


def timed(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def share_of_equal(ours, theirs):
    """Of the keypoints, those within a tenth of a pixel. A fresh network's maxima nearly tie, so that
    the last digit of a heatmap may decide between two cells."""
    a = {json.dumps(r["image_id"]): r["keypoints"] for r in json.loads(ours.read_text())}
    b = [r["keypoints"] for r in json.loads(theirs.read_text())]
    equal = [abs(mine[3 * k] - x) < 0.1 and abs(mine[3 * k + 1] - y) < 0.1
             for mine, points in zip(a.values(), b) for k, (x, y) in enumerate(points)]
    return sum(equal) / len(equal)


def race(args):
    import torch
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    from pose_resnet_torch import PoseResNet
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        torch.manual_seed(1)
        torch.save(PoseResNet(50).state_dict(), folder / "w.pth")
        for command in ([args.akimbo, "convert", "w.pth", "w.safetensors", "--config", CONFIG],
                        [args.akimbo, "synth", "data", "--images", str(args.images), "--val", "0",
                         "--size", "640x480"]):
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        pictures = next(p.parent for p in folder.rglob("*.jpg"))
        ours = [args.akimbo, "predict", str(folder / "w.safetensors"), str(pictures), "--out",
                str(folder / "ours"), "--threads", str(args.threads), "--device", "cpu"]
        theirs = [sys.executable, __file__, args.akimbo, "--peer", "--folder", str(pictures),
                  "--weights", str(folder / "w.pth"), "--out", str(folder / "theirs"),
                  "--threads", str(args.threads)]
        times = {"akimbo": [], "PyTorch and OpenCV": []}
        for _ in range(args.rounds):
            times["akimbo"].append(timed(ours))
            times["PyTorch and OpenCV"].append(timed(theirs))
        count = len(list(pictures.glob("*.jpg")))
        median = {key: statistics.median(value) for key, value in times.items()}
        equal = share_of_equal(folder / "ours" / "results.json",
                               folder / "theirs" / "results.json")
        print(f"{count} pictures: " + "  ".join(
            f"{key} {seconds:.2f} s ({count / seconds:.1f} pictures/s)"
            for key, seconds in median.items()) +
            f"  ->  {median['PyTorch and OpenCV'] / median['akimbo']:.2f} times as fast; keypoints "
            f"equal: {100 * equal:.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("akimbo")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    for hidden in ("--folder", "--weights", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.akimbo = str(pathlib.Path(args.akimbo).resolve())
    peer(args) if args.peer else race(args)


if __name__ == "__main__":
    main()
