"""The table of layers that textbooks and lecture notes give.

| layer | operations |
|---|---|
| ReLU | H W C |
| sigmoid | 4 H W C |
| convolution | K^2 C_in C_out H W (over groups: divided by them) |
| depthwise convolution | K^2 C_in H W |
| fully connected, I to J | I J |
| pooling | H_in W_in C_in |

Everything else is nothing. A multiply-add counts 1, and so does a comparison: the sum is a number of nothing
in particular, but the one that readers of such a table arrive at.
"""

from __future__ import annotations

from oracle.counting.conventions.recounting import Recount, macs_of
from oracle.optable import OpTable, Row, prod

__all__ = ["recount"]

_PER_OUTPUT = {"aten.relu": 1, "aten.relu_": 1, "aten.sigmoid": 4, "aten.sigmoid_": 4}
_LAYERS = frozenset({"conv", "depthwise", "grouped", "linear"})


def recount(table: OpTable) -> Recount:
    """The table's sum over the forward pass, as `flops`."""
    return Recount(flops=sum(_operations(row) for row in table.rows if row.phase == "forward"))


def _operations(row: Row) -> int:
    if row.name in _PER_OUTPUT:
        return _PER_OUTPUT[row.name] * int(prod(row.out))
    if row.op_class in _LAYERS:
        return int(macs_of(row))
    # An adaptive pool to one pixel reaches the dispatcher as a mean.
    if row.op_class == "pool" or row.function.startswith("adaptive_avg_pool"):
        return int(prod(row.args[0]))
    return 0
