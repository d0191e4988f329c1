"""Results as data frames: the columns of the CSV, in pandas and in polars."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import oracle
from oracle.errors import MissingDependencyError, OracleError
from oracle.query import Cost, Scores, knobs
from oracle.report.rows import cost_rows, curve_rows, fit_rows, ranking_rows


@pytest.fixture(scope="module")
def cost() -> Cost:
    return oracle.score("R-56", ["t4", "rtx-4090"], batch_size=4)


@pytest.fixture(scope="module")
def scores() -> Scores:
    return oracle.score_many([oracle.to_spec(oracle.load_cfg(name)) for name in ("R-56", "R-110")], ["t4"])


@pytest.fixture(params=["pandas", "polars"])
def to_frame(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip(request.param)
    return oracle.to_pandas if request.param == "pandas" else oracle.to_polars


def test_kernels_are_rows(to_frame: Any, cost: Cost) -> None:
    frame = to_frame(cost.kernels("t4"))
    kernels = cost.kernels("t4")
    assert frame.shape[0] == len(kernels)
    assert "device" not in frame.columns
    assert list(frame["time_ms"]) == [kernel.time_ms for kernel in kernels]
    assert list(frame["shape"]) == [kernel.shape for kernel in kernels]
    assert int(frame["flops"].sum()) == cost.executed_flops


def test_columns_are_those_of_the_csv(to_frame: Any, cost: Cost) -> None:
    ranking, fits = oracle.rank(["R-56", "R-110"], ["t4"]), oracle.fit("R-56", ["t4"])
    curve = oracle.batch_curve("R-56", ["t4"], [1, 8])
    for result, rows in (
        (cost, cost_rows(cost)),
        ([cost, cost], [*cost_rows(cost)] * 2),
        (ranking, ranking_rows(ranking)),
        (fits, fit_rows(fits)),
        (curve, curve_rows(curve)),
    ):
        frame = to_frame(result)
        assert list(frame.columns) == list(rows[0])
        for name in ("network", "device"):
            assert list(frame[name]) == [row[name] for row in rows]


def test_phases_and_steps_are_rows(to_frame: Any, cost: Cost) -> None:
    assert list(to_frame(cost.phases("t4"))["name"]) == ["forward"]
    found = knobs("R-56", ["t4"])
    assert to_frame(found).shape[0] == len(found.effects)


def test_scores_are_columns(to_frame: Any, scores: Scores) -> None:
    frame = to_frame(scores)
    own = scores.to_pandas() if to_frame is oracle.to_pandas else scores.to_polars()
    assert list(frame.columns) == list(own.columns)
    assert list(frame["network"]) == ["R-56", "R-110"]
    assert list(frame["latency_ms@t4"]) == scores.latency_ms["t4"].tolist()
    assert frame["macs"].dtype in (scores.macs.dtype, getattr(sys.modules.get("polars"), "Int64", None))


def test_nothing_is_an_empty_frame(to_frame: Any) -> None:
    assert to_frame([]).shape == (0, 0)


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_what_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, cost: Cost, scores: Scores
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=f"pip install {name}"):
        getattr(oracle, f"to_{name}")(cost)
    with pytest.raises(MissingDependencyError, match=f"pip install {name}"):
        getattr(scores, f"to_{name}")()


def test_what_is_no_result_says_so() -> None:
    with pytest.raises(OracleError, match="results of type int"):
        oracle.to_pandas(3)
