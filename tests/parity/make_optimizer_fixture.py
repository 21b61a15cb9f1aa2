"""Writes tests/data/optim/optimizers.json: five steps of PyTorch's optimisers on fixed gradients.

    python tests/parity/make_optimizer_fixture.py

Values start as sin(1 + 0.7 i), the gradient of step s is cos(s + 0.3 i) * (1 + i % 3), each computed
in double and rounded to the element type. 37 elements: whole vectors and a tail.
"""
import json
import pathlib

import numpy as np
import torch

COUNT = 37
CASES = {
    "adam": (torch.optim.Adam, dict(lr=1e-3)),
    "adam_decay": (torch.optim.Adam, dict(lr=2e-3, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
    "adamw": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0.05)),
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_decay": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.01)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=1e-4)),
    "sgd_nesterov": (torch.optim.SGD,
                     dict(lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)),
}


def run(maker, options, dtype):
    index = np.arange(COUNT)
    weight = torch.nn.Parameter(torch.tensor(np.sin(1 + 0.7 * index), dtype=dtype))
    optimizer = maker([weight], **options)
    for step in range(5):
        weight.grad = torch.tensor(np.cos(step + 0.3 * index) * (1 + index % 3), dtype=dtype)
        optimizer.step()
    return [float(v) for v in weight.detach()]


def main():
    torch.set_num_threads(1)
    out = {"what": __doc__.strip().splitlines()[0], "torch": torch.__version__, "cases": {}}
    for name, (maker, options) in CASES.items():
        out["cases"][name] = {"f32": run(maker, options, torch.float32),
                              "f64": run(maker, options, torch.float64)}
    path = pathlib.Path(__file__).parents[1] / "data" / "optim" / "optimizers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(out, indent=None, separators=(",", ":")).replace('"f', '\n"f') + "\n")


if __name__ == "__main__":
    main()
