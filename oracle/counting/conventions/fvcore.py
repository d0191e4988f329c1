"""fvcore's FlopCountAnalysis, ActivationCountAnalysis and parameter_count (github facebookresearch/fvcore).

It reads the graph of torch.jit.trace: one node per framework call, dead ones removed, with a rule for a few
kinds. A multiply-add counts 1. Recurrent cells are the one place where the tracer looks inside a call;
recurrent layers are one node without a rule, and so is fused attention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from oracle.counting.conventions.recounting import Recount, argument, parameters_of, refuse
from oracle.optable import FunctionCall, OpTable, Row, Shape, Use, prod

__all__ = ["recount"]

_INLINED = frozenset({"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"})
_GIVEN = frozenset({"input", "parameter", "buffer", "constant"})
_WITH_ACTIVATIONS = frozenset({"addmm", "bmm", "einsum", "linear", "matmul"})


def recount(table: OpTable) -> Recount:
    """MACs, parameters, and elements of the outputs of convolutions and products (not of `torch.mm`)."""
    rows = _live_rows(table)
    live = {row.call for row in rows}
    opaque = {call.call for call in table.functions if call.name.startswith("conv") and _padding_is_word(call)}
    macs = activations = 0
    for call in table.functions:
        if call.name in _RULES and call.kind != "python" and call.call in live:
            macs += _RULES[call.name](call)
            activations += prod(call.out) if call.name in _WITH_ACTIVATIONS else 0
    for row in rows:
        if row.name == "aten.convolution" and row.call not in opaque:
            macs += _convolution(row)
            activations += prod(row.out)
        elif row.function in _INLINED and row.name in ("aten.mm", "aten.addmm"):
            a, b = row.args[-2:]
            macs += prod(a) * b[1]
            activations += prod(row.out)
    return Recount(macs=macs, params=parameters_of(table), activations=activations)


def _live_rows(table: OpTable) -> list[Row]:
    """Forward operators that the outputs, or tensors that were there before, depend on."""
    wanted = set(table.outputs)
    kept = []
    for row in reversed(table.rows):
        if any(use.value in wanted for use in row.writes) or _leaves_a_trace(table, row):
            wanted.update(use.value for use in row.reads)
            for use in row.writes:
                wanted.update(_rest_of(table, use))
            if row.phase == "forward":
                kept.append(row)
    return kept


def _leaves_a_trace(table: OpTable, row: Row) -> bool:
    """Whether it writes into an input or a buffer, as batch norm does in training."""
    if row.phase != "forward":
        return False
    if row.name == "aten.native_batch_norm":
        return bool(row.args[5] and row.args[3] is not None)
    return any(table.storage_of(use).kind in _GIVEN for use in row.writes)


def _rest_of(table: OpTable, use: Use) -> list[int]:
    """What a storage held before an operator wrote a part of it."""
    storage = table.values[use.value].storage
    if use.elements >= table.storages[storage].elements:
        return []
    return [value for value in range(use.value) if table.values[value].storage == storage]


# -- rules: a call or a row -> its count ---------------------------------------------------------------------


def _padding_is_word(call: FunctionCall) -> bool:
    """Padding "same" or "valid" makes a node of its own, which has no rule."""
    return isinstance(argument(call, 4, "padding"), str)


def _convolution(row: Row) -> int:
    x, weight, transposed = row.args[0], row.args[1], row.args[6]
    macs: int = x[0] * prod(weight) * prod((x if transposed else row.out)[2:])
    return macs


def _linear(call: FunctionCall) -> int:
    macs: int = prod(argument(call, 0, "input")) * argument(call, 1, "weight")[0]
    return macs


def _addmm(call: FunctionCall) -> int:
    macs: int = prod(argument(call, 1, "mat1")) * argument(call, 2, "mat2")[1]
    return macs


def _matmul(call: FunctionCall) -> int:
    a, b = argument(call, 0, "input"), argument(call, 1, "other", "mat2")
    if len(b) < 2:
        raise refuse("fvcore", f"torch.matmul of shapes {tuple(a)} and {tuple(b)}: it expects no vector")
    macs: int = prod(a) * b[-1]
    return macs


def _einsum(call: FunctionCall) -> int:
    equation, *operands = call.args
    if not isinstance(operands[0], Shape):
        operands = operands[0]
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    renamed = equation.replace(" ", "").translate({ord(old): 97 + i for i, old in enumerate(letters)})
    if renamed in ("abc,abd->acd", "abc,adc->adb"):
        n, m, k = operands[0]
        return int(n * m * k * (operands[1][2] if renamed.endswith("acd") else operands[1][1]))
    # numpy reports the operations of its best order, rounded to four digits; two make a multiply-add.
    arrays = [np.broadcast_to(0.0, shape) for shape in operands]
    report = np.einsum_path(renamed, *arrays, optimize="optimal")[1]
    line = next(line for line in report.splitlines() if "optimized flop" in line.lower())
    return int(float(line.split(":")[-1]) // 2)


def _batch_norm(call: FunctionCall) -> int:
    if argument(call, 5, "training"):
        return _norm(call, 1)
    elements: int = prod(argument(call, 0, "input"))
    return elements * (1 if argument(call, 1, "weight") is None else 2)


def _norm(call: FunctionCall, at_weight: int) -> int:
    x = argument(call, 0, "input")
    if not 2 <= len(x) <= 5:
        raise refuse("fvcore", f"{call.name} of shape {tuple(x)}: it expects 2 to 5 dimensions")
    elements: int = prod(x)
    return elements * (4 if argument(call, at_weight, "weight") is None else 5)


def _per_output(factor: int) -> Callable[[FunctionCall], int]:
    return lambda call: factor * prod(call.out)


_RULES: Mapping[str, Callable[[FunctionCall], int]] = MappingProxyType(
    {
        "addmm": _addmm,
        "bmm": _matmul,
        "einsum": _einsum,
        "matmul": _matmul,
        "mm": _matmul,
        "linear": _linear,
        "batch_norm": _batch_norm,
        "group_norm": lambda call: _norm(call, 2),
        "layer_norm": lambda call: _norm(call, 2),
        "instance_norm": lambda call: _norm(call, 1),
        "upsample_nearest2d": _per_output(1),
        "upsample_bilinear2d": _per_output(4),
        "adaptive_avg_pool2d": lambda call: prod(argument(call, 0, "input")),
        "grid_sampler": _per_output(4),
    }
)
