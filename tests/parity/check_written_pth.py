"""Checks that PyTorch opens what `akimbo convert` writes, and finds equal tensors in it.

    python tests/parity/check_written_pth.py build/akimbo [CHECKPOINT...]

Each checkpoint (default: the fixtures of tests/data/checkpoints, and a pose network made here) goes
through our safetensors file to a .pth, which torch.load(weights_only=True) must open. Needs PyTorch
and the safetensors package.
"""
import collections
import pathlib
import subprocess
import sys
import tempfile

import safetensors.torch
import torch

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "data" / "checkpoints"
WIDER = {torch.bool: torch.uint8, torch.int8: torch.int32, torch.int16: torch.int32}


def weights_of(path):
    tree = torch.load(path, map_location="cpu", weights_only=False)
    for key in ("state_dict", "network"):
        if key in tree:
            tree = tree[key]
    flat = {}

    def walk(prefix, node):
        for name, value in node.items():
            if isinstance(value, dict):
                walk(prefix + name + ".", value)
            else:
                flat[(prefix + name).removeprefix("module.")] = value.detach()

    walk("", tree)
    return flat


def pose_network(folder):
    """A checkpoint as DataParallel training leaves it, with a deconvolution head."""
    layers = collections.OrderedDict()
    layers["module.conv1.weight"] = torch.randn(64, 3, 7, 7)
    layers["module.deconv_layers.0.weight"] = torch.randn(64, 32, 4, 4)
    layers["module.final_layer.weight"] = torch.randn(17, 32, 1, 1)
    layers["module.final_layer.bias"] = torch.randn(17)
    path = folder / "pose.pth.tar"
    torch.save({"epoch": 1, "state_dict": layers}, path, _use_new_zipfile_serialization=False)
    return path


def check(akimbo, source, folder):
    ours, back = folder / "ours.safetensors", folder / "back.pth"
    for command in ([source, ours], [ours, back]):
        subprocess.run([akimbo, "convert", *command], check=True, stdout=subprocess.DEVNULL)
    wanted = weights_of(source)
    given = torch.load(back, weights_only=True)
    mapped = torch.load(back, weights_only=True, mmap=True)
    assert set(wanted) <= set(given), set(wanted) - set(given)
    for name, tensor in wanted.items():
        dtype = WIDER.get(tensor.dtype, tensor.dtype)
        assert given[name].dtype == dtype, name
        assert torch.equal(given[name], tensor.to(dtype)), name
        assert torch.equal(mapped[name], given[name]), name
    assert set(safetensors.torch.load_file(ours)) == set(given)
    print(f"{source.name}: {len(wanted)} tensors equal")


def main():
    akimbo = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sources = [pathlib.Path(p) for p in sys.argv[2:]]
        if not sources:
            sources = sorted(p for p in FIXTURES.iterdir() if p.suffix in (".pth", ".tar"))
            sources.append(pose_network(folder))
        for source in sources:
            check(akimbo, source, folder)


if __name__ == "__main__":
    main()
