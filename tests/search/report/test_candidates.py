"""Populations: fronts, ranks and flips of all, whoever is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracle.errors import ConfigError
from search.pareto import device_ranks, non_dominated
from search.report.candidates import Value, population, spread


def details(rows: list[int]) -> Any:
    return [f"c{row}" for row in rows], [{"K": row} for row in rows], [{"x": -row} for row in rows]


def test_of_few_all_are_shown() -> None:
    latency = {"a": np.array([1.0, 2.0, 3.0, 2.5]), "b": np.array([3.0, 2.0, 1.0, 4.0])}
    found = population("candidates", latency, {"macs": Value(np.array([1.0, 3.0, 2.0, 4.0]), True)}, details, 4)
    assert found.names == ["c0", "c1", "c2", "c3"]
    assert (found.total, found.shown) == (4, "")
    assert found.ranks == {"a": [1, 2, 4, 3], "b": [3, 2, 1, 4]}
    assert found.values["macs"].fronts == {"a": [0, 1, 3], "b": [2, 1, 3]}  # the fastest first
    assert found.values["macs"].column == [1, 3, 2, 4]
    assert all(isinstance(value, int) for value in found.values["macs"].column)
    (pair,) = found.pairs
    assert (pair.flips, pair.pairs) == (4, 6)
    assert pair.largest == (0, 2, 3.0, 3.0)


def test_of_many_fronts_and_flips_are_kept_whole() -> None:
    rng = np.random.default_rng(1)
    size = 5000
    latency = {name: rng.uniform(1, 100, size) for name in ("a", "b")}
    values = {"macs": Value(rng.uniform(0, 1, size), True), "loss": Value(rng.uniform(0, 1, size), False)}
    found = population("candidates", latency, values, details, size, most=200)
    assert (len(found.names), found.total) == (200, size)
    assert found.shown
    position = {name: int(name[1:]) for name in found.names}
    kept = [position[name] for name in found.names]
    assert kept == sorted(set(kept))
    ranks = device_ranks(latency)
    for device, column in latency.items():
        assert found.latency_ms[device] == column[kept].tolist()
        assert found.ranks[device] == ranks[device][kept].tolist()  # among all
        for name, value in values.items():
            front = np.flatnonzero(non_dominated([column, value.column], [False, value.maximise]))
            assert {kept[row] for row in found.values[name].fronts[device]} == set(front.tolist())
    assert found.pairs[0].largest is not None
    again = population("candidates", latency, values, details, size, most=200)
    assert again == found  # the same ones are drawn every time


def test_a_front_larger_than_what_is_shown_is_shown_all_the_same() -> None:
    column = np.arange(1.0, 101.0)
    found = population("candidates", {"a": column}, {"macs": Value(column, True)}, details, 100, most=10)
    assert len(found.names) == 100


@pytest.mark.parametrize("size", [0, 1])
def test_hardly_anybody(size: int) -> None:
    latency = {name: np.ones(size) for name in ("a", "b")}
    found = population("trials", latency, {"macs": Value(np.ones(size), True)}, details, size)
    assert (len(found.names), found.pairs) == (size, ())


def test_without_devices_there_are_no_fronts() -> None:
    found = population("trials", {}, {"macs": Value(np.ones(3), True)}, details, 3)
    assert found.values["macs"].fronts == {}


def test_a_latency_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive"):
        population("candidates", {"a": np.array([1.0, 0.0])}, {}, details, 2)


def test_lists_become_columns_where_they_are_equally_long() -> None:
    rows = [{"W": [8, 16], "D": [1], "k": 3}, {"W": [24, 32], "D": [1, 2], "k": None}]
    assert spread(rows) == {"W[0]": [8, 24], "W[1]": [16, 32], "D": ["1", "1 2"], "k": [3, None]}
    assert spread([]) == {}
