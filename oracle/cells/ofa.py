"""The blocks of Once-for-all's MobileNetV3 (arXiv 1908.09791, 1905.02244)."""

from __future__ import annotations

from torch import nn

from oracle.cells.blocks import Residual, SqueezeExcite, keeps_shape
from oracle.cells.layers import ConvStyle, chain, conv2d, linear
from oracle.cells.mbconv import inverted_bottleneck
from oracle.cells.registry import register_cell

__all__ = ["OFABlock", "ofa_head"]


@register_cell("ofa_block")
class OFABlock(Residual):
    """1x1 to w_exp (left out where w_exp = w_in), depthwise, [squeeze-excite], 1x1 to w_out.

    (N, w_in, H, W) -> (N, w_out, H / stride, W / stride); adds its input where shapes allow it.

    Args:
        kernel: of the depthwise convolution, odd.
        w_se: width inside squeeze-excite, whose activation is ReLU and whose sigmoid is a hard one; 0 for none.
    """

    def __init__(
        self,
        w_in: int,
        w_exp: int,
        kernel: int,
        stride: int,
        w_se: int,
        w_out: int,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        gates = nn.ReLU(inplace=inplace), nn.Hardsigmoid(inplace=inplace)
        se = SqueezeExcite(w_exp, w_se, *gates) if w_se else None
        f = inverted_bottleneck(w_in, w_exp, kernel, stride, w_out, style, se)
        super().__init__(f, keeps_shape(w_in, w_out, stride))


@register_cell("ofa_head", role="head")
def ofa_head(
    w_in: int,
    w_exp: int,
    head_w: int,
    num_classes: int,
    activation: str,
    inplace: bool,
    bn_eps: float,
    bn_momentum: float,
) -> nn.Sequential:
    """1x1 to w_exp, batch norm, activation, global average pool, 1x1 to head_w, activation, linear with bias.

    (N, w_in, H, W) -> (N, num_classes). The 1x1 behind the pool has neither batch norm nor bias.
    """
    style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
    return chain(
        expand=style.conv_bn_act(w_in, w_exp, 1),
        pool=nn.AdaptiveAvgPool2d((1, 1)),
        mix=conv2d(w_exp, head_w, 1),
        act=style.act(),
        flatten=nn.Flatten(),
        fc=linear(head_w, num_classes),
    )
