from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console, RenderableType

from oracle.devices import load_device
from oracle.report.grid import Column
from oracle.report.notebook import tables_html
from oracle.report.sheets import Sheet, parts
from search.cli._study_tables import record_tables, rerank_tables, trial_tables
from search.study import Results, run_study, study_of

WIDTHS = (80, 100, 120)
KNOBS = ("DEPTH", "W0", "WA", "WM", "GROUP_W", "STEM_W", "BOT_MUL", "SE_R")


def _drawn(tables: Sequence[RenderableType], width: int) -> list[str]:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, _environ={})
    for table in tables:
        console.print(table)
    return text.getvalue().splitlines()


def _numbers(count: int) -> tuple[Column, ...]:
    trial = Column("Trial", ["7", "11"], number=True)
    return (trial, *(Column(f"Score {i}", [f"{7_472_008 + i:,}", "-"], "GB", number=True) for i in range(count)))


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_and_headers_are_whole_and_in_one_part(width: int) -> None:
    columns = _numbers(14)
    lines = _drawn([Sheet(columns, "Title")], width)
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
    assert len(_drawn([Sheet((*_numbers(2), knobs))], 80)) <= 3 + 3 * 2


def test_in_html_it_is_one_table() -> None:
    assert tables_html([Sheet(_numbers(14), "Title")]).count("<table>") == 1


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
    lines = _drawn(made, width)
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
