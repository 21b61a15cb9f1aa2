"""Writes tests/data/ops/pytorch.json: what PyTorch gives for pooling, resizing, norm, losses.

    python tests/parity/make_ops_fixture.py

Inputs are the fill rule's u(name) in double (tests/support/golden.h), NCHW. Each case stores y and
the gradients of sum(y * u("grad_y")), whole, in NCHW order.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F


def u(name, shape):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    i = np.arange(1, np.prod(shape, dtype=np.int64) + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(h) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    values = (z >> np.uint64(40)).astype(np.float64) / 2**24 * 2 - 1
    return torch.tensor(values.reshape(shape), dtype=torch.float64)


def leaf(name, shape):
    return u(name, shape).requires_grad_()


def case(y, **inputs):
    y.backward(u("grad_y", tuple(y.shape)))
    result = {"y": y, **{f"grad_{name}": t.grad for name, t in inputs.items()}}
    return {k: {"shape": list(t.shape), "values": t.detach().flatten().tolist()}
            for k, t in result.items()}


def unary(function):
    x = leaf("x", (1, 2, 7, 6))
    return case(function(x), x=x)


def batch_norm(training):
    x, gamma, beta = leaf("x", (1, 2, 7, 6)), leaf("gamma", (2,)), leaf("beta", (2,))
    residual = leaf("residual", (1, 2, 7, 6))
    mean, var = u("mean", (2,)), 1.5 + u("var", (2,))
    y = F.relu(F.batch_norm(x, mean, var, gamma, beta, training, 0.1, 1e-5) + residual)
    result = case(y, x=x, gamma=gamma, beta=beta, residual=residual)
    for name, t in (("mean", mean), ("var", var)):
        result[name] = {"shape": [2], "values": t.tolist()}
    return result


def loss(function):
    pred, target = leaf("pred", (4, 5)), u("target", (4, 5))
    return case(function(2 * pred, target).reshape(1), pred=pred)


def main():
    cases = {
        "max_pool": unary(lambda x: F.max_pool2d(x, 3, 2, 1)),
        "max_pool_ceil": unary(lambda x: F.max_pool2d(x, 2, 2, 0, ceil_mode=True)),
        "max_pool_ceil_pad": unary(lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
        "avg_pool": unary(lambda x: F.avg_pool2d(x, 3, 2, 1)),
        "avg_pool_ceil": unary(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
        "avg_pool_no_pad": unary(
            lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)),
        "nearest_up": unary(lambda x: F.interpolate(x, (14, 12), mode="nearest")),
        "nearest_odd": unary(lambda x: F.interpolate(x, (5, 11), mode="nearest")),
        "bilinear_up": unary(lambda x: F.interpolate(x, (14, 15), mode="bilinear")),
        "bilinear_down": unary(lambda x: F.interpolate(x, (3, 4), mode="bilinear")),
        "bilinear_align_up": unary(
            lambda x: F.interpolate(x, (14, 15), mode="bilinear", align_corners=True)),
        "bilinear_align_down": unary(
            lambda x: F.interpolate(x, (3, 1), mode="bilinear", align_corners=True)),
        "softmax": unary(lambda x: F.softmax(5 * x, 1)),
        "log_softmax": unary(lambda x: F.log_softmax(5 * x, 1)),
        "sigmoid": unary(lambda x: torch.sigmoid(5 * x)),
        "leaky_relu": unary(lambda x: F.leaky_relu(x, 0.1)),
        "batch_norm_train": batch_norm(True),
        "batch_norm_eval": batch_norm(False),
        "mse": loss(lambda p, t: F.mse_loss(p, t)),
        "l1": loss(lambda p, t: F.l1_loss(p, t)),
        "smooth_l1": loss(lambda p, t: F.smooth_l1_loss(p, t, beta=0.5)),
        "cross_entropy": loss(
            lambda p, t: F.cross_entropy(p, torch.tensor([4, 0, -100, 2]))),
    }
    path = pathlib.Path(__file__).parents[1] / "data/ops/pytorch.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
