"""Tables of quantised networks: what of a float trace is stored in how many bytes.

A trace is of float tensors; under a quantised workload this says of each what an engine stores in its place. The rules,
for all engines (what tools write by default: onnxruntime.quantization, TensorRT's explicit precision, LiteRT):

* The operand of a convolution, linear layer or matrix product that is a weight takes one byte an element, with one
  float32 scale per output channel beside it (LiteRT's quantisation specification, onnxruntime's per_channel=True;
  symmetric, so that there are no zero points).
* Biases stay in four bytes (int32, in the scale of the product), and so do other weights that are vectors.
* Everything else (activations, the network's input and output, tables of embeddings) takes one byte; scales of whole
  tensors are numbers that kernels hold.
* Products accumulate in registers: int32 sums are never stored. Requantisation is a conversion of type, which costs no
  FLOPs, and runs where the result is made.
* Softmax, norms, GELU and other functions compute in float, reading and writing one byte.
* The matrices that linear attention keeps between calls stay in float32, in which they are added to call after call
  (flash-linear-attention's kernels, `mamba_ssm_dtype` of Qwen3.5 in vLLM, SGLang's default); the last tokens of its
  convolution are activations, and stored as these are.

Weights alone (`Workload.weights` of int8, float8, int4 or float4): operands that are weights take one byte, or half a
byte, and a scale in the type of the computation per output channel, of linear layers in int4 one per output channel and
`WEIGHT_GROUPS` inputs (what MatMulNBits of ONNX Runtime, llama.cpp and torchao do). float4 is MXFP4 (OCP Microscaling
formats, 2023), of the matrices of experts alone, as gpt-oss has it: a scale of a byte per output channel and group of
inputs. Kernels dequantise in registers. Nothing else changes: a table of embeddings that a product shares stays beside
the product's, and what computes in half precision is stored so (`Workload.unquantised`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from oracle.counting.conversions import operands_of
from oracle.counting.fusion.constants import constant_rows
from oracle.counting.fusion.engine import is_vector
from oracle.optable import OpTable, Row, Storage, Use, Value
from oracle.spec import MXFP4, WEIGHT_GROUPS, Workload

__all__ = ["WEIGHT_DTYPES", "quantised"]

Dim = Any

WEIGHT_DTYPES = {"int8": "int8", "int4": "uint4", "float8": "float8_e4m3fn", MXFP4: "uint4"}
"""How weights alone are stored, by the word of the workload: of float4 what matters is that two share a byte."""

_CONTRACTIONS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul"})
_EXPERTS = "oracle.experts"
_STATEFUL = "oracle.delta_rule"
_SCALE = "scale"  # the kind of storage that scales are


class _Weight(NamedTuple):
    """A weight that a contraction reads: the use, and how many scales it has."""

    use: Use
    scales: Dim


def quantised(table: OpTable, workload: Workload) -> OpTable:
    """The table with types as they are stored under a workload, and scales; the same rows in the same order.

    A table that is quantised already stays as it is, and so does any under a workload that is not quantised.
    """
    if not (workload.is_quantised or workload.weights in WEIGHT_DTYPES):
        return table
    if any(storage.kind == _SCALE for storage in table.storages):
        return table
    ready = constant_rows(table)
    if workload.weights in WEIGHT_DTYPES and workload.weights != MXFP4:
        table = _parted(table)
    found = {index: _weights_of(table, row, ready, workload) for index, row in enumerate(table.rows)}
    weights = {index: several for index, several in found.items() if several}
    stored = _stored(table, workload, weights)
    scale = "float32" if workload.is_quantised else "uint8" if workload.weights == MXFP4 else ""
    return _with_scales(_retyped(table, stored), weights, scale)


def _parted(table: OpTable) -> OpTable:
    """The table where a product that shares a table of embeddings reads one of its own, for it alone is quantised."""
    shared = {
        table.values[use.value].storage
        for row in table.rows
        if row.op_class == "embedding"
        for use in row.reads
        if table.storage_of(use).is_weight
    }
    rows, values, storages = list(table.rows), list(table.values), list(table.storages)
    own: dict[int, int] = {}  # storage -> that of the copy
    for index, row in enumerate(rows):
        reads = list(row.reads)
        for place, use in enumerate(reads):
            at = table.values[use.value].storage
            if row.op_class in _CONTRACTIONS and at in shared:
                if at not in own:
                    own[at] = len(storages)
                    storages.append(storages[at]._replace(kind="buffer"))
                reads[place] = use._replace(value=len(values))
                values.append(values[use.value]._replace(storage=own[at]))
        rows[index] = row._replace(reads=tuple(reads))
    return replace(table, rows=tuple(rows), values=tuple(values), storages=tuple(storages)) if own else table


def _weights_of(table: OpTable, row: Row, ready: Collection[int], workload: Workload) -> tuple[_Weight, ...]:
    """The operands of a contraction that are known before the call, and not quantised yet."""
    if row.op_class not in _CONTRACTIONS or row.phase != "forward":
        return ()
    if workload.weights == MXFP4 and row.name != _EXPERTS:
        return ()
    found = []
    for place, use in enumerate(operands_of(row)):
        producer = table.values[use.value].producer
        known = producer in ready if producer >= 0 else table.storage_of(use).is_weight
        if known and "float" in use.dtype:  # others are quantised already
            found.append(_Weight(use, _scales(row, place, use, workload)))
    return tuple(found)


def _scales(row: Row, place: int, use: Use, workload: Workload) -> Dim:
    """How many scales a weight has."""
    channels, inputs = _channels(row, place), use.shape[0 if place else -1]
    if row.name == _EXPERTS:
        channels, inputs = use.shape[0] * channels, use.shape[1]
    elif row.op_class != "linear":
        return channels
    group = WEIGHT_GROUPS.get(workload.weights)
    return channels if group is None else channels * ((inputs + group - 1) // group)


def _channels(row: Row, place: int) -> Dim:
    """Output channels of a contraction, of which its second operand has one each; a matrix on the left has rows."""
    if row.op_class not in ("linear", "matmul"):
        return row.out[1]
    return row.out[-1] if place or len(row.out) == 1 else row.out[-2]


def _stored(table: OpTable, workload: Workload, weights: Mapping[int, tuple[_Weight, ...]]) -> dict[int, str]:
    """Storage -> the type that it has instead of a float one."""
    matrices = {table.values[weight.use.value].storage for several in weights.values() for weight in several}
    if workload.weights in WEIGHT_DTYPES:
        return dict.fromkeys(matrices, WEIGHT_DTYPES[workload.weights])
    vectors = {
        table.values[use.value].storage
        for row in table.rows
        for use in row.reads
        if table.storage_of(use).is_weight and is_vector(use)
    }
    states = {
        table.values[use.value].storage
        for row in table.rows
        if row.name == _STATEFUL
        for use in row.reads
        if table.storage_of(use).kind == "cache"
    }
    floats = {index for index, storage in enumerate(table.storages) if "float" in storage.dtype}
    return dict.fromkeys(floats - (vectors - matrices) - states, "int8")


def _retyped(table: OpTable, stored: Mapping[int, str]) -> OpTable:
    def uses(old: tuple[Use, ...]) -> tuple[Use, ...]:
        return tuple([use._replace(dtype=stored.get(table.values[use.value].storage, use.dtype)) for use in old])

    rows = tuple([row._replace(reads=uses(row.reads), writes=uses(row.writes)) for row in table.rows])
    storages = enumerate(table.storages)
    return replace(
        table, rows=rows, storages=tuple([old._replace(dtype=stored.get(index, old.dtype)) for index, old in storages])
    )


def _with_scales(table: OpTable, weights: Mapping[int, tuple[_Weight, ...]], dtype: str) -> OpTable:
    """The table with a vector of scales beside each weight that a row reads, of a type, or that of the row."""
    rows, values, storages = list(table.rows), list(table.values), list(table.storages)
    known: dict[tuple[int, Dim], int] = {}  # value of a weight, and where in it -> value of its scales
    for index, several in weights.items():
        row = rows[index]
        for use, scales in several:
            own = dtype or row.dtype
            place = use.value, use.offset
            if place not in known:
                known[place] = len(values)
                values.append(Value(len(storages), -1))
                storages.append(Storage(scales, own, _SCALE))
            shape: tuple[Dim, ...] = (scales,)
            if row.name == _EXPERTS:  # an expert that stays where it is leaves its scales there
                shape = use.shape[0], scales // use.shape[0]
            stride = (*shape[1:], 1)
            row = row._replace(reads=(*row.reads, Use(known[place], shape, stride, 0, own)))
        rows[index] = row
    return replace(table, rows=tuple(rows), values=tuple(values), storages=tuple(storages))
