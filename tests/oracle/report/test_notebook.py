"""Results in notebooks: the tables of the command line as markup, and harmless whatever their names are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

import oracle
from oracle.errors import OracleError
from oracle.measure import Measurement
from oracle.query import compare, knobs
from oracle.report.notebook import html_of
from oracle.spec import Workload
from tests.programs import imported


class Cells(HTMLParser):
    """Rows of cells, and every start tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_a_cost_is_its_tables() -> None:
    cost = oracle.score("R-56", ["t4", "rtx-4090"])
    html = cost._repr_html_()
    cells = Cells(html)
    assert [row[0].strip() for row in cells.rows] == ["Network", "R-56", "Network", "R-56", "R-56"]
    assert cells.rows[3][2].strip() == f"{cost.latency_ms['t4']:.2f}"
    assert cells.rows[3][4].strip() == f"{cost.roofline_ms['t4']:.4f}"
    assert "what a stopwatch should show" in html
    assert "Times: textbook roofline" in oracle.score("R-56", ["t4"], model="roofline")._repr_html_()
    assert cells.open == []


MAKERS: dict[str, Callable[[], Any]] = {
    "ranking": lambda: oracle.rank(["R-56", "R-110"], ["t4", "l4"]),
    "curve": lambda: oracle.batch_curve("R-56", ["t4", "l4"], [1, 8], max_latency_ms=1),
    "fit": lambda: oracle.fit("R-56", ["t4"])[0],
    "device": lambda: oracle.load_device("t4"),
    "sensitivity": lambda: knobs("R-56", ["t4"]),
    "comparison": lambda: compare("rtx-4090", [Measurement("R-56", "rtx-4090", Workload(dtype="float16"), 8.0)]),
    "scores": lambda: oracle.score_many([oracle.to_spec(oracle.load_cfg("R-56"))], ["t4"]),
    "no scores": lambda: oracle.score_many([]),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_result_shows_itself(name: str) -> None:
    cells = Cells(MAKERS[name]()._repr_html_())
    assert cells.open == []
    assert cells.tags.count("table") >= 1
    assert len({len(row) for row in cells.rows}) <= cells.tags.count("table")


def test_of_many_scores_the_fastest_are_listed() -> None:
    nets = [oracle.to_spec(oracle.load_cfg(name)) for name in ("R-110", "R-56")] * 20
    scores = oracle.score_many(nets, ["t4"])
    html = scores._repr_html_()
    rows = Cells(html).rows
    assert "40 candidates, the 10 fastest on t4" in html
    assert [row[0] for row in rows[1:]] == ["R-56"] * 10 + ["least of all", "most of all"]
    assert rows[-1][1].strip() == f"{scores.latency_ms['t4'].max():.2f}"
    assert rows[-1][2].strip() == f"{scores.roofline_ms['t4'].max():.4f}"


def test_scores_by_another_convention_say_so() -> None:
    html = oracle.score_many(["R-56"], ["t4"], convention="torch")._repr_html_()
    assert "Counts: as torch does." in html
    assert "Params" not in html


def test_names_are_text() -> None:
    cost = replace(oracle.score("R-56", ["t4"]), name="<script>alert(1)</script>")
    cells = Cells(cost._repr_html_())
    assert "script" not in cells.tags
    assert cells.rows[1][0] == "<script>alert(1)</script>"


def test_what_has_no_tables_says_so() -> None:
    with pytest.raises(OracleError, match="result of type int"):
        html_of(3)


def test_a_result_that_nobody_shows_loads_no_tables() -> None:
    assert imported("import oracle; oracle.score('R-56', ['t4'])", {"rich", "oracle.report"}) == set()
