"""A table as data, which draws itself: in colour with a rule on a terminal, as plain ASCII anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle._units import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

WIDTH = 100
"""Columns of text that every table fits in; what does not fit is folded, never cut."""

GAP = 2
"""Blanks between two columns."""

# top, head, rule below it, middle, rule between sections, and three that a table without footer does not use
_RULES = "    \n    \n {0}{0} \n    \n {0}{0} \n    \n    \n    \n"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a grid.

    Attributes:
        title, unit: its header, the unit on a line of its own.
        cells: text, one per row.
        number: never folded; the header goes to the right, the cells are aligned among themselves.
        styles: how rich shows each cell on a terminal; empty for plain.
    """

    title: str
    cells: Sequence[str]
    unit: str = ""
    number: bool = False
    styles: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Columns of text that header and cells need."""
        return max(map(len, (self.title, self.unit, *self.cells)))

    @property
    def shown(self) -> list[str]:
        """The cells; numbers are padded on the left, so that they stay aligned below a wider header."""
        width = self.width
        return [cell.rjust(width) if self.number else one_line(cell) for cell in self.cells]

    def texts(self) -> list[Text]:
        """The cells with their styles."""
        from rich.text import Text

        shown = self.shown
        return [Text(cell, style) for cell, style in zip(shown, self.styles or [""] * len(shown), strict=True)]


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns of equal length.

    Attributes:
        columns: left to right.
        title: one line above.
        totals: how many rows at the end are sums, set off by a rule.
        row_styles: style of each row on a terminal; empty for plain.
    """

    columns: tuple[Column, ...]
    title: str = ""
    totals: int = 0
    row_styles: Sequence[str] = ()

    @property
    def shown_title(self) -> str:
        """The title as it is shown."""
        return one_line(self.title)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.box import Box
        from rich.table import Table
        from rich.text import Text

        if self.title:
            yield Text(self.shown_title, style="bold")
        drawn = console.is_terminal and not options.ascii_only
        table = Table(
            box=Box(_RULES.format("\N{BOX DRAWINGS LIGHT HORIZONTAL}" if drawn else "-"), ascii=not drawn),
            pad_edge=False,
            show_edge=False,
            padding=(0, 1),
            collapse_padding=True,
            header_style="bold",
            safe_box=False,
        )
        for column in self.columns:
            table.add_column(
                self._header(column),
                no_wrap=column.number,
                overflow="fold",
                min_width=column.width if column.number else None,
            )
        rows = list(zip(*(column.texts() for column in self.columns), strict=True))
        styles = self.row_styles or [""] * len(rows)
        for index, (cells, style) in enumerate(zip(rows, styles, strict=True)):
            if self.totals and index == len(rows) - self.totals:
                table.add_section()
            table.add_row(*cells, style=style)
        yield table

    def _header(self, column: Column) -> Text:
        from rich.text import Text

        header = Text(column.title, justify="right" if column.number else "left")
        if any(other.unit for other in self.columns):
            header.append(f"\n{column.unit}", style="dim not bold")
        return header
