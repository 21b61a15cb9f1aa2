"""Writes tests/data/topdown/pose_resnet.json with PyTorch, and compares a built akimbo with PyTorch.

    python tests/parity/make_pose_resnet_fixture.py                      the fixture
    python tests/parity/make_pose_resnet_fixture.py --race build/akimbo  outputs of 18, 50, 101 in f32

The fixture holds results of the plain definition in pose_resnet_torch.py in double precision, on
weights and inputs regenerated from names: outputs in both modes, gradients, and losses of training.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch

from pose_resnet_torch import PoseResNet, fill, make_input

NETS = {"resnet18": (18, False), "resnet50": (50, False), "resnet50_caffe": (50, True)}
SHAPE = (2, 3, 64, 64)


def digits(value):
    return float(f"{float(value.detach()):.12g}")


def summary(tensor, count=24):
    flat = tensor.detach().double().flatten()
    step = max(1, flat.numel() // count)
    return {"shape": list(tensor.shape), "mean": digits(flat.mean()),
            "std": digits(flat.std(unbiased=False)), "min": digits(flat.min()),
            "max": digits(flat.max()), "l2": digits(flat.norm()),
            "samples": [[i, digits(flat[i])] for i in range(0, flat.numel(), step)]}


def network(net):
    depth, caffe = NETS[net]
    return fill(PoseResNet(depth, 17, caffe)).double()


def outputs(net):
    model, x = network(net), make_input("fixture_input", SHAPE).double()
    with torch.no_grad():
        evaluated = model.eval()(x)
        trained = model.train()(x)
    return {"net": net, "eval": summary(evaluated), "train": summary(trained),
            "bn1.running_var": summary(model.bn1.running_var)}


def gradients(net):
    """Of sum(output * u("fixture_grad")), statistics frozen: l2 of every parameter's gradient."""
    model, x = network(net).eval(), make_input("fixture_input", SHAPE).double().requires_grad_()
    y = model(x)
    y.backward(make_input("fixture_grad", tuple(y.shape)).double())
    return {"net": net, "input": summary(x.grad),
            "l2": {name: digits(p.grad.norm()) for name, p in model.named_parameters()}}


def losses(net, x, target, weight, steps, train):
    model = network(net).train(train)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    out = []
    for step in range(steps + 1):
        difference = (model(x) - target) * weight
        loss = 0.5 * (difference * difference).mean()
        out.append(digits(loss.detach()))
        adam.zero_grad()
        if step < steps:
            loss.backward()
            adam.step()
    return out


def joint_targets(joints):
    """Heatmaps [N,17,32,24] of crop joints [x, y, visible], sigma 2, stride 4."""
    target = np.zeros((len(joints), 17, 32, 24), np.float32)
    weight = np.zeros((len(joints), 17, 1, 1), np.float32)
    for n, person in enumerate(joints):
        for k, (x, y, visible) in enumerate(person):
            weight[n, k] = visible
            column, row = int(x / 4 + 0.5), int(y / 4 + 0.5)
            for i in range(max(0, row - 6), min(32, row + 7)) if visible else ():
                for j in range(max(0, column - 6), min(24, column + 7)):
                    target[n, k, i, j] = np.exp(-((i - row) ** 2 + (j - column) ** 2) / 8)
    return torch.from_numpy(target).double(), torch.from_numpy(weight).double()


def reference_run(shared):
    """The Adam run of ResNet-50 in the shared reference data, computed again: the stored losses
    differ from it by 4e-5 after the third step, further than double precision explains."""
    if not shared.exists():
        return None
    joints = json.loads(shared.read_text())["joints"][:2]
    x = make_input("train_input", (2, 3, 128, 96)).double()
    return losses("resnet50", x, *joint_targets(joints), 5, True)


def make_fixture(root):
    path = root / "tests" / "data" / "topdown" / "pose_resnet.json"
    x = make_input("fixture_input", SHAPE).double()
    target = make_input("fixture_target", (2, 17, 16, 16)).double()
    weight = (make_input("fixture_weight", (2, 17, 1, 1)) > -0.5).double()
    shared = root / ".." / "shared" / "data" / "golden" / "topdown" / "training_resnet.json"
    if not shared.exists():
        shared = root / ".." / ".." / "shared" / "data" / "golden" / "topdown" / "training_resnet.json"
    content = {
        "what": __doc__.strip(), "torch": torch.__version__, "input": ["fixture_input", SHAPE],
        "outputs": [outputs(net) for net in NETS], "gradients": [gradients("resnet18")],
        "training": {"net": "resnet18", "adam_losses": losses("resnet18", x, target, weight, 3, True),
                     "frozen_adam_losses": losses("resnet18", x, target, weight, 3, False)},
        "resnet50_reference_run": reference_run(shared)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")).replace('},"', '},\n"') + "\n")


def race(program):
    """Runs `akimbo run` and PyTorch in f32 on the same weights (a .pth) and input."""
    from safetensors.torch import load_file, save_file
    worst = 0.0
    for depth in (18, 50, 101):
        model = fill(PoseResNet(depth)).eval()
        x = make_input("race_input", (2, 3, 256, 192))
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            torch.save(model.state_dict(), folder / "net.pth")
            save_file({"input": x.contiguous()}, folder / "input.safetensors")
            config = {"model": {"name": "pose_resnet", "depth": depth},
                      "data": {"skeleton": "coco"}}
            (folder / "config.json").write_text(json.dumps(config))
            subprocess.run([program, "convert", folder / "net.pth", folder / "net.safetensors",
                            "--config", folder / "config.json"], check=True)
            subprocess.run([program, "run", folder / "net.safetensors",
                            folder / "input.safetensors", folder / "out.safetensors"], check=True)
            ours = load_file(folder / "out.safetensors")["heatmaps"]
            distance = (ours - model(x)).abs().max().item()
        worst = max(worst, distance)
        print(f"pose_resnet{depth}: largest difference {distance:.2e}")
    raise SystemExit(0 if worst <= 1e-4 else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--race", metavar="AKIMBO", help="the program to compare with PyTorch")
    args = parser.parse_args()
    if args.race:
        race(args.race)
    make_fixture(pathlib.Path(__file__).resolve().parents[2])


if __name__ == "__main__":
    main()
