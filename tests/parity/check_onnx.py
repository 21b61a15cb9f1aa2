"""Checks that ONNX Runtime and OpenVINO give a network's heatmaps from the file of `akimbo convert`.

    python tests/parity/check_onnx.py build/akimbo [CONFIG...]

For each shipped config (default: pose_resnet 50, its caffe form, HRNet-W32 and W48): random weights
of PyTorch's network of the same names go into a .pth, which `akimbo convert` turns into ONNX; both
engines and `akimbo run` are held against PyTorch. Needs torch, onnx, onnxruntime, openvino and
safetensors.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
import openvino
import safetensors.torch
import torch

from pose_hrnet_torch import PoseHRNet
from pose_resnet_torch import PoseResNet

CONFIGS = {
    "body2d/simple_baseline/coco/res50_256x192_d256x3_adam_lr1e-3": lambda: PoseResNet(50),
    "body2d/hrnet/coco/w32_256x192_adam_lr1e-3": lambda: PoseHRNet(32),
    "body2d/hrnet/coco/w48_384x288_adam_lr1e-3": lambda: PoseHRNet(48),
}


def spread(network):
    """Weights and statistics with which heatmaps have a size of about 1, as trained ones do."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        network.eval()(torch.randn(1, 3, 256, 192))
        heatmaps = network(torch.randn(1, 3, 256, 192))
        network.final_layer.weight /= heatmaps.std()
    return network


def check(akimbo, config, folder):
    torch.manual_seed(1)
    network = spread(CONFIGS[config]())
    height, width = (384, 288) if "384x288" in config else (256, 192)
    torch.save(network.state_dict(), folder / "a.pth")
    pictures = torch.randn(2, 3, height, width)
    safetensors.torch.save_file({"input": pictures}, folder / "in.safetensors")
    for command in (["convert", "a.pth", "a.onnx", "--config", config],
                    ["convert", "a.pth", "a.safetensors", "--config", config],
                    ["run", "a.safetensors", "in.safetensors", "out.safetensors"]):
        subprocess.run([akimbo, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    model = onnx.load(folder / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    with torch.no_grad():
        wanted = network(pictures).numpy()
    session = onnxruntime.InferenceSession(str(folder / "a.onnx"),
                                           providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(folder / "a.onnx"), "CPU",
                                  {"INFERENCE_PRECISION_HINT": "f32"})
    given = {"ONNX Runtime": session.run(None, {"input": pictures.numpy()})[0],
             "OpenVINO": compiled(pictures.numpy())[0],
             "akimbo": safetensors.torch.load_file(folder / "out.safetensors")["heatmaps"].numpy()}
    for name, heatmaps in given.items():
        difference = numpy.abs(heatmaps - wanted).max()
        print(f"{config}: {name} differs from PyTorch by {difference:.2e}; heatmaps up to "
              f"{numpy.abs(wanted).max():.2f}")
        assert difference < 1e-4 * max(1, numpy.abs(wanted).max())


def main():
    akimbo = str(pathlib.Path(sys.argv[1]).resolve())
    for config in sys.argv[2:] or CONFIGS:
        with tempfile.TemporaryDirectory() as name:
            check(akimbo, config, pathlib.Path(name))


if __name__ == "__main__":
    main()
