"""Small networks as microcontrollers and NPUs run them: those of MLPerf Tiny, MobileNets, and some of ours.

MLPerf Tiny (Banbury et al., arXiv 2106.07597) has four: ResNet-8 and MobileNetV1 0.25 on images, DS-CNN on spoken
keywords, and an autoencoder of linear layers on the sound of machines; the sizes here are those of its reference
models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

import oracle

__all__ = ["NETWORKS", "Small"]

Small = tuple[Callable[[], nn.Module], tuple[int, ...]]
"""What makes a network, and the shape of its input."""


def _conv(w_in: int, w_out: int, kernel: tuple[int, int] = (3, 3), stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel[0] // 2, kernel[1] // 2
    conv = nn.Conv2d(w_in, w_out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(w_out), nn.ReLU())


def _head(width: int, classes: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)


class _Residual(nn.Module):
    def __init__(self, w_in: int, w_out: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(*_conv(w_in, w_out, stride=stride), *_conv(w_out, w_out)[:2])
        self.skip = nn.Identity() if stride == 1 else nn.Conv2d(w_in, w_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.skip(x))


class _Inverted(nn.Module):
    def __init__(self, w_in: int, w_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = w_in * expansion
        first = [nn.Conv2d(w_in, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()] if expansion > 1 else []
        depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()
        last = nn.Conv2d(wide, w_out, 1, bias=False), nn.BatchNorm2d(w_out)
        self.main = nn.Sequential(*first, *depthwise, *last)
        self.adds = stride == 1 and w_in == w_out

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.main(x)
        return x + made if self.adds else made


def resnet8() -> nn.Module:
    """Image classification of MLPerf Tiny: 12.5 M MACs."""
    blocks = _Residual(16, 16, 1), _Residual(16, 32, 2), _Residual(32, 64, 2)
    return nn.Sequential(*_conv(3, 16), *blocks, *_head(64, 10))


def mobilenet_v1(width: float, classes: int = 2) -> nn.Module:
    """Depthwise separable convolutions (arXiv 1704.04861); 0.25 at 96 pixels is MLPerf Tiny's: 7.5 M MACs."""
    layers, channels = [*_conv(3, int(32 * width), stride=2)], int(32 * width)
    rest = (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)
    for full, stride in rest:
        layers += [
            *_conv(channels, channels, stride=stride, groups=channels),
            *_conv(channels, int(full * width), (1, 1)),
        ]
        channels = int(full * width)
    return nn.Sequential(*layers, *_head(channels, classes))


def mobilenet_v2(width: float, classes: int = 1000) -> nn.Module:
    """Inverted residuals (arXiv 1801.04381), widths in multiples of eight."""

    def rounded(full: int) -> int:
        near = max(8, int(full * width + 4) // 8 * 8)
        return near + 8 if near < 0.9 * full * width else near

    channels = rounded(32)
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU6()]
    stages = (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    for expansion, full, depth, stride in stages:
        for place in range(depth):
            layers.append(_Inverted(channels, rounded(full), stride if place == 0 else 1, expansion))
            channels = rounded(full)
    layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
    return nn.Sequential(*layers, *_head(1280, classes))


def ds_cnn() -> nn.Module:
    """Keyword spotting of MLPerf Tiny: 2.7 M MACs."""
    first = nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU()
    rest = [layer for _ in range(4) for layer in (*_conv(64, 64, groups=64), *_conv(64, 64, (1, 1)))]
    return nn.Sequential(*first, *rest, *_head(64, 12))


def autoencoder() -> nn.Module:
    """Anomaly detection of MLPerf Tiny: 0.26 M MACs."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    layers: list[nn.Module] = []
    for w_in, w_out in pairwise(widths):
        layers += [nn.Linear(w_in, w_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _ours(name: str, *overrides: object) -> nn.Module:
    return oracle.build(oracle.to_spec(oracle.load_cfg(name, list(overrides))))


def _cell(arch: str) -> Callable[[], nn.Module]:
    return partial(_ours, "NB201-ResNet", "NB201.ARCH", arch)


_TINY, _IMAGE = (1, 3, 32, 32), (1, 3, 96, 96)
NETWORKS: Mapping[str, Small] = {
    "ResNet-8": (resnet8, _TINY),
    "MobileNetV1 0.25": (partial(mobilenet_v1, 0.25), _IMAGE),
    "DS-CNN": (ds_cnn, (1, 1, 49, 10)),
    "autoencoder": (autoencoder, (1, 640)),
    "MobileNetV1 0.5": (partial(mobilenet_v1, 0.5), _IMAGE),
    "MobileNetV2 0.35": (partial(mobilenet_v2, 0.35), _IMAGE),
    "MobileNetV2 0.5": (partial(mobilenet_v2, 0.5), _IMAGE),
    "MobileNetV2 1.0, 160": (partial(mobilenet_v2, 1.0), (1, 3, 160, 160)),
    "R-20": (partial(_ours, "R-56", "MODEL.DEPTH", 20), _TINY),
    "R-56": (partial(_ours, "R-56"), _TINY),
    "NB201 residual": (_cell("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"), _TINY),
    "NB201 convolutions": (partial(_ours, "NB201-AllConv3x3"), _TINY),
    "NB201 mixed": (
        _cell("|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"),
        _TINY,
    ),
    "NB201 pools": (
        _cell("|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"),
        _TINY,
    ),
    "NB201 dense": (
        _cell("|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"),
        _TINY,
    ),
    "RegNetX-200MF": (partial(_ours, "RegNetX-200MF"), _IMAGE),
    "RegNetX-400MF": (partial(_ours, "RegNetX-400MF"), _IMAGE),
    "RegNetY-200MF": (partial(_ours, "RegNetY-200MF"), _IMAGE),
    "OFA-D2-E3-K3": (partial(_ours, "OFA-D2-E3-K3"), _IMAGE),
    "EfficientNet-B0": (partial(_ours, "EfficientNet-B0"), _IMAGE),
    "FBNet-C": (partial(_ours, "FBNet-C"), _IMAGE),
}
"""Name -> the network and its input."""
