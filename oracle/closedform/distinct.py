"""Distinct rows of integer columns, where finding them costs less than it saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distinct", "distinct", "members"]

Ints = NDArray[np.int64]

_SPAN_PER_ROW = 16  # a lookup table of that many entries per row is still cheaper than costing the rows


class Distinct(NamedTuple):
    """`first`: position of one row of each distinct kind; `inverse`: for each row the number of its kind."""

    first: Ints
    inverse: Ints


def distinct(columns: Sequence[Ints]) -> Distinct | None:
    """Find distinct rows by a lookup table; None where their values spread too far for one, or all rows differ.

    Sorting instead would cost more than evaluating a closed form for every row.
    """
    count = len(columns[0])
    key: Ints = np.zeros(count, dtype=np.int64)
    span = 1
    seen: list[Ints] = []
    for column in columns:
        if any(column is other for other in seen):
            continue
        seen.append(column)
        low, high = int(column.min()), int(column.max())
        if low == high or any(np.array_equal(column, other) for other in seen[:-1]):
            continue
        offset = column - low
        if not (offset & 7).any():  # widths mostly are multiples of 8
            offset, high = offset >> 3, low + ((high - low) >> 3)
        span *= high - low + 1
        if span > _SPAN_PER_ROW * count:
            return None
        key = key * (high - low + 1) + offset
    table = np.full(span, -1, dtype=np.int64)
    table[key] = np.arange(count)  # the last row of each kind stays
    occupied = np.flatnonzero(table >= 0)
    if 2 * len(occupied) > count > 1:
        return None
    first = table[occupied]
    table[occupied] = np.arange(len(occupied))
    return Distinct(first, table[key])


def members(found: Distinct | None, rows: Ints, count: int) -> tuple[Ints | None, Ints | None]:
    """All rows whose kind is among `rows` of `count`, and for each its place in `rows`; None means all, in order."""
    if found is None:
        return (None, None) if len(rows) == count else (rows, None)
    if len(rows) == count:
        return None, found.inverse
    place = np.full(count, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    take = place[found.inverse]
    index = np.flatnonzero(take >= 0)
    return index, take[index]
