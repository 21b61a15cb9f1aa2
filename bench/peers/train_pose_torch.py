#!/usr/bin/env python3
"""Yardstick for training: the Simple Baselines recipe in PyTorch on a COCO-format data set.

An independent plain implementation (ResNet-18 + deconvolutions, OpenCV crops, JointsMSE, Adam,
multi-step schedule, flip test with shift, quarter offset) with the settings of
apps/configs/body2d/simple_baseline/lspet/res18_96x96.json. After every epoch it writes the
validation poses as a COCO results file, so `akimbo eval --results FILE` scores both programs alike.

    train_pose_torch.py DATA_DIR OUT_DIR [--epochs 30] [--threads 2] [--save-init init.pth]
"""
import argparse
import json
import math
import os
import time

import cv2
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class Basic(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False),
                                            nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (self.downsample(x) if self.downsample else x), inplace=True)


class PoseResNet18(nn.Module):
    def __init__(self, num_keypoints, deconv_filters):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        c_in = 64
        for i, (planes, stride) in enumerate([(64, 1), (128, 2), (256, 2), (512, 2)]):
            setattr(self, f"layer{i + 1}", nn.Sequential(Basic(c_in, planes, stride),
                                                         Basic(planes, planes, 1)))
            c_in = planes
        layers = []
        for filters in deconv_filters:
            layers += [nn.ConvTranspose2d(c_in, filters, 4, 2, 1, bias=False),
                       nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
            nn.init.normal_(layers[-3].weight, std=0.001)
            c_in = filters
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(c_in, num_keypoints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.final_layer(self.deconv_layers(x))


def records(folder, split):
    """One record per person with a visible key-point; the box clipped as the published reader does."""
    data = json.load(open(os.path.join(folder, "annotations", split + ".json")))
    images = {image["id"]: image for image in data["images"]}
    out = []
    for a in data["annotations"]:
        info = images[a["image_id"]]
        x, y, w, h = a["bbox"]
        x1, y1 = max(0, x), max(0, y)
        x2 = min(info["width"] - 1, x1 + max(0, w - 1))
        y2 = min(info["height"] - 1, y1 + max(0, h - 1))
        if a.get("iscrowd") or a["area"] <= 0 or x2 < x1 or y2 < y1 or max(a["keypoints"]) == 0:
            continue
        w, h = x2 - x1, y2 - y1
        center = np.array([x1 + w * 0.5, y1 + h * 0.5], np.float32)
        side = max(w, h) * 1.25 / 200
        keypoints = np.array(a["keypoints"], np.float64).reshape(-1, 3)
        image = cv2.imread(os.path.join(folder, "images", split, info["file_name"]))
        out.append(dict(image=image, center=center, scale=np.float32(side), keypoints=keypoints,
                        image_id=a["image_id"]))
    return out


def crop_matrix(center, scale, rotation, size):
    side = scale * 200.0
    theta = math.pi * rotation / 180
    src = np.zeros((3, 2), np.float32)
    dst = np.zeros((3, 2), np.float32)
    src[0], dst[0] = center, (size / 2, size / 2)
    src[1] = center + np.array([side / 2 * math.sin(theta), -side / 2 * math.cos(theta)])
    dst[1] = (size / 2, 0)
    for points in (src, dst):
        d = points[0] - points[1]
        points[2] = points[1] + np.array([-d[1], d[0]], np.float32)
    return cv2.getAffineTransform(src, dst)


def normalised_crop(image, matrix, size):
    crop = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return ((crop.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def training_sample(record, rng, size, sigma, pairs):
    image, keypoints = record["image"], record["keypoints"].copy()
    center = record["center"].astype(np.float64)
    keypoints[:, 2] = np.minimum(keypoints[:, 2], 1)
    scale = record["scale"] * np.clip(rng.standard_normal() * 0.3 + 1, 0.7, 1.3)
    rotation = np.clip(rng.standard_normal() * 40, -80, 80) if rng.random() <= 0.6 else 0
    if rng.random() <= 0.5:
        image = image[:, ::-1]
        keypoints[:, 0] = image.shape[1] - keypoints[:, 0] - 1
        for left, right in pairs:
            keypoints[[left, right]] = keypoints[[right, left]]
        center[0] = image.shape[1] - center[0] - 1
    matrix = crop_matrix(center, scale, rotation, size)
    heat = size // 4
    target = np.zeros((len(keypoints), heat, heat), np.float32)
    weight = keypoints[:, 2].astype(np.float32).copy()
    radius = 3 * sigma
    axis = np.arange(2 * radius + 1) - radius
    patch = np.exp(-(axis[None] ** 2 + axis[:, None] ** 2) / (2.0 * sigma ** 2)).astype(np.float32)
    for k, (x, y, v) in enumerate(keypoints):
        if v > 0:
            x, y = matrix @ np.array([x, y, 1.0])
        mu_x, mu_y = int(x / 4 + 0.5), int(y / 4 + 0.5)
        x0, y0, x1, y1 = mu_x - radius, mu_y - radius, mu_x + radius + 1, mu_y + radius + 1
        if x0 >= heat or y0 >= heat or x1 < 0 or y1 < 0:
            weight[k] = 0
            continue
        if weight[k] > 0.5:
            ax, ay, bx, by = max(0, x0), max(0, y0), min(heat, x1), min(heat, y1)
            target[k, ay:by, ax:bx] = patch[ay - y0:by - y0, ax - x0:bx - x0]
    return normalised_crop(np.ascontiguousarray(image), matrix, size), target, weight


def decode(maps, centers, scales):
    """Arg-max, quarter offset, back to the image; maps [N, K, h, w]."""
    n, k, h, w = maps.shape
    index = maps.reshape(n, k, -1).argmax(2)
    score = maps.reshape(n, k, -1).max(2)
    x, y = (index % w).astype(np.float32), (index // w).astype(np.float32)
    x[score <= 0] = 0
    y[score <= 0] = 0
    for i in range(n):
        for j in range(k):
            px, py = int(x[i, j] + 0.5), int(y[i, j] + 0.5)
            if 1 < px < w - 1 and 1 < py < h - 1:
                m = maps[i, j]
                x[i, j] += 0.25 * np.sign(m[py, px + 1] - m[py, px - 1])
                y[i, j] += 0.25 * np.sign(m[py + 1, px] - m[py - 1, px])
    side = (scales * 200)[:, None]
    return side / w * (x - w / 2) + centers[:, :1], side / w * (y - h / 2) + centers[:, 1:], score


@torch.inference_mode()
def validate(model, records, size, pairs, batch, path):
    model.eval()
    swap = np.arange(len(records[0]["keypoints"]))
    for left, right in pairs:
        swap[left], swap[right] = right, left
    results = []
    for begin in range(0, len(records), batch):
        part = records[begin:begin + batch]
        x = torch.from_numpy(np.stack(
            [normalised_crop(r["image"], crop_matrix(r["center"], r["scale"], 0, size), size)
             for r in part])).to(memory_format=torch.channels_last)
        maps = model(x).numpy()
        flipped = model(x.flip(3)).numpy()[:, swap, :, ::-1].copy()
        flipped[..., 1:] = flipped[..., :-1].copy()
        maps = (maps + flipped) * np.float32(0.5)
        xs, ys, scores = decode(maps, np.stack([r["center"] for r in part]),
                                np.stack([r["scale"] for r in part]))
        for i, r in enumerate(part):
            kept = scores[i][scores[i] > 0.2]
            results.append(dict(
                image_id=r["image_id"], category_id=1,
                score=float(kept.mean()) if len(kept) else 0.0,
                keypoints=np.stack([xs[i], ys[i], scores[i]], 1).reshape(-1).astype(float).tolist()))
    json.dump(results, open(path, "w"))
    model.train()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--sigma", type=int, default=2)
    parser.add_argument("--filters", type=int, nargs="+", default=[64, 64, 64])
    parser.add_argument("--milestones", type=int, nargs="+", default=[20, 26])
    parser.add_argument("--pairs", type=json.loads,
                        default=[[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-init", help="write the initial weights here, for the other program")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(args.seed)
    os.makedirs(args.out, exist_ok=True)
    train, val = records(args.data, "train"), records(args.data, "val")
    model = PoseResNet18(len(train[0]["keypoints"]), args.filters)
    if args.save_init:
        torch.save(model.state_dict(), args.save_init)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    print(f"{len(train)} training, {len(val)} validation people", flush=True)
    seconds = 0.0
    for epoch in range(args.epochs):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 0.1 ** sum(m <= epoch for m in args.milestones)
        begin_time, losses = time.time(), []
        order = rng.permutation(len(train))
        for begin in range(0, len(order), args.batch):
            part = [training_sample(train[i], rng, args.size, args.sigma, args.pairs)
                    for i in order[begin:begin + args.batch]]
            x = torch.from_numpy(np.stack([p[0] for p in part])).to(memory_format=torch.channels_last)
            target = torch.from_numpy(np.stack([p[1] for p in part]))
            weight = torch.from_numpy(np.stack([p[2] for p in part]))[:, :, None, None]
            loss = 0.5 * ((model(x) - target) * weight).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        seconds += time.time() - begin_time
        validate(model, val, args.size, args.pairs, args.batch,
                 os.path.join(args.out, f"results_epoch_{epoch + 1:02d}.json"))
        print(json.dumps(dict(epoch=epoch + 1, loss=float(np.mean(losses)),
                              train_seconds=round(seconds, 1))), flush=True)
    torch.save(model.state_dict(), os.path.join(args.out, "final.pth"))


if __name__ == "__main__":
    main()
