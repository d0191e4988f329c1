"""The classifier of the convolutional families: (N, w_in, H, W) -> (N, num_classes)."""

from __future__ import annotations

from torch import nn

from oracle.cells.layers import ConvStyle, chain, conv2d, linear
from oracle.cells.registry import register_cell

__all__ = ["head"]


@register_cell("head", role="head")
def head(
    w_in: int,
    head_w: int,
    num_classes: int,
    dropout: float,
    activation: str,
    inplace: bool,
    bn_eps: float,
    bn_momentum: float,
) -> nn.Sequential:
    """[1x1 to head_w, batch norm, activation], global average pool, [dropout], linear with bias.

    Args:
        head_w: width of the 1x1 convolution, 0 for none.
        dropout: probability in [0, 1); 0 leaves the layer out.
    """
    style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
    return chain(
        conv=conv2d(w_in, head_w, 1) if head_w else None,
        bn=style.norm(head_w) if head_w else None,
        act=style.act() if head_w else None,
        pool=nn.AdaptiveAvgPool2d((1, 1)),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout) if dropout > 0 else None,
        fc=linear(head_w or w_in, num_classes),
    )
