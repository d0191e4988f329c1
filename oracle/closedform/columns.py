"""Columns of integers, one entry per cell; what they have in common is found out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Rows

Ints = NDArray[np.int64]
_T = TypeVar("_T")

CONSTANT = -1
"""The twin of a column whose entries are all equal."""

_SPAN_PER_ROW = 16  # a lookup table of that many entries per row is still cheaper than costing the rows


class Distinct(NamedTuple):
    """`first`: position of one row of each distinct kind; `inverse`: for each row the number of its kind."""

    first: Ints
    inverse: Ints

    def members(self, kinds: Ints) -> tuple[Ints, Ints]:
        """All rows whose kind is among some, ascending, and for each the place of its kind among them (ascending)."""
        if len(kinds) == len(self.first):
            return np.arange(len(self.inverse)), self.inverse
        place = np.full(len(self.first), -1, dtype=np.int64)
        place[kinds] = np.arange(len(kinds))
        take = place[self.inverse]
        rows = np.flatnonzero(take >= 0)
        return rows, take[rows]


class Known:
    """What was found out about arrays that nobody changes: a chain hands the same ones from cell to cell."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def of(self, arrays: tuple[Any, ...], finding: Callable[[], _T], word: str) -> _T:
        """What a finding, known by a word, says of some arrays."""
        key = (word, *map(id, arrays))
        if key not in self._found:  # the arrays are kept as well: their addresses must not be given to others
            self._found[key] = finding(), arrays
        found: _T = self._found[key][0]
        return found


class Columns:
    """Named columns of equal length.

    Args:
        names: of the columns.
        values: for each an array, not to be changed any more, or the number that all rows have.
        count: how many rows, at least one.
        known: what is known about arrays that may be among the values.
        within: columns of which these are some rows, and which.
    """

    def __init__(
        self,
        names: Sequence[str],
        values: Sequence[Any],
        count: int,
        known: Known | None = None,
        within: tuple[Columns, Ints] | None = None,
    ) -> None:
        self.names = tuple(names)
        self.values: tuple[Any, ...] = tuple(values)
        self._count = count
        self._known = Known() if known is None else known
        self._within = within

    def __len__(self) -> int:
        return self._count

    def rows(self, index: Ints) -> Columns:
        """The same columns at some rows, ascending."""
        if len(index) == self._count:
            return self
        taken = Rows(index)
        values = [taken.of(value) for value in self.values]
        return Columns(self.names, values, len(index), within=(self, index) if 2 * len(index) > self._count else None)

    def row(self, number: int) -> dict[str, int]:
        """One row by name."""
        values = (value[number] if isinstance(value, np.ndarray) else value for value in self.values)
        return dict(zip(self.names, map(int, values), strict=True))

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The smallest and the largest entry of each column."""

        def span(value: Any) -> tuple[int, int]:
            if not isinstance(value, np.ndarray):
                return int(value), int(value)
            return self._known.of((value,), lambda: (int(value.min()), int(value.max())), "span")

        return tuple(map(span, self.values))

    def place(self, value: Any) -> int | None:
        """The first column that is an array with the same entries."""
        if not isinstance(value, np.ndarray):
            return None
        return next(
            (at for at, own in enumerate(self.values) if isinstance(own, np.ndarray) and _equal(value, own)), None
        )

    @cached_property
    def twins(self) -> tuple[int, ...]:
        """For each column the position of the first that has the same entries, often its own, or `CONSTANT`."""
        found: list[int] = []
        for number, (value, span) in enumerate(zip(self.values, self.spans, strict=True)):
            if span[0] == span[1]:
                found.append(CONSTANT)
                continue
            others = (other for other in range(number) if found[other] == other and self.spans[other] == span)
            found.append(next((other for other in others if _equal(value, self.values[other])), number))
        return tuple(found)

    def distinct(self, which: frozenset[int] | None = None) -> Distinct | None:
        """Distinct rows of some columns (all if None), by a lookup table.

        None where more than half of all rows differ, or where values spread too far for a table: sorting instead
        would cost more than evaluating a closed form for every row.
        """
        requested = frozenset(self.twins if which is None else (self.twins[number] for number in which)) - {CONSTANT}
        if not requested:
            return Distinct(np.zeros(1, dtype=np.int64), np.zeros(len(self), dtype=np.int64))
        numbers = sorted(requested)
        arrays = tuple(self.values[number] for number in numbers)
        return self._known.of(arrays, lambda: self._found(numbers), "distinct")

    def _found(self, which: Sequence[int]) -> Distinct | None:
        if self._within:
            others, index = self._within
            above = others.distinct(frozenset(which))
            if above is not None:
                return _numbered(above.inverse.take(index), len(above.first))
        if len(which) == 1:
            return self._found_in(which[0])
        key: Any = 0
        size = 1
        for number in which:
            alone = self.distinct(frozenset([number]))
            if alone is None or size * len(alone.first) > _SPAN_PER_ROW * len(self):
                return None
            key, size = key * len(alone.first) + alone.inverse, size * len(alone.first)
        return _numbered(key, size)

    def _found_in(self, number: int) -> Distinct | None:
        low, high = self.spans[number]
        if (high - low) >> 3 > _SPAN_PER_ROW * len(self):
            return None
        offsets, span = self.values[number] - low, high - low
        if not np.bitwise_or.reduce(offsets) & 7:  # widths mostly are multiples of 8
            offsets, span = offsets >> 3, span >> 3
        return _numbered(offsets, span + 1) if span < _SPAN_PER_ROW * len(self) else None


def _numbered(key: Ints, size: int) -> Distinct | None:
    """The distinct ones among keys below `size`; None where they are more than half of all."""
    table = np.empty(size, dtype=np.int64)  # no entry is read that was not written
    rows = np.arange(len(key))
    table[key] = rows  # the last row of each kind stays
    first = np.flatnonzero(table.take(key) == rows)
    if 2 * len(first) > len(key) > 1:
        return None
    first = first[np.argsort(key.take(first))]  # an order that other rows of the same kinds have, too
    table[key.take(first)] = rows[: len(first)]
    return Distinct(first, table.take(key))


def _equal(a: Ints, b: Ints) -> bool:
    return a is b or np.array_equal(a, b)
