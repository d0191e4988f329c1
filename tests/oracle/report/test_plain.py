"""Plain lines are those that rich draws without colours, to the last blank."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from oracle.report.grid import WIDTH, Column, Grid
from oracle.report.plain import plain_lines
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

WORDS = st.text(st.sampled_from("ab -:[]/.,"), max_size=12)
PROSE = st.lists(st.text(st.sampled_from("abc.  "), max_size=60), max_size=8).map(" ".join)


@st.composite
def columns(draw: st.DrawFn) -> tuple[tuple[Column, ...], int]:
    count = draw(st.integers(0, 4))
    found = []
    for _ in range(draw(st.integers(1, 7))):
        cells = draw(st.lists(WORDS, min_size=count, max_size=count))
        number = draw(st.booleans())
        if number:
            cells = [cell.strip() or "0" for cell in cells]
        title, unit = draw(WORDS.filter(str.strip)), draw(st.sampled_from(["", "", "ms", "GFLOP/s"]))
        found.append(Column(title, cells, unit, number))
    return tuple(found), draw(st.integers(0, 2))


def by_rich(part: Any, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, force_terminal=False, highlight=False, _environ={}).print(part)
    return [line.rstrip() for line in text.getvalue().splitlines()]


@given(columns(), PROSE)
def test_a_grid(found: tuple[tuple[Column, ...], int], title: str) -> None:
    grid = Grid(found[0], title, found[1])
    lines = plain_lines(grid, WIDTH)
    assert lines is None or lines == by_rich(grid, WIDTH)


@given(columns(), st.integers(1, 2))
def test_a_sheet(found: tuple[tuple[Column, ...], int], keys: int) -> None:
    sheet = Sheet(found[0], "a title", found[1], keys=keys)
    for width in (40, WIDTH):
        lines = plain_lines(sheet, width)
        assert lines is None or lines == by_rich(sheet, width)


@given(PROSE, st.lists(PROSE, max_size=3), st.sampled_from([20, 64, WIDTH]))
def test_a_text(first: str, rest: list[str], width: int) -> None:
    text = Text("\n".join([first, *rest]), "dim")
    lines = plain_lines(text, width)
    assert lines is None or lines == by_rich(text, width)


def test_what_fits_is_drawn_without_rich() -> None:
    grid = Grid((Column("Name", ["a"]), Column("Size", ["1.5"], "MB", number=True)), "A title")
    assert plain_lines(grid, WIDTH) is not None
    assert plain_lines(Text(f"{'many words ' * 30}\nand a line"), WIDTH) is not None


@pytest.mark.parametrize(
    "part",
    [
        Grid((Column("Name", ["word " * 30]),)),
        Grid((Column("Name", ["\N{CJK UNIFIED IDEOGRAPH-8BA1}"]),)),
        Text("x" * 101),
        Text("\N{CJK UNIFIED IDEOGRAPH-8BA1}"),
        "a string, which is markup to rich",
    ],
)
def test_what_takes_folding_or_knowledge_of_letters_is_left_to_rich(part: Any) -> None:
    assert plain_lines(part, WIDTH) is None
