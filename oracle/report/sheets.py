"""A table that is wider than the page: drawn as several below one another, each beginning with the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from oracle.report.grid import GAP, Column, Grid

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_READABLE = 30  # columns of text below which words are worse to read than in a table of their own


@dataclass(frozen=True, slots=True)
class Sheet(Grid):
    """A grid whose numbers are never cut, however narrow the console is; in HTML it is one table.

    Attributes:
        keys: how many columns tell what a row is about; every part begins with them.
    """

    keys: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for index, columns in enumerate(parts(self.columns, self.keys, options.max_width)):
            if index:
                yield ""
            yield Grid(columns, "" if index else self.title, self.totals, self.row_styles)


def parts(columns: Sequence[Column], keys: int, width: int) -> list[tuple[Column, ...]]:
    """Columns in as many tables as it takes for each to fit, in their order.

    Args:
        columns: of the whole table.
        keys: how many of them, from the first on, begin every part.
        width: columns of text.
    """
    first = tuple(columns[:keys])
    found: list[list[Column]] = [[]]
    for column in columns[keys:]:
        if found[-1] and _needed((*first, *found[-1], column)) > width:
            found.append([])
        found[-1].append(column)
    return [(*first, *part) for part in found]


def _needed(columns: Sequence[Column]) -> int:
    return sum(map(_least, columns)) + GAP * (len(columns) - 1)


def _least(column: Column) -> int:
    """What a column needs: a number all of itself, a text so much that it takes two lines and splits no word."""
    if column.number:
        return column.width
    words = chain.from_iterable(text.split() for text in (column.title, *column.cells))
    return min(column.width, max(_READABLE, -(-column.width // 2), *map(len, words)))
