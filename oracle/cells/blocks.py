"""Blocks of AnyNet, RegNet and ResNet: (N, w_in, H, W) -> (N, w_out, H / stride, W / stride)."""

from __future__ import annotations

from torch import Tensor, nn

from oracle.cells.layers import ConvStyle, chain, conv2d
from oracle.cells.registry import register_cell

__all__ = [
    "ResBasicBlock",
    "ResBottleneckBlock",
    "ResBottleneckLinearBlock",
    "Residual",
    "SqueezeExcite",
    "keeps_shape",
    "shortcut",
    "vanilla_block",
]


class SqueezeExcite(nn.Module):
    """Channel gates from globally pooled features (arXiv 1709.01507); (N, width, H, W) keeps its shape.

    Args:
        w_se: width inside.
        act: behind the first of its two 1x1 convolutions.
        sigmoid: behind the second.
    """

    def __init__(self, width: int, w_se: int, act: nn.Module, sigmoid: nn.Module) -> None:
        super().__init__()
        self.gate = chain(
            pool=nn.AdaptiveAvgPool2d((1, 1)),
            squeeze=conv2d(width, w_se, 1, bias=True),
            act=act,
            excite=conv2d(w_se, width, 1, bias=True),
            sigmoid=sigmoid,
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.gate(x)
        return out


def keeps_shape(w_in: int, w_out: int, stride: int) -> bool:
    """Whether what enters a block can be added to what leaves it."""
    return bool(w_in == w_out and stride == 1)


class Residual(nn.Module):
    """x + f(x) where `f` keeps the shape, else f(x)."""

    def __init__(self, f: nn.Module, has_skip: bool) -> None:
        super().__init__()
        self.f = f
        self.has_skip = has_skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.f(x) if self.has_skip else self.f(x)
        return out


def shortcut(w_in: int, w_out: int, stride: int, style: ConvStyle) -> nn.Module:
    """The identity where shapes allow it, else a strided 1x1 projection with batch norm."""
    if w_in != w_out or stride != 1:
        return style.conv_bn(w_in, w_out, 1, stride)
    return nn.Identity()


@register_cell("vanilla_block")
def vanilla_block(
    w_in: int, w_out: int, stride: int, activation: str, inplace: bool, bn_eps: float, bn_momentum: float
) -> nn.Sequential:
    """Two 3x3 convolutions and no skip (arXiv 1905.13214)."""
    style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
    return chain(a=style.conv_bn_act(w_in, w_out, 3, stride), b=style.conv_bn_act(w_out, w_out, 3))


@register_cell("res_basic_block")
class ResBasicBlock(nn.Module):
    """act(shortcut(x) + b(a(x))) with two 3x3 convolutions (arXiv 1512.03385)."""

    def __init__(
        self,
        w_in: int,
        w_out: int,
        stride: int,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        super().__init__()
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        self.shortcut = shortcut(w_in, w_out, stride, style)
        self.a = style.conv_bn_act(w_in, w_out, 3, stride)
        self.b = style.conv_bn(w_out, w_out, 3)
        self.act = style.act()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.shortcut(x) + self.b(self.a(x)))
        return out


def _bottleneck(
    w_in: int, w_out: int, stride: int, w_b: int, groups: int, w_se: int, stride_1x1: bool, style: ConvStyle
) -> nn.Sequential:
    """1x1 to w_b, grouped 3x3, [squeeze-excite], 1x1 to w_out without activation."""
    stride_a, stride_b = (stride, 1) if stride_1x1 else (1, stride)
    return chain(
        a=style.conv_bn_act(w_in, w_b, 1, stride_a),
        b=style.conv_bn_act(w_b, w_b, 3, stride_b, groups),
        se=SqueezeExcite(w_b, w_se, style.act(), nn.Sigmoid()) if w_se else None,
        c=style.conv_bn(w_b, w_out, 1),
    )


@register_cell("res_bottleneck_block")
class ResBottleneckBlock(nn.Module):
    """act(shortcut(x) + f(x)) with f = 1x1, grouped 3x3, [squeeze-excite], 1x1: ResNe(X)t, RegNetX, RegNetY.

    Args:
        w_b: width of the 3x3 convolution, which has `groups` groups.
        w_se: width inside squeeze-excite, 0 for none.
        stride_1x1: the first 1x1 carries the stride instead of the 3x3.
    """

    def __init__(
        self,
        w_in: int,
        w_out: int,
        stride: int,
        w_b: int,
        groups: int,
        w_se: int,
        stride_1x1: bool,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        super().__init__()
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        self.shortcut = shortcut(w_in, w_out, stride, style)
        self.f = _bottleneck(w_in, w_out, stride, w_b, groups, w_se, stride_1x1, style)
        self.act = style.act()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.shortcut(x) + self.f(x))
        return out


@register_cell("res_bottleneck_linear_block")
class ResBottleneckLinearBlock(Residual):
    """The bottleneck f without a final activation (arXiv 2103.06877); x + f(x) only where shapes allow it.

    Arguments as in `ResBottleneckBlock`.
    """

    def __init__(
        self,
        w_in: int,
        w_out: int,
        stride: int,
        w_b: int,
        groups: int,
        w_se: int,
        stride_1x1: bool,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        f = _bottleneck(w_in, w_out, stride, w_b, groups, w_se, stride_1x1, style)
        super().__init__(f, keeps_shape(w_in, w_out, stride))
