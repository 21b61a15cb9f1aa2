"""Writes the small PyTorch checkpoints of tests/data/checkpoints and expected.json beside them.

    python tests/parity/make_torch_files.py

Needs PyTorch. Values follow a formula, so that a new run gives equal tensors; the bytes of the
files may differ between versions of PyTorch.
"""
import collections
import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "data" / "checkpoints"


class Tiny(torch.nn.Module):
    """The shapes of a pose network in miniature: convolution, batch norm, transposed, output."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(2, 3, (3, 1), bias=False)
        self.bn1 = torch.nn.BatchNorm2d(3)
        self.deconv_layers = torch.nn.Sequential(
            torch.nn.ConvTranspose2d(3, 2, 2, bias=False), torch.nn.BatchNorm2d(2))
        self.final_layer = torch.nn.Conv2d(2, 1, 1)


def fill(tensors):
    """Element i of the n-th tensor is (n + 1) + i / 8, exact in every type that holds it."""
    for n, tensor in enumerate(tensors):
        if tensor.is_floating_point():
            ramp = torch.arange(tensor.numel(), dtype=torch.float64) / 8 + (n + 1)
            tensor.data.copy_(ramp.reshape(tensor.shape))
        else:
            tensor.data.fill_(n + 1)


def describe(tensors):
    return {
        name: {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "values": tensor.detach().double().flatten().tolist(),
        }
        for name, tensor in tensors.items()
    }


def trained_tiny():
    net = Tiny()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    fill(net.state_dict().values())
    return net, optimizer


def views():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return collections.OrderedDict(
        base=base, turned=base.t(), corner=base[1:3, 2:5], every_other=base.flatten()[1::2],
        wide=torch.tensor([[1.0], [2.0]]).expand(2, 3), scalar=torch.tensor(7, dtype=torch.int64),
        empty=torch.zeros(0, 4), half=torch.tensor([0.5, -2.0], dtype=torch.float16),
        brain=torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        flags=torch.tensor([True, False, True]), small=torch.tensor([-3, 4], dtype=torch.int8),
        short=torch.tensor([-300, 400], dtype=torch.int16),
        channels_last=torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4).to(
            memory_format=torch.channels_last))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    expected = {}
    net, optimizer = trained_tiny()
    state = net.state_dict()
    training = {
        "epoch": 5,
        "model": "tiny",
        "state_dict": collections.OrderedDict(("module." + k, v) for k, v in state.items()),
        "best_state_dict": state,
        "perf": 0.625,
        "optimizer": optimizer.state_dict(),
    }
    nested = {"network": {"backbone": {"conv.weight": torch.ones(1, 2, 1, 1)},
                          "head": {"bias": torch.tensor([3.0])}}, "epoch": 1}
    for name, tree, zipped in [("state_zip.pth", state, True), ("state_legacy.pth", state, False),
                               ("training_zip.pth.tar", training, True),
                               ("training_legacy.pth.tar", training, False),
                               ("views_zip.pth", views(), True),
                               ("views_legacy.pth", views(), False),
                               ("nested_zip.pth", nested, True)]:
        torch.save(tree, FOLDER / name, _use_new_zipfile_serialization=zipped)
        tensors = views() if name.startswith("views") else state
        if name.startswith("nested"):
            tensors = {"backbone.conv.weight": torch.ones(1, 2, 1, 1),
                       "head.bias": torch.tensor([3.0])}
        expected[name] = describe(tensors)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
