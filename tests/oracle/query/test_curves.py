"""Curves over batch sizes are scores put side by side; the best batch is found by hand."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

import oracle
from oracle.errors import OracleError
from oracle.query.curves import BATCH_SIZES, BatchCurve, curve_of

SIZES = (1, 8, 64)


@pytest.fixture(scope="module")
def curve() -> BatchCurve:
    return oracle.batch_curve("R-56", ["t4", "l4"], reversed(SIZES), dtype="float16", model="roofline")


def timed(latencies: dict[int, float], fits: dict[int, bool | None] | None = None, limit: float | None = None) -> Any:
    """A curve on one device with latencies of our own."""
    cost = oracle.score("R-56", ["t4"])
    costs = []
    for size, latency in latencies.items():
        time = replace(cost.times["t4"], latency_ms=latency, fits=(fits or {}).get(size, True))
        costs.append(replace(cost, workload=cost.workload.with_(batch_size=size), times={"t4": time}))
    return curve_of(costs, limit)


def test_points_are_scores(curve: BatchCurve) -> None:
    assert curve.batch_sizes == SIZES
    assert list(curve.points) == ["t4", "l4"]
    for place, size in enumerate(SIZES):
        cost = oracle.score("R-56", ["t4", "l4"], batch_size=size, dtype="float16", model="roofline")
        for device, points in curve.points.items():
            assert points[place].time == cost.times[device]
            assert points[place].peak_memory_bytes == cost.peak_memory_bytes
            assert points[place].roofline_ms == cost.roofline_ms[device]
            assert points[place].throughput_per_s == cost.throughput_per_s[device]


def test_a_network_may_be_named_in_any_way() -> None:
    cfg = oracle.load_cfg("R-56", ["COST.DEVICES", ["t4"]])
    by_spec = oracle.batch_curve(oracle.to_spec(cfg), ["t4"], [2])
    assert oracle.batch_curve(cfg, batch_sizes=[2]) == by_spec == oracle.batch_curve("R-56", ["t4"], [2, 2])
    assert oracle.batch_curve("R-56", ["t4"]).batch_sizes == BATCH_SIZES


@pytest.mark.parametrize(
    ("latencies", "fits", "limit", "best"),
    [
        ({1: 1.0, 8: 4.0, 64: 64.0}, {}, None, 8),  # 1000, 2000 and 1000 images per second
        ({1: 1.0, 8: 4.0, 64: 16.0}, {}, None, 64),
        ({1: 1.0, 8: 4.0, 64: 16.0}, {}, 4.0, 8),  # the limit itself is allowed
        ({1: 1.0, 8: 4.0, 64: 16.0}, {}, 3.9, 1),
        ({1: 1.0, 8: 4.0, 64: 16.0}, {}, 0.5, None),
        ({1: 1.0, 8: 4.0, 64: 16.0}, {64: False}, None, 8),
        ({1: 1.0, 8: 4.0, 64: 16.0}, {64: None}, None, 64),  # nobody states the memory
        ({1: 1.0, 2: 2.0}, {}, None, 1),  # the smaller of equals
    ],
)
def test_the_best_batch(latencies: dict[int, float], fits: dict[int, bool | None], limit: float, best: int) -> None:
    found = timed(latencies, fits, limit).best("t4")
    assert (found and found.batch_size) == best


def test_plain_data_and_a_line(curve: BatchCurve) -> None:
    data = json.loads(json.dumps(curve.to_dict()))
    assert (data["network"], data["batch_sizes"], data["max_latency_ms"]) == ("R-56", [1, 8, 64], None)
    assert data["best_batch_size"] == {"t4": 64, "l4": 64}
    assert data["devices"]["t4"][1]["latency_ms"] == curve.points["t4"][1].latency_ms
    assert "batch_size" not in data["workload"]
    assert repr(curve).startswith("BatchCurve('R-56', batch_size=1 to 64, float16, inference, eager: best on t4 64 (")
    assert "best on t4 none" in repr(timed({1: 1.0}, limit=0.5))
    assert pickle.loads(pickle.dumps(curve)) == curve  # noqa: S301


@pytest.mark.parametrize(
    ("sizes", "words", "complaint"),
    [
        ([], {}, r"batch_sizes=\[\]"),
        (8, {}, "batch_sizes=8: expected several"),
        ("8", {}, "batch_sizes='8': expected several"),
        ([0], {}, "batch_size=0"),
        ([True], {}, "batch_size=True"),
        ([1], {"max_latency_ms": 0}, "max_latency_ms=0"),
        ([1], {"max_latency_ms": float("nan")}, "max_latency_ms=nan"),
        ([1], {"devices": []}, "network='R-56': a curve over batch sizes needs a device"),
        ([1], {"dtypes": "float16"}, "dtypes"),
    ],
)
def test_what_makes_no_curve(sizes: Any, words: dict[str, Any], complaint: str) -> None:
    with pytest.raises((OracleError, TypeError), match=complaint):
        oracle.batch_curve("R-56", words.pop("devices", ["t4"]), sizes, **words)


def test_a_device_without_a_curve(curve: BatchCurve) -> None:
    with pytest.raises(OracleError, match="device='a10' has no curve; there are t4, l4"):
        curve.best("a10")
