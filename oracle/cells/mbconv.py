"""The inverted bottleneck of EfficientNet (arXiv 1905.11946)."""

from __future__ import annotations

from torch import Tensor, nn

from oracle.cells.blocks import Residual, SqueezeExcite, keeps_shape
from oracle.cells.layers import ConvStyle, chain
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError

__all__ = ["DropConnect", "MBConv", "inverted_bottleneck"]


class DropConnect(nn.Module):
    """Drops whole samples of a batch with probability `ratio` while training and scales the others up."""

    def __init__(self, ratio: float) -> None:
        super().__init__()
        if not 0 <= ratio < 1:
            raise ConfigError(f"drop_connect={ratio!r}: expected a probability in [0, 1)")
        self.ratio = ratio

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = 1.0 - self.ratio
        return x * (x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep) / keep)

    def extra_repr(self) -> str:
        return f"ratio={self.ratio}"


def inverted_bottleneck(
    w_in: int,
    w_exp: int,
    kernel: int,
    stride: int,
    w_out: int,
    style: ConvStyle,
    se: nn.Module | None,
    drop: nn.Module | None = None,
) -> nn.Sequential:
    """1x1 to w_exp (left out where w_exp = w_in), depthwise, [squeeze-excite], 1x1 to w_out without activation."""
    return chain(
        expand=style.conv_bn_act(w_in, w_exp, 1) if w_exp != w_in else None,
        depthwise=style.conv_bn_act(w_exp, w_exp, kernel, stride, groups=w_exp),
        se=se,
        project=style.conv_bn(w_exp, w_out, 1),
        drop=drop,
    )


@register_cell("mbconv")
class MBConv(Residual):
    """1x1 to w_exp (left out where w_exp = w_in), depthwise, [squeeze-excite], 1x1 to w_out.

    (N, w_in, H, W) -> (N, w_out, H / stride, W / stride); adds its input where shapes allow it.

    Args:
        kernel: of the depthwise convolution, odd.
        w_se: width inside squeeze-excite, 0 for none.
        drop_connect: probability in [0, 1) that training drops a sample's residual branch.
    """

    def __init__(
        self,
        w_in: int,
        w_exp: int,
        kernel: int,
        stride: int,
        w_se: int,
        w_out: int,
        drop_connect: float,
        activation: str,
        inplace: bool,
        bn_eps: float,
        bn_momentum: float,
    ) -> None:
        style, has_skip = ConvStyle(activation, inplace, bn_eps, bn_momentum), keeps_shape(w_in, w_out, stride)
        se = SqueezeExcite(w_exp, w_se, style.act(), nn.Sigmoid()) if w_se else None
        drop = DropConnect(drop_connect) if has_skip and drop_connect != 0 else None
        super().__init__(inverted_bottleneck(w_in, w_exp, kernel, stride, w_out, style, se, drop), has_skip)
