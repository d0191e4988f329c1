from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.query.trust import Trust
from search.pareto import fronts_of
from search.pareto.ties import tie_caption, tie_ratios, tied_with
from search.sweep import read_candidates

TRUST = {"t4": Trust("calibrated", 0.1, "", (0.8, 1.25)), "p4": Trust("roofline")}


def test_by_hand() -> None:
    latency, macs, params = (
        np.array([1.0, 1.1, 1.3, 3.0]),
        np.array([4.0, 5.0, 9.0, 9.5]),
        np.array([1.0, 1.0, 2.0, 1.0]),
    )
    assert tied_with([latency, macs], [False, True], [1.2, 1.0]) == [[1], [2], [], []]
    assert tied_with([latency, macs, params], [False, True, False], [1.2, 1.0, 1.0]) == [[1], [], [], []]
    assert tied_with([latency, macs], [False, True], [1.0, 1.0]) == [[], [], [], []]
    assert tied_with([np.array([1.0, 1.0])], [False], [1.0]) == [[1], [0]]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8), st.floats(1, 3))
def test_as_loops_do(pairs: list[tuple[int, int]], ratio: float) -> None:
    columns = [np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True)]
    expected = [
        [j for j, (t, m) in enumerate(pairs) if j != i and t <= own * ratio and m >= macs]
        for i, (own, macs) in enumerate(pairs)
    ]
    assert tied_with(columns, [False, True], [ratio, 1.0]) == expected


def test_ratios_and_words() -> None:
    names = ["macs", "latency_ms@t4"]
    assert tie_ratios(names, TRUST) == (1.0, pytest.approx(1.25 ** np.sqrt(2)))
    assert tie_ratios(["latency_ms@p4"], TRUST) is None
    assert tie_ratios(["latency_ms@nowhere"], {}) is None
    assert tie_ratios(["macs"], {}) == (1.0,)
    assert "37.1 % on t4" in tie_caption(names, TRUST, 2, 5)
    assert tie_caption(names, TRUST, 2, 5).endswith("2 of 5 have such.")
    assert tie_caption(["latency_ms@p4"], TRUST, 0, 5) == "Tied: not known, as no error is known of latencies on p4."
    assert tie_caption(["macs"], TRUST, 0, 5) == ""


def test_fronts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("row,macs,latency_ms@t4,latency_ms@p4\n7,4,1,1\n8,5,1.1,2\n9,3,2,3\n12,9,3,4\n")
    found = fronts_of(read_candidates(file), ["min latency_ms", "max macs"], trust=TRUST)
    t4, p4 = found.to_dict()["fronts"]
    assert [(row["row"], row["tied_with"]) for row in t4["candidates"]] == [(7, [8]), (8, []), (12, [])]
    assert {row["tied_with"] for row in p4["candidates"]} == {None}
    (exact,) = fronts_of(read_candidates(file), ["max macs"]).to_dict()["fronts"]
    assert [row["tied_with"] for row in exact["candidates"]] == [[]]
