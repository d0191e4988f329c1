"""Zeros and sums with zeros, which the graph optimisers of engines remove.

A search space writes an absent edge as a product with 0. What computed the other factor is then needed by nobody,
and a sum that the zeros enter is its other operand. (Compilers keep both, since 0 times infinity is no zero.)
"""

from __future__ import annotations

from dataclasses import replace

from oracle.optable import OpTable, Row, Shape, Use

__all__ = ["without_zeros"]


def without_zeros(table: OpTable) -> OpTable:
    """The same rows, reading around products with 0 and sums with them; so those are dead unless still read.

    Only in inference, where no gradient flows through them, and within a cell: a cell keeps a sum that would leave
    nothing but its input. Zeros that are still read are made once per cell and form, from the earliest tensor there.
    """
    if any(row.phase != "forward" for row in table.rows):
        return table
    instead: dict[int, int] = {}  # value -> the value that is read in its place
    earliest: dict[tuple[object, ...], Use] = {}  # cell and form -> what was read first
    zeros: dict[tuple[object, ...], int] = {}  # cell and form -> the first zeros
    rows = []
    for before in table.rows:
        row = _redirected(before, instead)
        for use in row.reads:
            earliest.setdefault((row.cell, *_form(use)), use)
        if _is_zero_product(row):
            row = row._replace(reads=tuple(earliest[row.cell, *_form(use)] for use in row.reads))
        rows.append(row)
        if len(row.writes) != 1:
            continue
        (result,) = row.writes
        form = (row.cell, *_form(result))
        if _is_zero_product(row):
            first = zeros.setdefault(form, result.value)
            if first != result.value:
                instead[result.value] = first
        elif form in zeros and _is_sum(row) and any(use.value == zeros[form] for use in row.reads):
            others = [use for use in row.reads if use.value != zeros[form]]
            if not others:
                instead[result.value] = zeros[form]
            elif _form(others[0]) == _form(result) and _made_in(table, others[0], row.cell):
                instead[result.value] = others[0].value
    if not instead:
        return replace(table, rows=tuple(rows))
    outputs = frozenset(instead.get(value, value) for value in table.outputs)
    return replace(table, rows=tuple(rows), outputs=outputs)


def _redirected(row: Row, instead: dict[int, int]) -> Row:
    if not any(use.value in instead for use in row.reads):
        return row
    reads = (use._replace(value=instead.get(use.value, use.value)) for use in row.reads)
    return row._replace(reads=tuple(dict.fromkeys(reads)))


def _form(use: Use) -> tuple[object, ...]:
    return use.shape, use.stride, use.offset, use.dtype


def _is_zero_product(row: Row) -> bool:
    return row.name == "aten.mul" and any(isinstance(factor, (int, float)) and factor == 0 for factor in row.args)


def _is_sum(row: Row) -> bool:
    """Of two tensors of one shape, unscaled."""
    shapes = [term for term in row.args if isinstance(term, Shape)]
    unscaled = row.kwargs.get("alpha", 1) == 1
    return row.name == "aten.add" and unscaled and len(shapes) == len(row.args) == 2 and shapes[0] == shapes[1]


def _made_in(table: OpTable, use: Use, cell: int) -> bool:
    producer = table.values[use.value].producer
    return producer >= 0 and table.rows[producer].cell == cell
