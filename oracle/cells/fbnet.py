"""The blocks of FBNet (arXiv 1812.03443) in the form that HW-NAS-Bench (2103.10584) measured."""

from __future__ import annotations

from torch import nn

from oracle.cells.blocks import Residual, keeps_shape
from oracle.cells.layers import ConvStyle, chain
from oracle.cells.registry import register_cell

__all__ = ["FBNetBlock", "fbnet_skip"]


@register_cell("fbnet_block")
class FBNetBlock(Residual):
    """1x1 to w_exp, [channel shuffle], depthwise, 1x1 to w_out; adds its input where shapes allow it.

    (N, w_in, H, W) -> (N, w_out, H / stride, W / stride)

    Args:
        w_exp: width of the depthwise convolution; the 1x1 before it exists even where this is w_in.
        kernel: of the depthwise convolution, odd.
        groups: of both 1x1 convolutions; the shuffle between them exists from two groups on.
    """

    def __init__(
        self,
        w_in: int,
        w_exp: int,
        kernel: int,
        stride: int,
        groups: int,
        w_out: int,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        f = chain(
            expand=style.conv_bn_act(w_in, w_exp, 1, groups=groups),
            shuffle=nn.ChannelShuffle(groups) if groups > 1 else None,
            depthwise=style.conv_bn_act(w_exp, w_exp, kernel, stride, groups=w_exp),
            project=style.conv_bn(w_exp, w_out, 1, groups=groups),
        )
        super().__init__(f, keeps_shape(w_in, w_out, stride))


@register_cell("fbnet_skip")
def fbnet_skip(
    w_in: int, w_out: int, stride: int, activation: str, inplace: bool, bn_eps: float, bn_momentum: float
) -> nn.Sequential:
    """A skipped layer that changes the shape: a strided 1x1, batch norm, activation.

    (N, w_in, H, W) -> (N, w_out, H / stride, W / stride). A layer that changes nothing is no cell at all.
    """
    return ConvStyle(activation, inplace, bn_eps, bn_momentum).conv_bn_act(w_in, w_out, 1, stride)
