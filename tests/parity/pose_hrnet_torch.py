"""PoseHRNet (Sun, Xiao, Liu, Wang 2019) in plain PyTorch, written from the description of the
network, with the published parameter names. Used by the race scripts only.
"""
import torch
from torch import nn


def conv_bn(inputs, outputs, kernel, stride=1):
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs)]


class Basic(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(channels, channels, 3)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3)

    def forward(self, x):
        y = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(y)) + x)


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inputs, planes, 1)
        self.conv2, self.bn2 = conv_bn(planes, planes, 3)
        self.conv3, self.bn3 = conv_bn(planes, 4 * planes, 1)
        self.downsample = (nn.Sequential(*conv_bn(inputs, 4 * planes, 1))
                           if inputs != 4 * planes else nn.Identity())

    def forward(self, x):
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = torch.relu_(self.bn2(self.conv2(y)))
        return torch.relu_(self.bn3(self.conv3(y)) + self.downsample(x))


class Module(nn.Module):
    """Four blocks on every branch, then every branch as the sum of all, resized to it."""

    def __init__(self, channels, all_outputs=True):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(Basic(c) for _ in range(4)))
                                      for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.fuse(channels, i, j) for j in range(len(channels)))
            for i in range(len(channels) if all_outputs else 1))

    @staticmethod
    def fuse(channels, i, j):
        if i == j:
            return nn.Identity()
        if j > i:
            return nn.Sequential(*conv_bn(channels[j], channels[i], 1),
                                 nn.Upsample(scale_factor=2 ** (j - i), mode="nearest"))
        steps = []
        for step in range(i - j):
            last = step == i - j - 1
            layers = conv_bn(channels[j], channels[i] if last else channels[j], 3, 2)
            steps.append(nn.Sequential(*layers, *([] if last else [nn.ReLU(inplace=True)])))
        return nn.Sequential(*steps)

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        return [torch.relu_(sum(fuse(x) for fuse, x in zip(row, xs))) for row in self.fuse_layers]


class PoseHRNet(nn.Module):
    def __init__(self, width=32, joints=17):
        super().__init__()
        c = [width << i for i in range(4)]
        self.conv1, self.bn1 = conv_bn(3, 64, 3, 2)
        self.conv2, self.bn2 = conv_bn(64, 64, 3, 2)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3)))

        def relu(layers):
            return nn.Sequential(*layers, nn.ReLU(inplace=True))
        self.transition1 = nn.ModuleList([relu(conv_bn(256, c[0], 3)),
                                          nn.Sequential(relu(conv_bn(256, c[1], 3, 2)))])
        self.transition2 = nn.ModuleList([nn.Identity()] * 2 +
                                         [nn.Sequential(relu(conv_bn(c[1], c[2], 3, 2)))])
        self.transition3 = nn.ModuleList([nn.Identity()] * 3 +
                                         [nn.Sequential(relu(conv_bn(c[2], c[3], 3, 2)))])
        self.stage2 = nn.Sequential(Module(c[:2]))
        self.stage3 = nn.Sequential(*(Module(c[:3]) for _ in range(4)))
        self.stage4 = nn.Sequential(*(Module(c) for _ in range(2)), Module(c, all_outputs=False))
        self.final_layer = nn.Conv2d(width, joints, 1)

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = self.layer1(torch.relu_(self.bn2(self.conv2(x))))
        xs = self.stage2([t(x) for t in self.transition1])
        xs = self.stage3([*xs, self.transition2[2](xs[-1])])
        xs = self.stage4([*xs, self.transition3[3](xs[-1])])
        return self.final_layer(xs[0])
