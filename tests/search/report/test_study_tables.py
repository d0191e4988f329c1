from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from rich.console import RenderableType

from oracle.devices import load_device
from oracle.report.sheets import Sheet
from search.report.study_tables import record_tables, rerank_tables, trial_tables
from search.study import Results, run_study, study_of
from tests.oracle.report.drawing import WIDTHS, drawn

KNOBS = ("DEPTH", "W0", "WA", "WM", "GROUP_W", "STEM_W", "BOT_MUL", "SE_R")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study of eight knobs on three devices."""
    grids = {
        "DEPTH": [8, 9],
        "W0": [16, 24],
        "WA": [8.0, 12.5],
        "WM": [2.25, 2.5],
        "GROUP_W": [8, 16],
        "STEM_W": [16, 32],
        "BOT_MUL": [0.5, 1.0],
        "SE_R": [0.125, 0.25],
    }
    samplers = {f"REGNET.{name}": {"TYPE": "grid_sampler", "VALUES": values} for name, values in grids.items()}
    setup = {
        "SAMPLERS": samplers,
        "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
        "BASE_CFG": {"MODEL": {"TYPE": "regnet"}, "REGNET": {"SE_ON": True}},
    }
    plan = study_of(
        {
            "NAME": "wide",
            "SPACE": {"SETUP": setup},
            "DEVICES": ["t4", "jetson-nano", "raspberry-pi-4"],
            "OBJECTIVES": ["maximise macs", "minimise latency_ms@raspberry-pi-4", "minimise traffic_bytes"],
            "CONSTRAINTS": ["params <= 30e6"],
            "SAMPLER": "random",
            "TRIALS": 5,
            "PROBE": 256,
        }
    )
    return run_study(plan, str(tmp_path_factory.mktemp("wide") / "wide.journal"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "tables",
    [
        lambda results: record_tables(results, [results.best()], "Best feasible"),
        lambda results: record_tables(results, results.evaluated, "All"),
        lambda results: trial_tables(results, results.trials),
        lambda results: rerank_tables(results, results.rerank("t4"), load_device("t4")),
    ],
    ids=["best", "all", "trials", "rerank"],
)
def test_tables_of_a_study(results: Results, width: int, tables: Callable[[Results], Sequence[RenderableType]]) -> None:
    made = tables(results)
    lines = drawn(made, width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    (sheet,) = (table for table in made if isinstance(table, Sheet))
    for column in sheet.columns:
        if column.number:
            assert all(cell.strip() in text for cell in column.cells)
            assert column.unit in text
    words = text.replace(",", " ").split()
    assert all(words.count(knob) == sum("DEPTH" in cell for cell in sheet.columns[-1].cells) for knob in KNOBS)
    assert len(lines) <= 20 + 4 * len(results.trials)


def test_units_are_those_of_the_scores(results: Results) -> None:
    best = results.best()
    (sheet,) = (table for table in record_tables(results, [best], "Best") if isinstance(table, Sheet))
    (macs,) = (column for column in sheet.columns if column.title == "MACs")
    scale = {"G": 1e9, "M": 1e6}[macs.unit]
    assert float(macs.cells[0]) * scale == pytest.approx(best.scores["macs"], rel=1e-3)
    on = {column.unit: column.cells[0] for column in sheet.columns if column.title == "Latency"}
    assert set(on) == {"ms, t4", "ms, jetson-nano", "ms, raspberry-pi-4"}
    assert float(on["ms, t4"]) == pytest.approx(best.scores["latency_ms@t4"], rel=1e-3)


def test_a_front_says_who_ties_and_which_limit_is_a_bound(results: Results) -> None:
    front = results.front()
    tied = results.tied(front)
    assert tied is not None
    sheet, caption = record_tables(results, front, "front", front=True)
    assert isinstance(sheet, Sheet)
    (column,) = (column for column in sheet.columns if column.title == "Tied")
    assert list(column.cells) == [f"{len(tied[record.number])}" for record in front]
    assert "errors taken as independent" in str(caption)
    plain, _ = record_tables(results, front, "best")
    assert isinstance(plain, Sheet)
    assert all(column.title != "Tied" for column in plain.columns)
