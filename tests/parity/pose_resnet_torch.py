"""PoseResNet (Xiao, Wu, Wei 2018) in plain PyTorch, written from the description of the network, and
the rule by which weights and inputs are made from names. Used by the parity and race scripts only.
"""
import numpy as np
import torch
from torch import nn

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3),
          152: (3, 8, 36, 3)}


class Block(nn.Module):
    """Basic (two 3x3) or bottleneck (1x1, 3x3, 1x1); caffe style strides in the first 1x1."""

    def __init__(self, channels, planes, stride, bottleneck, caffe):
        super().__init__()
        out = planes * 4 if bottleneck else planes
        if bottleneck:
            plan = [(channels, planes, 1, stride if caffe else 1),
                    (planes, planes, 3, 1 if caffe else stride), (planes, out, 1, 1)]
        else:
            plan = [(channels, planes, 3, stride), (planes, planes, 3, 1)]
        self.count = len(plan)
        for i, (a, b, k, s) in enumerate(plan, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, k, s, k // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False),
                                            nn.BatchNorm2d(out))
        self.has_downsample = stride != 1 or channels != out

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = torch.relu_(y)
        return torch.relu_(y + (self.downsample(x) if self.has_downsample else x))


class PoseResNet(nn.Module):
    def __init__(self, depth=50, joints=17, caffe=False):
        super().__init__()
        bottleneck = caffe or depth >= 50
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for i, count in enumerate(LAYERS[depth]):
            blocks = []
            for b in range(count):
                blocks.append(Block(channels, 64 << i, 2 if i and not b else 1, bottleneck, caffe))
                channels = (64 << i) * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        head = []
        for i in range(3):
            head += [nn.ConvTranspose2d(channels if i == 0 else 256, 256, 4, 2, 1, bias=False),
                     nn.BatchNorm2d(256), nn.ReLU(inplace=True)]
        self.deconv_layers = nn.Sequential(*head)
        self.final_layer = nn.Conv2d(256, joints, 1)

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.final_layer(self.deconv_layers(x))


def fnv1a(name):
    h = 0xcbf29ce484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def uniform(name, shape):
    """u of the rule: a hash of (name, index) in [-1, 1)."""
    count = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2**24 * 2 - 1).reshape(shape)


def fill_value(name, shape):
    u = uniform(name, shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * np.abs(u)
    if name.endswith("running_mean"):
        return 0.1 * u
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape)
    if len(shape) <= 1:
        return 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
    return u * np.sqrt(3 / np.prod(shape[1:]))


def fill(model):
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            value = fill_value(name, tuple(tensor.shape)).astype(np.float32)
            tensor.copy_(torch.from_numpy(np.asarray(value)))
    return model


def make_input(name, shape):
    return torch.from_numpy(uniform(name, shape).astype(np.float32))
