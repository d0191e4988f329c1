"""NAS-Bench-201 (arXiv 2001.00326): a searched cell of six edges, between fixed stem, reductions and head.

Every convolution is preceded by its ReLU, which is never in place: other edges read the same tensor.
"""

from __future__ import annotations

from torch import Tensor, nn

from oracle.cells.layers import ConvStyle, chain, conv2d, linear
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError
from oracle.families.nasbench201 import graph_of

__all__ = ["NASBench201Cell", "NASBench201Reduction", "Zero", "nasbench201_head", "nasbench201_stem"]


class Zero(nn.Module):
    """The operation `none`: zeros of its input's shape, as the product that the benchmark computes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


def _relu_conv_bn(w_in: int, w_out: int, kernel: int, stride: int, style: ConvStyle) -> nn.Sequential:
    return chain(act=style.act(), conv=conv2d(w_in, w_out, kernel, stride), bn=style.norm(w_out))


def _operation(name: str, width: int, style: ConvStyle) -> nn.Module:
    """(N, width, H, W) keeps its shape."""
    if name == "none":
        return Zero()
    if name == "skip_connect":
        return nn.Identity()
    if name == "nor_conv_1x1":
        return _relu_conv_bn(width, width, 1, 1, style)
    if name == "nor_conv_3x3":
        return _relu_conv_bn(width, width, 3, 1, style)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ConfigError(f"operation={name!r}: expected none, skip_connect, nor_conv_1x1, nor_conv_3x3 or avg_pool_3x3")


@register_cell("nasbench201_stem", role="stem")
def nasbench201_stem(w_in: int, w_out: int, bn_eps: float, bn_momentum: float) -> nn.Sequential:
    """3x3 convolution, batch norm: (N, w_in, H, W) -> (N, w_out, H, W)."""
    return ConvStyle("relu", inplace=False, bn_eps=bn_eps, bn_momentum=bn_momentum).conv_bn(w_in, w_out, 3)


@register_cell("nasbench201_cell")
class NASBench201Cell(nn.Module):
    """A graph whose nodes each sum one edge from every node before them; (N, width, H, W) keeps its shape.

    Executed as written: an edge whose result only `none` edges read runs all the same. (The benchmark's own
    sums start from the number 0, one addition more per node of any architecture; ours from their first edge.)

    Args:
        arch: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: node by node, the operations and the nodes they read.
    """

    def __init__(self, width: int, arch: str, bn_eps: float, bn_momentum: float) -> None:
        super().__init__()
        style = ConvStyle("relu", inplace=False, bn_eps=bn_eps, bn_momentum=bn_momentum)
        self.graph = graph_of(arch)
        edges = (edge for node in self.graph.nodes for edge in node)
        self.edges = nn.ModuleDict({edge.name: _operation(edge.operation, width, style) for edge in edges})

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for first, *others in self.graph.nodes:
            node = self.edges[first.name](states[first.source])
            for edge in others:
                node = node + self.edges[edge.name](states[edge.source])
            states.append(node)
        return states[-1]


@register_cell("nasbench201_reduction")
class NASBench201Reduction(nn.Module):
    """Two 3x3 convolutions beside an average pool and a 1x1: (N, w_in, H, W) -> (N, w_out, H / 2, W / 2)."""

    def __init__(self, w_in: int, w_out: int, bn_eps: float, bn_momentum: float) -> None:
        super().__init__()
        style = ConvStyle("relu", inplace=False, bn_eps=bn_eps, bn_momentum=bn_momentum)
        self.a = _relu_conv_bn(w_in, w_out, 3, 2, style)
        self.b = _relu_conv_bn(w_out, w_out, 3, 1, style)
        # Images are even, so that rounding does not matter; up is how the convolutions round.
        self.shortcut = chain(pool=nn.AvgPool2d(2, stride=2, ceil_mode=True), conv=conv2d(w_in, w_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        main = self.b(self.a(x))
        out: Tensor = self.shortcut(x) + main
        return out


@register_cell("nasbench201_head", role="head")
def nasbench201_head(w_in: int, num_classes: int, inplace: bool, bn_eps: float, bn_momentum: float) -> nn.Sequential:
    """Batch norm, ReLU, global average pool, linear with bias: (N, w_in, H, W) -> (N, num_classes)."""
    style = ConvStyle("relu", inplace, bn_eps, bn_momentum)
    return chain(
        bn=style.norm(w_in),
        act=style.act(),
        pool=nn.AdaptiveAvgPool2d((1, 1)),
        flatten=nn.Flatten(),
        fc=linear(w_in, num_classes),
    )
