"""What stands before the first block: (N, w_in, H, W) -> (N, w_out, H / stride, W / stride)."""

from __future__ import annotations

from torch import nn

from oracle.cells.layers import ConvStyle, chain, conv2d
from oracle.cells.registry import register_cell

__all__ = ["conv_bn_act", "res_stem_cifar", "res_stem_in", "simple_stem_in"]


@register_cell("conv_bn_act", role="stem")
def conv_bn_act(
    w_in: int,
    w_out: int,
    kernel: int,
    stride: int,
    activation: str,
    inplace: bool,
    bn_eps: float,
    bn_momentum: float,
) -> nn.Sequential:
    """One layer of a convolutional ViT stem (arXiv 2106.14881)."""
    return ConvStyle(activation, inplace, bn_eps, bn_momentum).conv_bn_act(w_in, w_out, kernel, stride)


@register_cell("simple_stem_in", role="stem")
def simple_stem_in(
    w_in: int, w_out: int, activation: str, inplace: bool, bn_eps: float, bn_momentum: float
) -> nn.Sequential:
    """3x3 convolution of stride 2: RegNet, AnyNet and EfficientNet on ImageNet."""
    return ConvStyle(activation, inplace, bn_eps, bn_momentum).conv_bn_act(w_in, w_out, 3, 2)


@register_cell("res_stem_cifar", role="stem")
def res_stem_cifar(
    w_in: int, w_out: int, activation: str, inplace: bool, bn_eps: float, bn_momentum: float
) -> nn.Sequential:
    """3x3 convolution of stride 1: ResNet on CIFAR (arXiv 1512.03385)."""
    return ConvStyle(activation, inplace, bn_eps, bn_momentum).conv_bn_act(w_in, w_out, 3)


@register_cell("res_stem_in", role="stem")
def res_stem_in(
    w_in: int, w_out: int, activation: str, inplace: bool, bn_eps: float, bn_momentum: float
) -> nn.Sequential:
    """7x7 convolution of stride 2, then a 3x3 max-pool of stride 2: ResNet on ImageNet (arXiv 1512.03385)."""
    style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
    return chain(
        conv=conv2d(w_in, w_out, 7, 2),
        bn=style.norm(w_out),
        act=style.act(),
        pool=nn.MaxPool2d(3, stride=2, padding=1),
    )
