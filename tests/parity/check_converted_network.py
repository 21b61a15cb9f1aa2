"""Checks that a pose network of PyTorch gives the same heatmaps after `akimbo convert`.

    python tests/parity/check_converted_network.py build/akimbo [DEPTH...]

Builds Simple Baselines' network on torchvision's ResNet (default: depth 50), saves it as a training
run of 2018 did (legacy stream, "module." names, optimizer beside it), converts it with its config,
runs `akimbo run` on random pictures and compares; then converts back and loads it strictly.
Needs PyTorch, torchvision and the safetensors package.
"""
import collections
import pathlib
import subprocess
import sys
import tempfile

import safetensors.torch
import torch
import torchvision

CONFIG = "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3"


class PoseResNet(torch.nn.Module):
    def __init__(self, depth):
        super().__init__()
        resnet = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        for name, child in list(resnet.named_children())[:-2]:  # without pooling and classifier
            self.add_module(name, child)
        layers = []
        channels = resnet.fc.in_features
        for _ in range(3):
            layers += [torch.nn.ConvTranspose2d(channels, 256, 4, 2, 1, bias=False),
                       torch.nn.BatchNorm2d(256), torch.nn.ReLU()]
            channels = 256
        self.deconv_layers = torch.nn.Sequential(*layers)
        self.final_layer = torch.nn.Conv2d(256, 17, 1)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


def check(akimbo, depth, folder):
    torch.manual_seed(depth)
    network = PoseResNet(depth).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    state = network.state_dict()
    torch.save({"epoch": 3,
                "state_dict": collections.OrderedDict(("module." + k, v) for k, v in state.items()),
                "optimizer": torch.optim.Adam(network.parameters()).state_dict()},
               folder / "a.pth.tar", _use_new_zipfile_serialization=False)
    pictures = torch.randn(2, 3, 256, 192)
    safetensors.torch.save_file({"input": pictures}, folder / "in.safetensors")
    # The shipped config, with the depth under test.
    (folder / "config.json").write_text(
        subprocess.run([akimbo, "configs", CONFIG], check=True, capture_output=True,
                       text=True).stdout.replace('"depth": 50', f'"depth": {depth}'))
    for command in (["convert", "a.pth.tar", "a.safetensors", "--config", "config.json"],
                    ["run", "a.safetensors", "in.safetensors", "out.safetensors"],
                    ["convert", "a.safetensors", "back.pth"]):
        subprocess.run([akimbo, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    (given,) = safetensors.torch.load_file(folder / "out.safetensors").values()
    with torch.no_grad():
        wanted = network(pictures)
    difference = (given - wanted).abs().max().item()
    print(f"resnet{depth}: largest difference {difference:.2e} of heatmaps up to "
          f"{wanted.abs().max().item():.2f}")
    assert difference < 1e-4 * max(1, wanted.abs().max().item())
    back = torch.load(folder / "back.pth", weights_only=True)
    assert list(back) == list(state) and all(torch.equal(back[k], state[k]) for k in state)


def main():
    akimbo = str(pathlib.Path(sys.argv[1]).resolve())
    for depth in [int(d) for d in sys.argv[2:]] or [50]:
        with tempfile.TemporaryDirectory() as name:
            check(akimbo, depth, pathlib.Path(name))


if __name__ == "__main__":
    main()
