"""The networks of ncnn's benchmark as torch modules, so that what is traced is what was measured.

ncnn's definitions are `.param` files; each function here names what its network was matched to. Three of the
table's are not here, for no definition that we trust: squeezenet_ssd, mobilenet_yolo and mobilenetv2_yolov3.
Local response norms of AlexNet and GoogLeNet are left out (under 1 % of their work).

`MACS_M` has multiply-adds as the papers, or the repositories that ncnn took them from, state them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["INPUTS", "MACS_M", "NETWORKS"]

Maker = Callable[[], nn.Module]

INPUTS = {
    "squeezenet": 227,
    "alexnet": 227,
    "blazeface": 128,
    "mobilenet_ssd": 300,
    "yolov4-tiny": 416,
    "nanodet_m": 320,
    "yolo-fastestv2": 352,
    "vision_transformer": 384,
}
"""Side of the square image; 224 where absent."""

MACS_M = {
    "mobilenet": 569,  # Howard et al. 2017, table 8
    "mobilenet_v2": 300,  # Sandler et al. 2018, table 4
    "mobilenet_v3": 219,  # Howard et al. 2019, table 3, large 1.0
    "shufflenet": 140,  # Zhang et al. 2017, 1x with 3 groups: "140 MFLOPs", which are multiply-adds
    "shufflenet_v2": 146,  # Ma et al. 2018, table 8, 1x
    "mnasnet": 315,  # torchvision's mnasnet1_0 (B1)
    "proxylessnasnet": 320,  # Cai et al. 2019, mobile
    "efficientnet_b0": 390,  # Tan and Le 2019, table 2
    "efficientnetv2_b0": 730,  # timm's benchmark table at 224
    "regnety_400m": 400,  # Radosavovic et al. 2020
    "resnet18": 1800,  # He et al. 2016, table 1
    "resnet50": 3800,  # the same, stride in the first convolution; 4100 with the stride in the 3 x 3
    "alexnet": 724,  # two groups, as trained
    "vgg16": 15500,  # Simonyan and Zisserman 2014
    "googlenet": 1500,  # Szegedy et al. 2014
    "mobilenet_ssd": 1160,  # chuanqi305/MobileNet-SSD
    "yolov4-tiny": 3450,  # AlexeyAB/darknet: 6.9 BFLOPs
    "nanodet_m": 360,  # RangiLyu/nanodet: 0.72 GFLOPs
    "yolo-fastestv2": 106,  # dog-qiuqiu/Yolo-FastestV2: 0.212 GFLOPs
    "vision_transformer": 13_100,  # ViT-B/32 at 384: 12.7 to 13.1 by tool
}


def _conv(
    w_in: int, w_out: int, k: int = 1, stride: int = 1, groups: int = 1, act: nn.Module | None = None, bn: bool = True
) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Conv2d(w_in, w_out, k, stride, k // 2, groups=groups, bias=not bn)]
    parts += [nn.BatchNorm2d(w_out)] if bn else []
    return nn.Sequential(*parts, *([act] if act else []))


class _Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x) + (self.shortcut(x) if self.shortcut else x)
        return self.after(y) if self.after else y


class _Cat(nn.Module):
    """Branches of one input, concatenated."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int, inner: int, act: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, inner, 1), act, nn.Conv2d(inner, width, 1), gate
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


def _classifier(width: int, classes: int = 1000) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes), nn.Softmax(1)]


def squeezenet() -> nn.Module:
    """SqueezeNet 1.1 (torchvision's squeezenet1_1)."""

    def fire(w_in: int, inner: int, out: int) -> nn.Module:
        squeeze = _conv(w_in, inner, act=nn.ReLU(), bn=False)
        return nn.Sequential(squeeze, _Cat(*(_conv(inner, out, k, act=nn.ReLU(), bn=False) for k in (1, 3))))

    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, fire(64, 16, 64), fire(128, 16, 64), pool),
        *(fire(128, 32, 128), fire(256, 32, 128), pool, fire(256, 48, 192), fire(384, 48, 192)),
        *(fire(384, 64, 256), fire(512, 64, 256), nn.Conv2d(512, 1000, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1)),
    )


_MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def _mobilenet_blocks() -> list[nn.Module]:
    blocks: list[nn.Module] = [_conv(3, 32, 3, 2, act=nn.ReLU())]
    w_in = 32
    for w_out, stride in _MOBILENET:
        depthwise = _conv(w_in, w_in, 3, stride, w_in, nn.ReLU())
        blocks.append(nn.Sequential(depthwise, _conv(w_in, w_out, act=nn.ReLU())))
        w_in = w_out
    return blocks


def mobilenet() -> nn.Module:
    """MobileNet 1.0 (Howard et al. 2017)."""
    return nn.Sequential(*_mobilenet_blocks(), *_classifier(1024))


class _MobileNetSSD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = _mobilenet_blocks()
        self.first, self.second = nn.Sequential(*blocks[:12]), nn.Sequential(*blocks[12:])
        widths = ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
        self.extras = nn.ModuleList(
            nn.Sequential(_conv(a, b, act=nn.ReLU()), _conv(b, c, 3, 2, act=nn.ReLU())) for a, b, c in widths
        )
        anchors = ((512, 3), (1024, 6), (512, 6), (256, 6), (256, 6), (128, 6))
        self.heads = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(w, 4 * many, 1), nn.Conv2d(w, 21 * many, 1)]) for w, many in anchors
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.first(x)]
        maps.append(self.second(maps[-1]))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        found: list[list[Tensor]] = [[], []]
        for at, heads in zip(maps, self.heads, strict=True):
            for head, into in zip(heads, found, strict=True):  # type: ignore[arg-type]
                into.append(head(at).permute(0, 2, 3, 1).flatten(1))
        return torch.cat(found[0], 1), torch.cat(found[1], 1)


class _Inverted(nn.Module):
    """Expansion, depthwise convolution, gate where there is one, projection."""

    def __init__(
        self, w_in: int, w_out: int, k: int, stride: int, inner: int, act: nn.Module, gate: nn.Module | None = None
    ) -> None:
        super().__init__()
        expand = [_conv(w_in, inner, act=act)] if inner != w_in else []
        middle = [_conv(inner, inner, k, stride, inner, act), *([gate] if gate else [])]
        self.body = nn.Sequential(*expand, *middle, _conv(inner, w_out))
        self.adds = stride == 1 and w_in == w_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def _inverted_stages(
    w_in: int,
    stages: Sequence[tuple[int, int, int, int, int]],
    act: Maker,
    gate: Callable[[int, int], nn.Module] | None = None,
) -> list[nn.Module]:
    """Blocks of stages (expansion, width, depth, stride, kernel)."""
    blocks: list[nn.Module] = []
    for expansion, w_out, depth, first_stride, k in stages:
        for index in range(depth):
            inner = w_in * expansion
            own = gate(inner, w_in) if gate else None
            blocks.append(_Inverted(w_in, w_out, k, first_stride if index == 0 else 1, inner, act(), own))
            w_in = w_out
    return blocks


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 1.0 (torchvision's mobilenet_v2)."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    blocks = _inverted_stages(32, [(*stage, 3) for stage in stages], nn.ReLU6)
    return nn.Sequential(
        _conv(3, 32, 3, 2, act=nn.ReLU6()), *blocks, _conv(320, 1280, act=nn.ReLU6()), *_classifier(1280)
    )


def mnasnet() -> nn.Module:
    """MnasNet-B1 1.0 (torchvision's mnasnet1_0), without squeeze and excitation."""
    stages = (
        (3, 24, 3, 2, 3),
        (3, 40, 3, 2, 5),
        (6, 80, 3, 2, 5),
        (6, 96, 2, 1, 3),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )
    blocks = _inverted_stages(32, [(1, 16, 1, 1, 3), *stages], nn.ReLU)
    return nn.Sequential(
        _conv(3, 32, 3, 2, act=nn.ReLU()), *blocks, _conv(320, 1280, act=nn.ReLU()), *_classifier(1280)
    )


def proxylessnasnet() -> nn.Module:
    """ProxylessNAS mobile (mit-han-lab/proxylessnas, proxyless_mobile): kernel and expansion per block."""
    stages: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...] = (
        (32, 2, ((5, 3), (3, 3))),
        (40, 2, ((7, 3), (3, 3), (5, 3), (5, 3))),
        (80, 2, ((7, 6), (5, 3), (5, 3), (5, 3))),
        (96, 1, ((5, 6), (5, 3), (5, 3), (5, 3))),
        (192, 2, ((7, 6), (7, 6), (7, 3), (7, 3))),
        (320, 1, ((7, 6),)),
    )
    blocks: list[nn.Module] = [_Inverted(32, 16, 3, 1, 32, nn.ReLU6())]
    w_in = 16
    for w_out, stride, kinds in stages:
        for index, (k, expansion) in enumerate(kinds):
            blocks.append(_Inverted(w_in, w_out, k, stride if index == 0 else 1, w_in * expansion, nn.ReLU6()))
            w_in = w_out
    return nn.Sequential(
        _conv(3, 32, 3, 2, act=nn.ReLU6()), *blocks, _conv(320, 1280, act=nn.ReLU6()), *_classifier(1280)
    )


def mobilenet_v3() -> nn.Module:
    """MobileNetV3 large 1.0 (torchvision's mobilenet_v3_large)."""
    rows = (
        *((16, 16, 3, 0, 0, 1), (64, 24, 3, 0, 0, 2), (72, 24, 3, 0, 0, 1), (72, 40, 5, 24, 0, 2)),
        *((120, 40, 5, 32, 0, 1), (120, 40, 5, 32, 0, 1), (240, 80, 3, 0, 1, 2), (200, 80, 3, 0, 1, 1)),
        *((184, 80, 3, 0, 1, 1), (184, 80, 3, 0, 1, 1), (480, 112, 3, 120, 1, 1), (672, 112, 3, 168, 1, 1)),
        *((672, 160, 5, 168, 1, 2), (960, 160, 5, 240, 1, 1), (960, 160, 5, 240, 1, 1)),
    )
    blocks: list[nn.Module] = []
    w_in = 16
    for inner, w_out, k, squeezed, hard, stride in rows:
        act = nn.Hardswish() if hard else nn.ReLU()
        gate = _Gate(inner, squeezed, nn.ReLU(), nn.Hardsigmoid()) if squeezed else None
        blocks.append(_Inverted(w_in, w_out, k, stride, inner, act, gate))
        w_in = w_out
    return nn.Sequential(
        *(_conv(3, 16, 3, 2, act=nn.Hardswish()), *blocks, _conv(160, 960, act=nn.Hardswish())),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(960, 1280), nn.Hardswish(), nn.Linear(1280, 1000)),
        nn.Softmax(1),
    )


def efficientnet_b0() -> nn.Module:
    """EfficientNet-B0 (torchvision's efficientnet_b0)."""
    stages = (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
    )
    blocks = _inverted_stages(
        32, [*stages, (6, 320, 1, 1, 3)], nn.SiLU, lambda inner, w_in: _Gate(inner, w_in // 4, nn.SiLU(), nn.Sigmoid())
    )
    return nn.Sequential(
        _conv(3, 32, 3, 2, act=nn.SiLU()), *blocks, _conv(320, 1280, act=nn.SiLU()), *_classifier(1280)
    )


def efficientnetv2_b0() -> nn.Module:
    """EfficientNetV2-B0 (timm's tf_efficientnetv2_b0) at 224."""
    blocks: list[nn.Module] = [_conv(3, 32, 3, 2, act=nn.SiLU())]
    w_in = 32
    for expansion, w_out, depth, stride in ((1, 16, 1, 1), (4, 32, 2, 2), (4, 48, 2, 2)):  # fused
        for index in range(depth):
            step = stride if index == 0 else 1
            if expansion == 1:
                body: nn.Module = _conv(w_in, w_out, 3, step, act=nn.SiLU())
            else:
                inner = w_in * expansion
                body = nn.Sequential(_conv(w_in, inner, 3, step, act=nn.SiLU()), _conv(inner, w_out))
            blocks.append(_Residual(body) if step == 1 and w_in == w_out else body)
            w_in = w_out
    blocks += _inverted_stages(
        48,
        ((4, 96, 3, 2, 3), (6, 112, 5, 1, 3), (6, 192, 8, 2, 3)),
        nn.SiLU,
        lambda inner, w_in: _Gate(inner, w_in // 4, nn.SiLU(), nn.Sigmoid()),
    )
    return nn.Sequential(*blocks, _conv(192, 1280, act=nn.SiLU()), *_classifier(1280))


def regnety_400m() -> nn.Module:
    """RegNetY-400MF (torchvision's regnet_y_400mf)."""
    blocks: list[nn.Module] = [_conv(3, 32, 3, 2, act=nn.ReLU())]
    w_in = 32
    for w_out, depth in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for index in range(depth):
            stride = 2 if index == 0 else 1
            body = nn.Sequential(
                _conv(w_in, w_out, act=nn.ReLU()),
                _conv(w_out, w_out, 3, stride, w_out // 8, nn.ReLU()),
                _Gate(w_out, w_in // 4, nn.ReLU(), nn.Sigmoid()),
                _conv(w_out, w_out),
            )
            blocks.append(_Residual(body, _conv(w_in, w_out, 1, stride) if index == 0 else None, nn.ReLU()))
            w_in = w_out
    return nn.Sequential(*blocks, *_classifier(440))


def _resnet(depths: Sequence[int], bottleneck: bool) -> nn.Module:
    blocks: list[nn.Module] = [_conv(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    w_in = 64
    for stage, depth in enumerate(depths):
        inner = 64 << stage
        w_out = inner * 4 if bottleneck else inner
        for index in range(depth):
            stride = 2 if index == 0 and stage else 1
            if bottleneck:  # the stride in the first convolution, as in Caffe's model
                parts = [_conv(w_in, inner, 1, stride, act=nn.ReLU()), _conv(inner, inner, 3, act=nn.ReLU())]
                parts.append(_conv(inner, w_out))
            else:
                parts = [_conv(w_in, inner, 3, stride, act=nn.ReLU()), _conv(inner, inner, 3)]
            own = _conv(w_in, w_out, 1, stride) if stride > 1 or w_in != w_out else None
            blocks.append(_Residual(nn.Sequential(*parts), own, nn.ReLU()))
            w_in = w_out
    return nn.Sequential(*blocks, *_classifier(w_in))


def alexnet() -> nn.Module:
    """AlexNet as Caffe has it (bvlc_alexnet): two groups in three of its convolutions."""
    relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2)
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, 4), relu, pool, nn.Conv2d(96, 256, 5, padding=2, groups=2), relu, pool),
        *(nn.Conv2d(256, 384, 3, padding=1), relu, nn.Conv2d(384, 384, 3, padding=1, groups=2), relu),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), relu, pool, nn.Flatten()),
        *(nn.Linear(9216, 4096), relu, nn.Linear(4096, 4096), relu, nn.Linear(4096, 1000), nn.Softmax(1)),
    )


def vgg16() -> nn.Module:
    """VGG-16 without batch norm."""
    layers: list[nn.Module] = []
    w_in = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers.append(_conv(w_in, width, 3, act=nn.ReLU(), bn=False))
            w_in = width
        layers.append(nn.MaxPool2d(2))
    head = (nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000), nn.Softmax(1))
    return nn.Sequential(*layers, nn.Flatten(), *head)


def googlenet() -> nn.Module:
    """GoogLeNet as Caffe has it (bvlc_googlenet): no batch norm, 5 x 5 convolutions."""

    def inception(w_in: int, one: int, r3: int, three: int, r5: int, five: int, pooled: int) -> nn.Module:
        def conv(a: int, b: int, k: int = 1) -> nn.Module:
            return _conv(a, b, k, act=nn.ReLU(), bn=False)

        third, fifth = (
            nn.Sequential(conv(w_in, r3), conv(r3, three, 3)),
            nn.Sequential(conv(w_in, r5), conv(r5, five, 5)),
        )
        return _Cat(conv(w_in, one), third, fifth, nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(w_in, pooled)))

    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        *(_conv(3, 64, 7, 2, act=nn.ReLU(), bn=False), pool, _conv(64, 64, act=nn.ReLU(), bn=False)),
        *(_conv(64, 192, 3, act=nn.ReLU(), bn=False), pool),
        *(inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64), pool),
        *(inception(480, 192, 96, 208, 16, 48, 64), inception(512, 160, 112, 224, 24, 64, 64)),
        *(inception(512, 128, 128, 256, 24, 64, 64), inception(512, 112, 144, 288, 32, 64, 64)),
        *(inception(528, 256, 160, 320, 32, 128, 128), pool, inception(832, 256, 160, 320, 32, 128, 128)),
        *(inception(832, 384, 192, 384, 48, 128, 128), *_classifier(1024)),
    )


class _Shuffle(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.shuffle = nn.ChannelShuffle(groups)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        groups = self.shuffle.groups
        return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class _ShuffleUnit(nn.Module):
    def __init__(self, w_in: int, w_out: int, stride: int, first: bool) -> None:
        super().__init__()
        inner, out = w_out // 4, w_out - w_in if stride == 2 else w_out
        self.body = nn.Sequential(
            _conv(w_in, inner, groups=1 if first else 3, act=nn.ReLU()),
            _Shuffle(3),
            _conv(inner, inner, 3, stride, inner),
            _conv(inner, out, groups=3),
        )
        self.pool = nn.AvgPool2d(3, 2, 1) if stride == 2 else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return self.relu(torch.cat([self.pool(x), y], 1) if self.pool else x + y)


def shufflenet() -> nn.Module:
    """ShuffleNet 1x, three groups (Zhang et al. 2017)."""
    blocks: list[nn.Module] = [_conv(3, 24, 3, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    w_in = 24
    for w_out, depth in ((240, 4), (480, 8), (960, 4)):
        for index in range(depth):
            blocks.append(_ShuffleUnit(w_in, w_out, 2 if index == 0 else 1, w_in == 24))
            w_in = w_out
    return nn.Sequential(*blocks, *_classifier(960))


class _ShuffleV2Unit(nn.Module):
    def __init__(self, w_in: int, w_out: int, stride: int, act: Maker = nn.ReLU) -> None:
        super().__init__()
        half = w_out // 2
        own = w_in if stride == 2 else half
        self.main = nn.Sequential(
            _conv(own, half, act=act()), _conv(half, half, 3, stride, half), _conv(half, half, act=act())
        )
        self.side = nn.Sequential(_conv(w_in, w_in, 3, 2, w_in), _conv(w_in, half, act=act())) if stride == 2 else None
        self.shuffle = _Shuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        if self.side:
            return self.shuffle(torch.cat([self.side(x), self.main(x)], 1))
        left, right = x.chunk(2, 1)
        return self.shuffle(torch.cat([left, self.main(right)], 1))


def _shuffle_v2_stages(widths: Sequence[int], act: Maker = nn.ReLU) -> list[nn.Module]:
    stages: list[nn.Module] = []
    w_in = 24
    for w_out, depth in zip(widths, (4, 8, 4), strict=True):
        units = [_ShuffleV2Unit(w_in if i == 0 else w_out, w_out, 2 if i == 0 else 1, act) for i in range(depth)]
        stages.append(nn.Sequential(*units))
        w_in = w_out
    return stages


def shufflenet_v2() -> nn.Module:
    """ShuffleNetV2 1x (torchvision's shufflenet_v2_x1_0)."""
    stem = _conv(3, 24, 3, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(
        *stem, *_shuffle_v2_stages((116, 232, 464)), _conv(464, 1024, act=nn.ReLU()), *_classifier(1024)
    )


class _NanoDet(nn.Module):
    """ShuffleNetV2 1x without its last convolution, a path aggregation of width 96, shared heads."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.LeakyReLU
        self.stem = nn.Sequential(_conv(3, 24, 3, 2, act=act(0.1)), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList(_shuffle_v2_stages((116, 232, 464), lambda: act(0.1)))
        self.lateral = nn.ModuleList(nn.Conv2d(width, 96, 1) for width in (116, 232, 464))
        self.heads = nn.ModuleList(
            nn.Sequential(
                *(
                    part
                    for _ in range(2)
                    for part in (_conv(96, 96, 3, groups=96, act=act(0.1)), _conv(96, 96, act=act(0.1)))
                ),
                nn.Conv2d(96, 112, 1),
            )
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for stage, lateral in zip(self.stages, self.lateral, strict=True):
            x = stage(x)
            maps.append(lateral(x))
        resize = nn.functional.interpolate
        for low in (1, 0):
            maps[low] = maps[low] + resize(maps[low + 1], scale_factor=2.0, mode="bilinear")
        for high in (1, 2):
            maps[high] = maps[high] + resize(maps[high - 1], scale_factor=0.5, mode="bilinear")
        return [head(at).flatten(2) for head, at in zip(self.heads, maps, strict=True)]


class _YoloFastestV2(nn.Module):
    """ShuffleNetV2 of widths 48, 96, 192 and a light feature pyramid of width 72, dog-qiuqiu/Yolo-FastestV2."""

    def __init__(self) -> None:
        super().__init__()

        def heads(width: int) -> nn.Module:
            def one() -> nn.Module:
                parts = [
                    part
                    for _ in range(2)
                    for part in (_conv(width, width, 5, groups=width, act=nn.ReLU()), _conv(width, width))
                ]
                return nn.Sequential(*parts)

            return nn.ModuleList([one(), one()])

        self.stem = nn.Sequential(_conv(3, 24, 3, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList(_shuffle_v2_stages((48, 96, 192)))
        self.lateral = nn.ModuleList([_conv(288, 72, act=nn.ReLU()), _conv(192, 72, act=nn.ReLU())])
        self.towers = nn.ModuleList([heads(72), heads(72)])
        self.out = nn.ModuleList(nn.Conv2d(72, width, 1) for width in (12, 3, 80))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stages[0](self.stem(x))
        fine = self.stages[1](x)
        coarse = self.stages[2](fine)
        joined = torch.cat([nn.functional.interpolate(coarse, scale_factor=2.0), fine], 1)
        found = []
        for at, lateral, towers in zip((joined, coarse), self.lateral, self.towers, strict=True):
            own = lateral(at)
            kinds, boxes = (tower(own) for tower in towers)  # type: ignore[union-attr]
            box, seen, kind = self.out
            found += [box(boxes).sigmoid(), seen(kinds).sigmoid(), kind(kinds).softmax(1)]
        return found


def blazeface() -> nn.Module:
    """BlazeFace, front camera (hollance/BlazeFace-PyTorch)."""
    return _BlazeFace()


class _BlazeBlock(nn.Module):
    def __init__(self, w_in: int, w_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(w_in, w_in, 3, stride, 1, groups=w_in), nn.Conv2d(w_in, w_out, 1))
        self.pool = nn.MaxPool2d(2, 2) if stride == 2 else None
        self.more = w_out - w_in

    def forward(self, x: Tensor) -> Tensor:
        side = self.pool(x) if self.pool else x
        if self.more:
            side = nn.functional.pad(side, (0, 0, 0, 0, 0, self.more))
        return nn.functional.relu(self.body(x) + side)


class _BlazeFace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 5, 2, 2), nn.ReLU())
        first = ((24, 24, 1), (24, 28, 1), (28, 32, 2), (32, 36, 1), (36, 42, 1), (42, 48, 2), (48, 56, 1), (56, 64, 1))
        self.first = nn.Sequential(*(_BlazeBlock(*row) for row in (*first, (64, 72, 1), (72, 80, 1), (80, 88, 1))))
        self.second = nn.Sequential(_BlazeBlock(88, 96, 2), *(_BlazeBlock(96, 96) for _ in range(4)))
        self.heads = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in ((88, 2), (88, 32), (96, 6), (96, 96)))

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.first(self.stem(x))
        coarse = self.second(fine)
        return [head(at).flatten(1) for head, at in zip(self.heads, (fine, fine, coarse, coarse), strict=True)]


class _CspBlock(nn.Module):
    def __init__(self, width: int, conv: Callable[[int, int, int], nn.Module]) -> None:
        super().__init__()
        half = width // 2
        self.first, self.left, self.right = conv(width, width, 3), conv(half, half, 3), conv(half, half, 3)
        self.join = conv(width, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        left = self.left(x.chunk(2, 1)[1])
        joined = self.join(torch.cat([self.right(left), left], 1))
        return torch.cat([x, joined], 1), joined


class _YoloV4Tiny(nn.Module):
    """YOLOv4-tiny (AlexeyAB/darknet)."""

    def __init__(self) -> None:
        super().__init__()

        def conv(w_in: int, w_out: int, k: int, stride: int = 1) -> nn.Module:
            return _conv(w_in, w_out, k, stride, act=nn.LeakyReLU(0.1))

        self.stem = nn.Sequential(conv(3, 32, 3, 2), conv(32, 64, 3, 2))
        self.blocks = nn.ModuleList(_CspBlock(width, conv) for width in (64, 128, 256))
        self.last, self.neck = conv(512, 512, 3), conv(512, 256, 1)
        self.coarse = nn.Sequential(conv(256, 512, 3), nn.Conv2d(512, 255, 1))
        self.up, self.fine = conv(256, 128, 1), nn.Sequential(conv(384, 256, 3), nn.Conv2d(256, 255, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        inner = x
        for block in self.blocks:
            x, inner = block(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.neck(self.last(x))
        up = nn.functional.interpolate(self.up(x), scale_factor=2.0)
        return self.coarse(x), self.fine(torch.cat([up, inner], 1))


class _VisionTransformer(nn.Module):
    """ViT-B/32 at 384 pixels: 145 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 768, 32, 32)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 768)), nn.Parameter(torch.zeros(1, 145, 768))
        self.layers = nn.ModuleList(_VitLayer() for _ in range(12))
        self.norm, self.head = nn.LayerNorm(768), nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token, x], 1) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])


class _VitLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(768), nn.LayerNorm(768)
        self.qkv, self.out = nn.Linear(768, 2304), nn.Linear(768, 768)
        self.mlp = nn.Sequential(nn.Linear(768, 3072), nn.GELU(), nn.Linear(3072, 768))

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.first(x)).reshape(n, tokens, 3, 12, 64).permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.out(y)
        return x + self.mlp(self.second(x))


NETWORKS: dict[str, Callable[[], Any]] = {
    "squeezenet": squeezenet,
    "mobilenet": mobilenet,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3": mobilenet_v3,
    "shufflenet": shufflenet,
    "shufflenet_v2": shufflenet_v2,
    "mnasnet": mnasnet,
    "proxylessnasnet": proxylessnasnet,
    "efficientnet_b0": efficientnet_b0,
    "efficientnetv2_b0": efficientnetv2_b0,
    "regnety_400m": regnety_400m,
    "blazeface": blazeface,
    "googlenet": googlenet,
    "resnet18": lambda: _resnet((2, 2, 2, 2), bottleneck=False),
    "alexnet": alexnet,
    "vgg16": vgg16,
    "resnet50": lambda: _resnet((3, 4, 6, 3), bottleneck=True),
    "mobilenet_ssd": _MobileNetSSD,
    "yolov4-tiny": _YoloV4Tiny,
    "nanodet_m": _NanoDet,
    "yolo-fastestv2": _YoloFastestV2,
    "vision_transformer": _VisionTransformer,
}
"""Network of the table -> its module."""
