"""Results as HTML for notebooks: the tables of the command line, with markup instead of blanks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from oracle.errors import OracleError
from oracle.report.grid import Column, Grid
from oracle.report.table.comparisons import comparison_tables
from oracle.report.table.costs import cost_tables
from oracle.report.table.curves import curve_tables
from oracle.report.table.devices import device_tables
from oracle.report.table.fits import fit_tables
from oracle.report.table.knobs import knob_tables
from oracle.report.table.ranking import ranking_tables
from oracle.report.table.scores import score_tables
from oracle.report.table.servings import serving_tables
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

_TABLES: dict[str, Callable[[Any], Sequence[RenderableType]]] = {
    "BatchCurve": lambda found: curve_tables([found]),
    "Comparison": comparison_tables,
    "Cost": lambda found: cost_tables([found]),
    "Device": device_tables,
    "Fit": lambda found: fit_tables([found]),
    "Ranking": ranking_tables,
    "Scores": score_tables,
    "Sensitivity": knob_tables,
    "Serving": lambda found: serving_tables([found]),
}
_PADDED = "padding:2px 12px 2px 0"
_NUMBER = f"{_PADDED};text-align:right;white-space:pre;font:1em monospace"
_TEXT = f"{_PADDED};text-align:left"
_CAPTION = "text-align:left;font-weight:bold;white-space:nowrap"
_RULE = ' style="border-top:1px solid currentColor"'


def html_of(result: Any) -> str:
    """HTML that needs no style or script of its own, and takes the colours of whatever shows it.

    Raises:
        OracleError: a result that has no tables.
    """
    tables = _TABLES.get(type(result).__name__)
    if tables is None:
        raise OracleError(f"result of type {type(result).__name__}: expected one of {', '.join(_TABLES)}")
    return tables_html(tables(result))


def tables_html(parts: Sequence[RenderableType]) -> str:
    """Grids and texts as HTML; see `html_of`."""
    return f"<div>{''.join(map(_html, parts))}</div>"


def _html(part: RenderableType) -> str:
    if isinstance(part, Grid):
        return _table(part)
    text = part.plain if isinstance(part, Text) else str(part)
    lines = "<br>".join(escape(line) for line in text.splitlines())
    return f'<p style="opacity:0.75">{lines}</p>' if "dim" in str(getattr(part, "style", "")) else f"<p>{lines}</p>"


def _table(grid: Grid) -> str:
    caption = f'<caption style="{_CAPTION}">{escape(grid.title)}</caption>' if grid.title else ""
    units = any(column.unit for column in grid.columns)
    head = "".join(_head(column, units) for column in grid.columns)
    cells = list(zip(*(_cells(column) for column in grid.columns), strict=True))
    sums = len(cells) - grid.totals if grid.totals else -1
    rows = [f"<tr{_RULE if index == sums else ''}>{''.join(row)}</tr>" for index, row in enumerate(cells)]
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _head(column: Column, units: bool) -> str:
    unit = f'<br><span style="font-weight:normal">{escape(column.unit) or "&nbsp;"}</span>' if units else ""
    side = "right" if column.number else "left"
    return f'<th style="{_PADDED};text-align:{side}">{escape(column.title)}{unit}</th>'


def _cells(column: Column) -> list[str]:
    style = _NUMBER if column.number else _TEXT
    return [f'<td style="{style}">{escape(cell)}</td>' for cell in column.cells]
