from __future__ import annotations

import pytest

from oracle.query import rank
from oracle.report.grid import Column
from oracle.report.notebook import tables_html
from oracle.report.sheets import Sheet, parts
from oracle.report.table.costs import cost_tables
from oracle.report.table.ranking import ranking_tables
from tests.oracle.report.drawing import WIDTHS, drawn

KNOBS = ("DEPTH", "W0", "WA", "WM", "GROUP_W", "STEM_W", "BOT_MUL", "SE_R")


def _numbers(count: int) -> tuple[Column, ...]:
    trial = Column("Trial", ["7", "11"], number=True)
    return (trial, *(Column(f"Score {i}", [f"{7_472_008 + i:,}", "-"], "GB", number=True) for i in range(count)))


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_and_headers_are_whole_and_in_one_part(width: int) -> None:
    columns = _numbers(14)
    lines = drawn([Sheet(columns, "Title")], width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for column in columns[1:]:
        assert text.count(column.cells[0]) == 1
        assert len([line for line in lines if f" {column.title} " in f"{line} "]) == 1
    heads = [line for line in lines if "Score" in line]
    assert len(heads) > 1
    assert all(line.startswith("Trial") for line in heads)
    assert text.count("Title") == 1


def test_what_fits_is_one_table() -> None:
    columns = _numbers(3)
    assert parts(columns, 1, 80) == [columns]
    assert parts(columns, 1, sum(column.width for column in columns) + 2 * 3) == [columns]
    assert len(parts(columns, 1, sum(column.width for column in columns) + 2 * 3 - 1)) == 2


def test_a_text_takes_a_few_lines_or_a_part_of_its_own() -> None:
    knobs = Column("Network", [", ".join(f"{name} 123" for name in KNOBS)] * 2)
    assert len(parts((*_numbers(2), knobs), 1, 80)) == 1
    first, second = parts((*_numbers(5), knobs), 1, 80)
    assert knobs not in first
    assert [column.title for column in second] == ["Trial", "Network"]
    assert len(drawn([Sheet((*_numbers(2), knobs))], 80)) <= 3 + 3 * 2


def test_in_html_it_is_one_table() -> None:
    assert tables_html([Sheet(_numbers(14), "Title")]).count("<table>") == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_names_of_networks_are_whole_on_a_terminal_of_any_width(width: int) -> None:
    found = rank(["RegNetX-200MF", "RegNetX-400MF"], ["jetson-agx-orin", "t4"])
    lines = drawn([*ranking_tables(found), *cost_tables(found.costs)], width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("RegNetX-400MF") >= 2 + 1 + 2  # a line in each ranking, in the counts, on each device
    assert text.count("jetson-agx-orin") >= 2
