"""The inverted bottleneck of EfficientNet (arXiv 1905.11946)."""

from __future__ import annotations

from torch import Tensor, nn

from oracle.cells.blocks import SqueezeExcite
from oracle.cells.layers import ConvStyle, chain
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError

__all__ = ["DropConnect", "MBConv"]


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


@register_cell("mbconv")
class MBConv(nn.Module):
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
        super().__init__()
        style = ConvStyle(activation, inplace, bn_eps, bn_momentum)
        self.has_skip = bool(w_in == w_out and stride == 1)
        self.f = chain(
            expand=style.conv_bn_act(w_in, w_exp, 1) if w_exp != w_in else None,
            depthwise=style.conv_bn_act(w_exp, w_exp, kernel, stride, groups=w_exp),
            se=SqueezeExcite(w_exp, w_se, style) if w_se else None,
            project=style.conv_bn(w_exp, w_out, 1),
            drop=DropConnect(drop_connect) if self.has_skip and drop_connect != 0 else None,
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.f(x) if self.has_skip else self.f(x)
        return out
