from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.space.limits import COLUMNS, Limit, Miss, Tally, judge


def scores(**columns: list[float]) -> Any:
    return SimpleNamespace(**{name: np.array(values) for name, values in columns.items()})


def limit(score: str, low: float, high: float, device: str = "") -> Limit:
    """As a space file says it: 0 leaves a side open."""
    key = f"CX.{score}.{device}" if device else f"CX.{score}"
    return Limit(COLUMNS[score], low or -inf, high or inf, device, key=key)


NUMBERS = st.integers(1, 20).map(float)
OPEN = st.just(0.0) | NUMBERS
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=15)
RANGES = st.tuples(OPEN, OPEN).map(lambda ends: ends if 0 in ends else (min(ends), max(ends)))


def miss(value: float, low: float, high: float) -> float:
    """0 within the range, else the distance relative to the side."""
    if low and value < low:
        return (low - value) / low
    return (value - high) / high if high and value > high else 0.0


@given(ROWS, RANGES, RANGES)
def test_limits_judge_as_two_loops_do(
    rows: list[tuple[float, float]], params: tuple[float, float], latency: tuple[float, float]
) -> None:
    limits = [limit("PARAMS", *params), limit("LATENCY_MS", *latency, "t4")]
    columns = scores(params=[a for a, _ in rows], latency_ms=[])
    columns.latency_ms = {"t4": np.array([b for _, b in rows]), "p4": None}

    feasible, tally = judge(limits, columns, len(rows))

    misses = [(miss(a, *params), miss(b, *latency)) for a, b in rows]
    assert feasible.tolist() == [not any(pair) for pair in misses]
    assert tally.feasible == sum(not any(pair) for pair in misses)
    for number, name in enumerate(("CX.PARAMS", "CX.LATENCY_MS.t4")):
        broken = [(pair[number], row[number]) for pair, row in zip(misses, rows, strict=True) if pair[number]]
        assert tally.rejected.get(name, 0) == len(broken)
        if broken:
            assert tally.nearest[name].excess == pytest.approx(min(broken)[0])
            assert (tally.nearest[name].excess, tally.nearest[name].value) in broken
    worst = [max(pair) for pair in misses if any(pair)]
    assert bool(tally.closest) == bool(worst)
    if worst:
        assert max(m.excess for m in tally.closest.values()) == pytest.approx(min(worst))


@pytest.mark.parametrize("score", COLUMNS)
def test_every_score_can_be_limited(score: str) -> None:
    device = "t4" if score == "LATENCY_MS" else ""
    column = np.array([1.0, 2.0, 3.0])
    columns = SimpleNamespace(**{COLUMNS[score]: {"t4": column} if device else column})

    feasible, _ = judge([limit(score, 2, 2, device)], columns, 3)

    assert feasible.tolist() == [False, True, False]


def test_no_limits_leave_all() -> None:
    feasible, tally = judge([], scores(), 4)

    assert feasible.tolist() == [True] * 4
    assert tally == Tally(feasible=4)


def test_a_score_that_is_no_number_is_infeasible() -> None:
    feasible, tally = judge([limit("PARAMS", 1, 5)], scores(params=[np.nan, 9.0]), 2)

    assert feasible.tolist() == [False, False]
    assert tally.rejected == {"CX.PARAMS": 2}
    assert tally.nearest["CX.PARAMS"].value == 9.0
    assert tally.closest["CX.PARAMS"].value == 9.0


@given(st.lists(ROWS, max_size=5), RANGES)
def test_tallies_of_parts_add_up(parts: list[list[tuple[float, float]]], ends: tuple[float, float]) -> None:
    limits = [limit("PARAMS", *ends), limit("BYTES", 3, 8)]

    def told(rows: list[tuple[float, float]]) -> Tally:
        columns = scores(params=[a for a, _ in rows], traffic_bytes=[b for _, b in rows])
        return judge(limits, columns, len(rows))[1]

    total = sum((told(part) for part in parts), Tally())
    whole = told([row for part in parts for row in part])
    assert (total.feasible, total.rejected) == (whole.feasible, whole.rejected)
    assert {name: m.excess for name, m in total.nearest.items()} == {
        name: m.excess for name, m in whole.nearest.items()
    }
    assert max((m.excess for m in total.closest.values()), default=0) == max(
        (m.excess for m in whole.closest.values()), default=0
    )


def test_an_explanation_tells_who_rejected_how_many_and_by_how_much() -> None:
    limits = [limit("FLOPS", 0, 400e6), limit("LATENCY_MS", 1, 2, "t4")]
    columns = scores(pycls_flops=[404e6, 300e6, 800e6])
    columns.latency_ms = {"t4": np.array([3.0, 2.2, 2.0])}
    tally = Tally(1000, 0, {"REGNET.NUM_STAGES": 997}) + judge(limits, columns, 3)[1]

    text = tally.explain()

    assert text.splitlines() == [
        "0 of 1,000 candidates are feasible",
        "REGNET.NUM_STAGES rejects 997",
        "CX.LATENCY_MS.t4 rejects 2; nearest is 2.2 (10.00% off; expected 1 to 2)",
        "CX.FLOPS rejects 2; nearest is 404,000,000 (1.00% off; expected at most 400,000,000)",
        "closest candidate: CX.LATENCY_MS.t4 2.2 (10.00% off; expected 1 to 2)",
    ]
    assert tally.closest == {"CX.LATENCY_MS.t4": Miss((2.2 - 2) / 2, 2.2, "1 to 2")}
    assert "closest" not in (tally + Tally(1, 1)).explain()


def test_reasons_overlap_where_they_are_more_than_the_candidates() -> None:
    assert Tally(10, 2, {"CX.FLOPS": 8, "CX.PARAMS": 1}).overlaps
    assert not Tally(10, 2, {"CX.FLOPS": 7, "CX.PARAMS": 1}).overlaps
