"""Checks that PyTorch opens what `akimbo convert` writes, and finds equal tensors in it.

    python tests/parity/check_written_pth.py build/akimbo [CHECKPOINT...]

Each checkpoint (default: the fixtures of tests/data/checkpoints, and a pose network made here) goes
through our safetensors file to a .pth, which torch.load(weights_only=True) must open. Then a training
checkpoint of PyTorch (zip and legacy, Adam and SGD) becomes a run to resume here, and goes back with
--training: PyTorch's optimizer must take it, with the state that it had. Needs PyTorch and the
safetensors package.
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


def trained(optimizer_type):
    """A small pose network of the published kind after three steps, as HRNet's code saves it."""
    import sys
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    from pose_resnet_torch import PoseResNet, fill, make_input
    model = fill(PoseResNet(18)).train()
    optimizer = (torch.optim.Adam(model.parameters(), lr=2e-3) if optimizer_type == "adam" else
                 torch.optim.SGD(model.parameters(), lr=2e-3, momentum=0.9, weight_decay=1e-4))
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(make_input("input", (2, 3, 64, 64))).square().mean().backward()
        optimizer.step()
        scheduler.step()
    state = model.state_dict()
    return model, optimizer, {
        "epoch": 3, "model": "pose_resnet", "perf": 0.25, "best_state_dict": state,
        "state_dict": collections.OrderedDict(("module." + k, v) for k, v in state.items()),
        "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}


def check_training(akimbo, optimizer_type, zipped, folder):
    model, optimizer, checkpoint = trained(optimizer_type)
    source, ours, back = folder / "train.pth", folder / "train.safetensors", folder / "again.pth"
    torch.save(checkpoint, source, _use_new_zipfile_serialization=zipped)
    config = folder / "config.json"
    config.write_text('{"model": {"depth": 18}}')
    text = subprocess.run([akimbo, "convert", source, ours, "--config", config, "--set",
                           f"train.optimizer.type={optimizer_type}"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    for part in ("train.optimizer.lr is 0.002", "train.schedule.milestones is [2,5]",
                 "goes on at epoch 3"):
        assert part in text, text
    subprocess.run([akimbo, "convert", ours, back, "--training"], check=True,
                   stdout=subprocess.DEVNULL)
    given = torch.load(back, weights_only=True)
    assert given["epoch"] == 3 and given["perf"] == 0.25 and given["model"] == "pose_resnet"
    assert all(torch.equal(given["state_dict"][k], v) for k, v in checkpoint["state_dict"].items())
    wanted = optimizer.state_dict()
    fresh = type(optimizer)(model.parameters(), lr=1)
    fresh.load_state_dict(given["optimizer"])
    group, known = fresh.state_dict()["param_groups"][0], wanted["param_groups"][0]
    for key in ("lr", "initial_lr", "weight_decay", "betas", "eps", "momentum", "params"):
        assert group.get(key) == known.get(key), (key, group.get(key), known.get(key))
    for index, entry in wanted["state"].items():
        for slot, value in entry.items():
            assert torch.equal(torch.as_tensor(fresh.state_dict()["state"][index][slot]).float(),
                               torch.as_tensor(value).float()), (index, slot)
    fresh.step()  # it works with what it got
    print(f"{optimizer_type}, {'zip' if zipped else 'legacy'}: {len(wanted['state'])} entries equal")


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
        for optimizer_type in ("adam", "sgd"):
            for zipped in (True, False):
                check_training(akimbo, optimizer_type, zipped, folder)


if __name__ == "__main__":
    main()
