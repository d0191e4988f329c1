from __future__ import annotations

import io

import pytest
from rich.console import Console

from oracle.report.console import text_of
from oracle.report.grid import WIDTH, Column, Grid

GRID = Grid(
    (
        Column("Name", ["a", "a long name", "total"]),
        Column("Size", ["1.5 ", "2.25", "3.75"], "MB", number=True, styles=["red", "", ""]),
    ),
    "A title",
    totals=1,
)

PLAIN = """\
A title
Name         Size
               MB
-----------------
a            1.5
a long name  2.25
-----------------
total        3.75
"""


def drawn(encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        width=WIDTH,
        legacy_windows=False,
        _environ={},
    ).print(GRID)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_plain() -> None:
    assert text_of([GRID]) == PLAIN


def test_a_terminal_has_colours_and_a_drawn_rule() -> None:
    text = drawn("utf-8")
    assert "\x1b[31m" in text
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 17 in text


def test_a_terminal_without_unicode_has_colours_and_an_ascii_rule() -> None:
    text = drawn("ascii")
    assert "\x1b[31m" in text
    assert "-" * 17 in text


def test_text_folds_and_numbers_do_not() -> None:
    grid = Grid((Column("Text", ["x" * 150]), Column("Number", ["1234567.875"], number=True)))
    lines = text_of([grid]).splitlines()
    assert max(map(len, lines)) == WIDTH
    assert "".join(line.split()[0] for line in lines[2:]).count("x") == 150
    assert sum("1234567.875" in line for line in lines) == 1


def test_a_grid_without_rows() -> None:
    assert text_of([Grid((Column("A", []), Column("B", [], "MB", number=True)))]).splitlines()[0].split() == [
        "A",
        "B",
    ]


@pytest.mark.parametrize("hostile", ["[red]x[/red]", "\x1b[31mx", "two\nlines", ":smile:"])
def test_cells_are_text(hostile: str) -> None:
    text = text_of([Grid((Column("A", [hostile]),), title=hostile)])
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4
    if hostile.isprintable():
        assert text.splitlines()[-1] == hostile
