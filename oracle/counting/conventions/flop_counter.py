"""torch.utils.flop_counter.FlopCounterMode on meta: contractions only, 2 FLOPs per multiply-add.

Its own formulas are applied to our rows, so that the installed version of torch is the one that is equalled
(2.13 counts the weight gradient of a grouped convolution as if it had one group). Attention is whole in our
trace; on meta the mode sees the two products that it decomposes into, and up to four in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from oracle.counting.conventions.recounting import Recount, macs_of
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
        elif row.name == "oracle.delta_rule":
            flops += 2 * _delta_rule(row.args[1], row.args[2], row.args[7])
        elif row.name == "oracle.delta_rule_backward":
            flops += 2 * _delta_rule_backward(row.args[2], row.args[3], row.args[8])
        elif row.name == "oracle.causal_conv_backward":
            flops += _causal_conv_backward(row, formulas["aten.convolution_backward"])
        elif row.name in formulas:
            kwargs = {key: _tensors(value) for key, value in row.kwargs.items()}
            flops += formulas[row.name](*map(_tensors, row.args), **kwargs, out_val=_tensors(row.out))
        elif row.name.startswith("oracle."):  # a kernel in the place of products
            flops += 2 * macs_of(row)
    return Recount(macs=flops // 2, flops=flops)


def _attention(q: Shape, k: Shape, v: Shape) -> int:
    macs: int = prod(q[:-1]) * k[-2] * (q[-1] + v[-1])
    return macs


def _delta_rule(k: Shape, v: Shape, chunk: int) -> int:
    """The products of each chunk's own tokens, which kernels fill up; substitution is no product to the mode."""
    keys, values = k[-1], v[-1]
    macs = sum(own * own * (2 * keys + values) + 3 * own * keys * values for own in _chunks(v[1], chunk))
    return int(v[0] * v[2] * macs)


def _delta_rule_backward(k: Shape, v: Shape, chunk: int) -> int:
    """Two products for one, and the matrix of the substitution; not of zeros before, and of no state after the end."""
    keys, values, chunks = k[-1], v[-1], _chunks(v[1], chunk)
    macs = sum(own * own * (5 * keys + 3 * values) for own in chunks)
    macs += 2 * keys * values * (sum(chunks) + sum(chunks[1:]) + sum(chunks[:-1]))
    return int(v[0] * v[2] * macs)


def _chunks(tokens: int, chunk: int) -> list[int]:
    """How many tokens each has."""
    return [min(chunk or 1, tokens - start) for start in range(0, tokens, chunk or 1)]


def _causal_conv_backward(row: Row, formula: Callable[..., int]) -> int:
    """As of a convolution over channels alone, with what comes before the first token."""
    (n, tokens, channels), (_, width) = row.args[1:3]
    made, given = Shape((n, channels, tokens)), Shape((n, channels, tokens + width - 1))
    weight = Shape((channels, 1, width))
    tensors = map(_tensors, (made, given, weight))
    kept = (*row.args[3], False)
    out = (_tensors(given), _tensors(weight), None)
    return formula(*tensors, None, (1,), (0,), (1,), False, (0,), channels, kept, out_val=out)


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
