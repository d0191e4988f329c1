"""Columns of integers, one entry per cell; what they have in common is found out once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Rows

__all__ = ["CONSTANT", "Columns", "Distinct"]

Ints = NDArray[np.int64]

CONSTANT = -1
"""The twin of a column whose entries are all equal."""

_SPAN_PER_ROW = 16  # a lookup table of that many entries per row is still cheaper than costing the rows


class Distinct(NamedTuple):
    """`first`: position of one row of each distinct kind; `inverse`: for each row the number of its kind."""

    first: Ints
    inverse: Ints

    def members(self, kinds: Ints) -> tuple[Ints, Ints]:
        """All rows whose kind is among some, ascending, and for each the place of its kind among them."""
        place = np.full(len(self.first), -1, dtype=np.int64)
        place[kinds] = np.arange(len(kinds))
        take = place[self.inverse]
        rows = np.flatnonzero(take >= 0)
        return rows, take[rows]


class Columns:
    """Named columns of equal length.

    Args:
        names: of the columns.
        values: for each an array, not to be changed any more, or the number that all rows have.
        count: how many rows, at least one.
    """

    def __init__(self, names: Sequence[str], values: Sequence[Any], count: int) -> None:
        self.names = tuple(names)
        self.values: tuple[Any, ...] = tuple(values)
        self._count = count
        self._distinct: dict[frozenset[int], Distinct | None] = {}

    def __len__(self) -> int:
        return self._count

    def rows(self, index: Ints) -> Columns:
        """The same columns at some rows, ascending."""
        if len(index) == self._count:
            return self
        taken = Rows(index)
        return Columns(self.names, [taken.of(value) for value in self.values], len(index))

    def row(self, number: int) -> dict[str, int]:
        """One row by name."""
        values = (value[number] if isinstance(value, np.ndarray) else value for value in self.values)
        return dict(zip(self.names, map(int, values), strict=True))

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The smallest and the largest entry of each column."""
        found: dict[int, tuple[int, int]] = {}
        for value in self.values:
            if id(value) not in found:
                ends = (value.min(), value.max()) if isinstance(value, np.ndarray) else (value, value)
                found[id(value)] = int(ends[0]), int(ends[1])
        return tuple(found[id(value)] for value in self.values)

    @cached_property
    def twins(self) -> tuple[int, ...]:
        """For each column the position of the first that has the same entries, often its own, or `CONSTANT`."""
        found: list[int] = []
        for number, (value, span) in enumerate(zip(self.values, self.spans, strict=True)):
            others = (other for other in range(number) if found[other] == other and self.spans[other] == span)
            twin = next((other for other in others if _equal(value, self.values[other])), number)
            found.append(CONSTANT if span[0] == span[1] else twin)
        return tuple(found)

    def distinct(self, which: frozenset[int] | None = None) -> Distinct | None:
        """Distinct rows of some columns (all if None), by a lookup table.

        None where more than half of all rows differ, or where values spread too far for a table: sorting instead
        would cost more than evaluating a closed form for every row.
        """
        requested = frozenset(self.twins if which is None else (self.twins[number] for number in which)) - {CONSTANT}
        if requested not in self._distinct:
            self._distinct[requested] = self._found(sorted(requested))
        return self._distinct[requested]

    def _found(self, which: Sequence[int]) -> Distinct | None:
        count, span = len(self), 1
        least = prod(((high - low) >> 3) + 1 for low, high in (self.spans[number] for number in which))
        if least > _SPAN_PER_ROW * count:
            return None
        key: Ints = np.zeros(count, dtype=np.int64)
        for number in which:
            low, high = self.spans[number]
            offset = self.values[number] - low
            if not np.bitwise_or.reduce(offset) & 7:  # widths mostly are multiples of 8
                offset, high = offset >> 3, low + ((high - low) >> 3)
            span *= high - low + 1
            if span > _SPAN_PER_ROW * count:
                return None
            key = key * (high - low + 1) + offset if span > high - low + 1 else offset
        table = np.full(span, -1, dtype=np.int64)
        table[key] = np.arange(count)  # the last row of each kind stays
        occupied = np.flatnonzero(table >= 0)
        if 2 * len(occupied) > count > 1:
            return None
        first = table[occupied]
        table[occupied] = np.arange(len(occupied))
        return Distinct(first, table[key])


def _equal(a: Ints, b: Ints) -> bool:
    return a is b or np.array_equal(a, b)
