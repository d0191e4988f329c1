"""Zeros, sums with zeros, and activations computed twice, which the graph optimisers of engines remove.

A search space writes an absent edge as a product with 0. What computed the other factor is then needed by
nobody, and a sum that the zeros enter is its other operand. (Compilers keep both: infinity times 0 is not 0.)

Each edge of its cells begins with an activation of its own, so that a node that three edges read is activated three
times. Optimised graphs of ONNX Runtime, OpenVINO, LiteRT and pnnx (ncnn) have one: of the 92 of a NAS-Bench-201 network
of 3 x 3 convolutions at most 32 are left.
"""

from __future__ import annotations

from dataclasses import replace

from oracle.optable import OpTable, Row, Shape, Use

__all__ = ["is_zero_product", "without_redundant"]


def without_redundant(table: OpTable) -> OpTable:
    """The same rows, reading around products with 0, sums with them and repeats: those are dead unless still read.

    Only in inference, where no gradient flows through them, and within a cell: a cell keeps a sum that would
    leave nothing but its input. Zeros that are still read are made once per cell and form, from the earliest
    tensor of that form there.
    """
    if any(row.phase != "forward" for row in table.rows):
        return table
    scan = _Scan(table)
    rows = tuple(scan.row(row) for row in table.rows)
    outputs = frozenset(scan.instead.get(value, value) for value in table.outputs)
    return replace(table, rows=rows, outputs=outputs)


class _Scan:
    """Goes through the rows in order.

    Attributes:
        instead: value -> the value to read in its place.
    """

    def __init__(self, table: OpTable) -> None:
        self.instead: dict[int, int] = {}
        self._table = table
        # By cell and form: what was read first, and the first zeros.
        self._earliest: dict[tuple[object, ...], Use] = {}
        self._zeros: dict[tuple[object, ...], int] = {}
        self._activated: dict[tuple[object, ...], int] = {}

    def row(self, before: Row) -> Row:
        """The row with its reads redirected; notes what to read in place of its own result."""
        reads = [use._replace(value=self.instead.get(use.value, use.value)) for use in before.reads]
        for use in reads:
            self._earliest.setdefault(_key(before, use), use)
        if is_zero_product(before):
            reads = [self._earliest[_key(before, use)] for use in reads]
        row = before if reads == list(before.reads) else before._replace(reads=tuple(dict.fromkeys(reads)))
        if len(row.writes) == 1:
            result = row.writes[0].value
            self.instead[result] = self._equal(row, row.writes[0])
        return row

    def _equal(self, row: Row, result: Use) -> int:
        """The earliest value that equals the result of a row, maybe the result itself."""
        key = _key(row, result)
        if is_zero_product(row):
            return self._zeros.setdefault(key, result.value)
        if self._is_activation(row, result):
            return self._activated.setdefault((row.name, row.args[1:], row.reads[0], key), result.value)
        zeros = self._zeros.get(key)
        if not _is_sum(row) or all(use.value != zeros for use in row.reads):
            return result.value
        others = [use for use in row.reads if use.value != zeros]
        if not others:
            return self._zeros[key]
        (other,) = others
        kept = _key(row, other) != key or not self._is_made_in(row.cell, other)
        return result.value if kept else other.value

    def _is_activation(self, row: Row, result: Use) -> bool:
        """Of one tensor, which it leaves as it is."""
        if row.op_class != "activation" or len(row.reads) != 1 or row.kwargs:
            return False
        values = self._table.values
        return values[result.value].storage != values[row.reads[0].value].storage

    def _is_made_in(self, cell: int, use: Use) -> bool:
        producer = self._table.values[use.value].producer
        return producer >= 0 and self._table.rows[producer].cell == cell


def _key(row: Row, use: Use) -> tuple[object, ...]:
    """The cell of a row and the form of a tensor: two of one key can stand for each other."""
    return row.cell, use.shape, use.stride, use.offset, use.dtype


def is_zero_product(row: Row) -> bool:
    """Whether a row multiplies by the number 0."""
    factors = [factor for factor in row.args if isinstance(factor, (int, float))]
    return row.name == "aten.mul" and 0 in factors


def _is_sum(row: Row) -> bool:
    """Of two tensors of one shape, unscaled."""
    if row.name != "aten.add" or row.kwargs.get("alpha", 1) != 1 or len(row.args) != 2:
        return False
    first, second = row.args
    return isinstance(first, Shape) and isinstance(second, Shape) and first == second
