"""The blocks of Once-for-all's MobileNetV3 (arXiv 1908.09791, 1905.02244)."""

from __future__ import annotations

from torch import Tensor, nn

from oracle.cells.layers import ConvStyle, chain, conv2d, linear
from oracle.cells.registry import register_cell

__all__ = ["HardSqueezeExcite", "OFABlock", "ofa_head"]


class HardSqueezeExcite(nn.Module):
    """Channel gates of MobileNetV3: ReLU inside and a hard sigmoid; (N, width, H, W) keeps its shape."""

    def __init__(self, width: int, w_se: int, inplace: bool) -> None:
        super().__init__()
        self.gate = chain(
            pool=nn.AdaptiveAvgPool2d((1, 1)),
            squeeze=conv2d(width, w_se, 1, bias=True),
            act=nn.ReLU(inplace=inplace),
            excite=conv2d(w_se, width, 1, bias=True),
            sigmoid=nn.Hardsigmoid(inplace=inplace),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.gate(x)
        return out


@register_cell("ofa_block")
class OFABlock(nn.Module):
    """1x1 to w_exp (left out where w_exp = w_in), depthwise, [squeeze-excite], 1x1 to w_out.

    (N, w_in, H, W) -> (N, w_out, H / stride, W / stride); adds its input where shapes allow it.

    Args:
        kernel: of the depthwise convolution, odd.
        w_se: width inside squeeze-excite, 0 for none.
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
        super().__init__()
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        self.has_skip = bool(w_in == w_out and stride == 1)
        self.f = chain(
            expand=style.conv_bn_act(w_in, w_exp, 1) if w_exp != w_in else None,
            depthwise=style.conv_bn_act(w_exp, w_exp, kernel, stride, groups=w_exp),
            se=HardSqueezeExcite(w_exp, w_se, inplace) if w_se else None,
            project=style.conv_bn(w_exp, w_out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.f(x) if self.has_skip else self.f(x)
        return out


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
