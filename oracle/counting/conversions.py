"""Quantisation that a network spells out: conversions to and from integers, folded into the operators beside them.

Quantised files write one operator in two ways: as one that takes integers (QLinearConv), or as a float operator between
conversions (DequantizeLinear, Conv, QuantizeLinear). Engines run both as the same kernel: it reads integers, computes,
and writes integers. Here conversions give way to the tensors behind them; the rows stay, in their order, and nobody
needs their results. A conversion computes nothing that counts, as a cast.

* Who reads a dequantised tensor reads the integers, and of a weight the scales. Biases in int32 have the scale of their
  product, so that none is stored.
* Who makes a tensor that is quantised writes the integers, and the floats only if somebody else reads them; so does who
  makes integers that the caller wants as floats.
* What has no maker stays a kernel: the quantisation of the network's input. So does one whose scale is found on the way
  (dynamic quantisation), for it needs the whole tensor first.
* Where a network is quantised in part, its borders are kernels, as in ONNX Runtime's optimised graph: what integers are
  dequantised into for a convolution or product with float weights, and what is quantised of what such a one has made.

Engines do this to all, the others to what one operator of a file stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oracle.opclasses import DEQUANTISE, QUANTISE
from oracle.optable import OpTable, Row, Use

__all__ = ["is_inside", "operands_of", "runs_integers", "without_conversions"]

_CONTRACTIONS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul"})
_BIASED = frozenset({"aten.addmm", "aten.addmv", "aten.baddbmm", "aten.addbmm"})
_NARROW = frozenset({"int8", "uint8", "int4", "uint4", "float8_e4m3fn", "float8_e5m2"})


def without_conversions(table: OpTable, runtime: str) -> OpTable:
    """The table, read around its conversions; the same rows, of which some are dead.

    Args:
        table: any; of a training it stays as it is.
        runtime: engine for all conversions, or another for those inside of operators.
    """
    names = DEQUANTISE | QUANTISE
    gone = [
        index
        for index, row in enumerate(table.rows)
        if row.name in names and row.writes and (runtime == "engine" or is_inside(row))
    ]
    if not gone or any(row.phase != "forward" for row in table.rows):
        return table
    borders = _borders(table)
    gone = [index for index in gone if index not in borders]
    if not gone:
        return table
    return _Folding(table).table(gone)


def is_inside(row: Row) -> bool:
    """Whether a row is part of what one operator of a file stands for, and no operator of its own."""
    return row.name.endswith("_inside")


def operands_of(row: Row) -> tuple[Use, ...]:
    """What a contraction multiplies, without its bias."""
    return row.reads[1:3] if row.name in _BIASED else row.reads[:2]


def runs_integers(table: OpTable) -> bool:
    """Whether any convolution or product multiplies integers."""
    return any(
        row.op_class in _CONTRACTIONS and sum(use.dtype in ("int8", "uint8") for use in row.reads) > 1
        for row in table.rows
    )


def _borders(table: OpTable) -> set[int]:
    """The conversions between what computes in integers and what computes in floats."""
    found: set[int] = set()
    floats: set[int] = set()  # rows that compute in floats, because they, or what they read, have float weights
    for index, row in enumerate(table.rows):
        if row.name in DEQUANTISE or is_inside(row):
            continue
        makers = {table.values[use.value].producer for use in row.reads}
        if row.name in QUANTISE:
            if makers & floats:
                found.add(index)
            continue
        if row.op_class in _CONTRACTIONS and any(
            table.storage_of(use).is_weight and "float" in use.dtype for use in operands_of(row)
        ):
            found |= {maker for maker in makers if maker >= 0 and table.rows[maker].name in DEQUANTISE}
            floats.add(index)
        elif makers & floats:
            floats.add(index)
    return found


class _Folding:
    """Reads around conversions, one after the other; who reads what is not wanted any more counts as nobody."""

    def __init__(self, table: OpTable) -> None:
        self._before = table
        self._rows = list(table.rows)
        self._values = list(table.values)
        self._outputs = set(table.outputs)
        self._gone: set[int] = set()
        self._readers: dict[int, list[int]] = {}
        for index, row in enumerate(table.rows):
            for use in row.reads:
                self._readers.setdefault(use.value, []).append(index)

    def table(self, gone: Sequence[int]) -> OpTable:
        """The table without some rows' conversions."""
        for index in gone:
            self._gone.add(index)
            (self._dequantise if self._rows[index].name in DEQUANTISE else self._quantise)(index)
        return replace(
            self._before, rows=tuple(self._rows), values=tuple(self._values), outputs=frozenset(self._outputs)
        )

    def _dequantise(self, index: int) -> None:
        integers, *scales = self._rows[index].reads
        result = self._rows[index].writes[0]
        weight = self._before.storage_of(integers).is_weight and integers.dtype in _NARROW
        self._redirect(result, integers, scales if weight else [])
        if result.value in self._outputs:
            self._made_by(index, integers, result)

    def _quantise(self, index: int) -> None:
        floats, result = self._rows[index].reads[0], self._rows[index].writes[0]
        if floats.dtype not in _NARROW:
            self._made_by(index, floats, result)
        elif self._values[floats.value].producer >= 0:  # to another scale, where it is made
            self._redirect(result, floats, [])
            if result.value in self._outputs:
                self._outputs = self._outputs - {result.value} | {floats.value}

    def _made_by(self, index: int, source: Use, result: Use) -> None:
        """Let who makes the source of a conversion make its result as well."""
        producer = self._values[source.value].producer
        if producer >= 0:
            maker, others = self._rows[producer], set(self._readers.get(source.value, ())) - self._gone
            needed = bool(others) or source.value in self._outputs
            kept = tuple([use for use in maker.writes if needed or use.value != source.value])
            self._values[result.value] = self._values[result.value]._replace(producer=producer)
            self._rows[producer] = maker._replace(writes=(*kept, result))
            self._rows[index] = self._rows[index]._replace(writes=())

    def _redirect(self, result: Use, source: Use, more: Sequence[Use]) -> None:
        """Let all who read the result of a conversion read its source, as they saw it, and more after all else."""
        readers = self._readers.pop(result.value, [])
        for number in readers:
            reads = [
                use._replace(value=source.value, dtype=source.dtype) if use.value == result.value else use
                for use in self._rows[number].reads
            ]
            self._rows[number] = self._rows[number]._replace(reads=tuple(dict.fromkeys([*reads, *more])))
        for use in (source, *more):
            self._readers.setdefault(use.value, []).extend(readers)
