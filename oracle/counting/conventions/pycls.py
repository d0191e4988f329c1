"""pycls' complexity (github facebookresearch/pycls): MACs of convolutions, linear layers, attention products.

Bias additions of convolutions and linear layers count 1 each. Activations are elements of the outputs of
these layers, of both attention products, and of max-pools. Its figures are for one image; ours for the batch.
"""

from __future__ import annotations

from oracle.counting.conventions.recounting import Recount, argument, macs_of, parameters_of
from oracle.optable import Dim, OpTable, Row, prod

__all__ = ["recount"]

_LAYERS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul"})
_MAX_POOLS = frozenset({"aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices"})


def recount(table: OpTable) -> Recount:
    """MACs with bias additions, parameters, activations."""
    biases = {
        call.call: prod(call.out)
        for call in table.functions
        if call.name == "linear" and argument(call, 2, "bias") is not None
    }
    macs, activations = sum(biases.values()), 0
    for row in table.rows:
        if row.phase != "forward":
            continue
        if row.op_class in _LAYERS:
            macs += macs_of(row)
            activations += prod(row.result)
            macs += prod(row.result) if _adds_bias(row) and row.call not in biases else 0
        elif row.op_class == "attention":
            macs += macs_of(row)
            activations += _scores(row) + prod(row.result)
        elif row.name in _MAX_POOLS:
            activations += prod(row.out[0])
    return Recount(macs=macs, params=parameters_of(table), activations=activations)


def _scores(row: Row) -> Dim:
    """Scores of attention; linear attention writes none."""
    if row.name == "oracle.delta_rule":
        return 0
    if row.name == "oracle.sparse_attention":  # of latents, and of which of them queries see
        return prod(row.result[:-1]) * row.args[1][-1]
    return prod(row.args[0][:-1]) * row.args[1][-2]


def _adds_bias(row: Row) -> bool:
    if row.name == "aten.convolution":
        return row.args[2] is not None
    return row.op_class == "linear" and row.name in ("aten.addmm", "aten.addmv")
