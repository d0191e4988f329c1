"""Facts of several networks: ranks, fronts and flips, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

import oracle
from oracle.query import Cost
from oracle.report.facts import population_of


def costs(latencies: dict[str, tuple[float, ...]], macs: tuple[int, ...]) -> list[Cost]:
    one = oracle.score("R-56", list(latencies))
    found = []
    for index, worth in enumerate(macs):
        times = {name: replace(one.times[name], latency_ms=column[index]) for name, column in latencies.items()}
        found.append(replace(one, name=f"n{index}", macs=worth, times=times))
    return found


def test_ranks_fronts_and_flips() -> None:
    latencies = {"t4": (1.0, 2.0, 2.0, 4.0), "rtx-4090": (4.0, 1.0, 2.0, 3.0)}
    found = population_of(costs(latencies, (10, 30, 20, 40)))
    assert found.ranks == {"t4": [1, 2, 2, 4], "rtx-4090": [4, 1, 2, 3]}
    assert found.values["macs"].fronts == {"t4": [0, 1, 3], "rtx-4090": [1, 3]}
    assert [(name, value.maximise) for name, value in found.values.items() if not value.maximise] == [
        ("traffic_bytes", False),
        ("peak_memory_bytes", False),
    ]
    assert found.values["traffic_bytes"].fronts == {"t4": [0], "rtx-4090": [1]}  # all move as many bytes
    (pair,) = found.pairs
    assert (pair.devices, pair.flips, pair.pairs) == (("t4", "rtx-4090"), 3, 6)
    assert pair.kendall_tau == pytest.approx((2 - 3) / (5 * 6) ** 0.5)
    assert (found.names, found.total) == (["n0", "n1", "n2", "n3"], 4)


def test_counts_that_a_convention_does_not_report_are_left_out() -> None:
    fvcore = [oracle.score(name, ["t4"], convention="thop") for name in ("R-56", "R-110")]
    found = population_of(fvcore)
    assert all(None not in value.column for value in found.values.values())
    assert ("activations" in found.values) == all(cost.activations is not None for cost in fvcore)
