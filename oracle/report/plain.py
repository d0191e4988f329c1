"""Tables and texts as plain lines, the very ones that rich draws without colours, in a fraction of its time.

Rich lays out what this package does not: columns that have to be folded, words longer than a line, and characters that
are not one column wide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from oracle.report.grid import GAP, Column, Grid
from oracle.report.sheets import Sheet, parts
from oracle.report.texts import Text

_WORD = re.compile(r"\s*\S+\s*")


def plain_lines(part: Any, width: int) -> list[str] | None:
    """The lines of a table or text, without blanks at their ends; None where rich has to draw it.

    Args:
        part: a `Grid`, a `Sheet` or a `Text`.
        width: columns of text that a line has.
    """
    if isinstance(part, Text):
        return _wrapped(part.plain, width)
    if isinstance(part, Sheet):
        pieces = parts(part.columns, part.keys, width)
        grids = [Grid(columns, "" if index else part.title, part.totals) for index, columns in enumerate(pieces)]
        found: list[str] = []
        for index, grid in enumerate(grids):
            lines = _grid(grid, width)
            if lines is None:
                return None
            found += [*([""] if index else ()), *lines]
        return found
    return _grid(part, width) if isinstance(part, Grid) else None


def _grid(grid: Grid, width: int) -> list[str] | None:
    columns = [_texts(column) for column in grid.columns]
    widths = [max(map(len, texts)) for texts in columns]
    total = sum(widths) + GAP * (len(widths) - 1)
    title = _wrapped(grid.shown_title, width) if grid.title else []
    if title is None or total > width or not all(map(_is_simple, columns)) or any(map(_has_edges, grid.columns)):
        return None
    titles, units, *rows = (_line(row, widths) for row in zip(*columns, strict=True))
    head = [titles, units] if any(column.unit for column in grid.columns) else [titles]
    rule = "-" * total
    if grid.totals and len(rows) > grid.totals:
        rows.insert(len(rows) - grid.totals, rule)
    return [*title, *head, rule, *rows]


def _texts(column: Column) -> list[str]:
    """Title, unit and cells as they are shown."""
    head = [column.title, column.unit]
    return [*([word.rjust(column.width) for word in head] if column.number else head), *column.shown]


def _is_simple(texts: Sequence[str]) -> bool:
    """Whether every character takes one column, and every text one line."""
    return all(text.isascii() and text.isprintable() for text in texts)


def _has_edges(column: Column) -> bool:
    """Whether a header begins or ends with blanks, for which rich has rules of its own."""
    return any(word != word.strip() for word in (column.title, column.unit))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (" " * GAP).join([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]).rstrip()


def _wrapped(text: str, width: int) -> list[str] | None:
    """A text with each line broken between words where it is too long."""
    found: list[str] = []
    for line in text.split("\n"):
        if not (line.isascii() and (line.isprintable() or not line)):
            return None
        if len(line) <= width:
            found.append(line.rstrip())
            continue
        start = used = 0
        for word in _WORD.finditer(line):
            needed = len(word[0].rstrip())
            if needed > width:
                return None
            if used and needed > width - used:
                found.append(line[start : word.start()].rstrip())
                start, used = word.start(), 0
            used += len(word[0])
        found.append(line[start:].rstrip())
    return found
