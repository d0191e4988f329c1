from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oracle.errors import ConfigError
from search.pareto import agreement, device_ranks, non_dominated, on_every_front

LATENCIES = st.lists(st.tuples(*[st.integers(1, 9).map(float)] * 3), min_size=2, max_size=20)
DEVICES = ("t4", "p4", "a10")


def columns(rows: list[tuple[float, ...]]) -> dict[str, Any]:
    return dict(zip(DEVICES, (list(column) for column in zip(*rows, strict=True)), strict=True))


@given(LATENCIES)
def test_pairs_of_devices_agree_as_two_loops_find(rows: list[tuple[float, ...]]) -> None:
    latency = columns(rows)
    found = agreement(latency)

    assert [pair.devices for pair in found] == list(combinations(DEVICES, 2))
    for pair in found:
        a, b = (latency[device] for device in pair.devices)
        flips = {
            (i, j): min(a[j] / a[i], b[i] / b[j])
            for i, j in permutations(range(len(a)), 2)
            if a[i] < a[j] and b[i] > b[j]
        }
        assert (pair.flips, pair.pairs) == (len(flips), math.comb(len(a), 2))
        if len(set(a)) > 1 and len(set(b)) > 1:
            assert pair.kendall_tau == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
            assert pair.spearman_rho == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
        if pair.largest is None:
            assert not flips
        else:
            i, j = pair.largest.first, pair.largest.second
            assert pair.largest.ratios == (a[j] / a[i], b[i] / b[j])
            assert flips[i, j] == pytest.approx(max(flips.values()), rel=1e-12)


def test_the_largest_flip_of_many() -> None:
    rng = np.random.default_rng(4)
    a = rng.lognormal(size=1500)
    b = a * rng.lognormal(sigma=0.2, size=1500)
    (found,) = agreement({"t4": a, "p4": b})

    smaller = np.minimum(a[None, :] / a[:, None], b[:, None] / b[None, :])  # (i, j)
    assert found.largest is not None
    assert min(found.largest.ratios) == pytest.approx(float(smaller.max()), rel=1e-12)
    assert found.flips == int(((a[None, :] > a[:, None]) & (b[None, :] < b[:, None])).sum())


@given(LATENCIES)
def test_ranks_are_scipys(rows: list[tuple[float, ...]]) -> None:
    for device, ranks in device_ranks(columns(rows)).items():
        assert ranks.tolist() == stats.rankdata(columns(rows)[device], method="min").tolist()


def test_fronts_of_devices() -> None:
    latency = {"t4": [1.0, 2.0, 3.0, 4.0], "p4": [4.0, 2.0, 3.0, 5.0]}
    quality = [70, 75, 80, 60]
    fronts = {device: non_dominated([column, quality], [False, True]) for device, column in latency.items()}

    assert {device: front.tolist() for device, front in fronts.items()} == {
        "t4": [True, True, True, False],
        "p4": [False, True, True, False],
    }
    assert on_every_front(fronts).tolist() == [1, 2]
    assert on_every_front({}).tolist() == []


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_latency_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="candidate 1: expected a positive") as caught:
        agreement({"t4": [1.0, 2.0], "p4": [1.0, value]})
    assert caught.value.key == "latency_ms.p4"


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected one"):
        device_ranks({"t4": [1.0, 2.0], "p4": [1.0]})
