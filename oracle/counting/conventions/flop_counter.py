"""torch.utils.flop_counter.FlopCounterMode on meta: contractions only, 2 FLOPs per multiply-add.

Its own formulas are applied to our rows, so that the installed version of torch is the one that is equalled
(2.13 counts the weight gradient of a grouped convolution as if it had one group). Attention is whole in our
trace; on meta the mode sees the two products that it decomposes into, and up to four in the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from oracle.counting.conventions.recounting import Recount
from oracle.optable import OpTable, Row, Shape, prod

__all__ = ["recount"]


def recount(table: OpTable) -> Recount:
    """Forward and, in training, backward; the optimiser's step has no contractions."""
    formulas = {str(packet): formula for packet, formula in flop_registry.items()}
    flops = 0
    for row in table.rows:
        if row.name == "oracle.attention":
            flops += 2 * _attention(row.args[0], row.args[1], row.args[2])
        elif row.name == "oracle.attention_backward":
            flops += 2 * _attention_backward(row)
        elif row.name in formulas:
            kwargs = {key: _tensors(value) for key, value in row.kwargs.items()}
            flops += formulas[row.name](*map(_tensors, row.args), **kwargs, out_val=_tensors(row.out))
    return Recount(macs=flops // 2, flops=flops)


def _attention(q: Shape, k: Shape, v: Shape) -> int:
    macs: int = prod(q[:-1]) * k[-2] * (q[-1] + v[-1])
    return macs


def _attention_backward(row: Row) -> int:
    """Per score: dV and the score's own gradient over the width of v, dQ and dK over that of q."""
    q, k, v = row.args[1:4]
    wanted_q, wanted_k, wanted_v, wanted_mask = row.args[-1]
    through_scores = wanted_q or wanted_k or wanted_mask
    per_score = (wanted_v + through_scores) * v[-1] + (wanted_q + wanted_k) * q[-1]
    macs: int = prod(q[:-1]) * k[-2] * per_score
    return macs


def _tensors(tree: Any) -> Any:
    """Shapes as tensors on meta again, which is what formulas are given."""
    if isinstance(tree, Shape):
        return torch.empty(tree, device="meta")
    if isinstance(tree, tuple):
        return tuple(_tensors(item) for item in tree)
    return tree
