"""Orders, agreement and dominance, against latencies sorted by hand and by scipy."""

from __future__ import annotations

import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import DeviceError, OracleError, WorkloadError
from oracle.query import rank, score
from oracle.query.ranking import is_dominated

NETS = ["RegNetX-600MF", "RegNetX-200MF", "RegNetX-400MF", "EfficientNet-B0", "R-56"]
DEVICES = ["rtx-4090", "t4", "jetson-agx-orin"]


def test_candidates_come_fastest_first_on_every_device() -> None:
    ranking = rank(NETS, DEVICES, batch_size=8)
    assert [cost.name for cost in ranking.costs] == NETS
    assert ranking.devices == tuple(DEVICES)
    for device in DEVICES:
        latency = {name: score(name, [device], batch_size=8).latency_ms[device] for name in NETS}
        assert [NETS[i] for i in ranking.order[device]] == sorted(NETS, key=lambda name: latency[name])


def test_agreement_is_scipys() -> None:
    ranking = rank(NETS, DEVICES)
    assert list(ranking.kendall_tau) == list(ranking.spearman_rho) == list(combinations(DEVICES, 2))
    for pair in ranking.kendall_tau:
        a, b = ([cost.latency_ms[device] for cost in ranking.costs] for device in pair)
        assert ranking.kendall_tau[pair] == pytest.approx(stats.kendalltau(a, b).statistic)
        assert ranking.spearman_rho[pair] == pytest.approx(stats.spearmanr(a, b).statistic)


def test_one_candidate_agrees_with_nothing() -> None:
    ranking = rank(["R-56"], DEVICES)
    assert all(math.isnan(tau) for tau in ranking.kendall_tau.values())
    assert ranking.order["t4"] == (0,)
    assert ranking.dominated["t4"] == (False,)


def test_a_slower_network_of_less_value_is_dominated() -> None:
    quality = {
        "RegNetX-200MF": 68.9,
        "RegNetX-400MF": 72.7,
        "RegNetX-600MF": 60.0,
        "EfficientNet-B0": 75.1,
        "R-56": 1.0,
    }
    ranking = rank(NETS, ["t4"], quality=quality)
    latency = [cost.latency_ms["t4"] for cost in ranking.costs]
    worth = [quality[name] for name in NETS]
    expected = [
        any(latency[j] <= latency[i] and worth[j] >= worth[i] and (latency[j], worth[j]) != (latency[i], worth[i])
            for j in range(len(NETS)))
        for i in range(len(NETS))
    ]  # fmt: skip
    assert list(ranking.dominated["t4"]) == expected
    assert expected[0]  # 600MF was said to be worth less than the faster 400MF
    assert (ranking.value_name, ranking.value) == ("quality", tuple(worth))
    assert rank(NETS, ["t4"], quality=worth).dominated == ranking.dominated


def test_macs_stand_for_quality() -> None:
    ranking = rank(NETS, ["t4"])
    assert ranking.value_name == "macs"
    assert ranking.value == tuple(float(cost.macs or 0) for cost in ranking.costs)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_what_is_dominated_can_go(points: list[tuple[int, int]]) -> None:
    latency, value = np.array(points).T
    dominated = is_dominated(latency, value)
    assert not dominated.all()
    for i in range(len(points)):
        better = [
            j for j in range(len(points)) if not dominated[j] and latency[j] <= latency[i] and value[j] >= value[i]
        ]
        assert better  # somebody who stays is as good


@given(st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 2.5, math.inf, math.nan])] * 2), max_size=12))
def test_dominance_is_what_its_definition_says(points: list[tuple[float, float]]) -> None:
    latency, value = np.array(points, dtype=float).reshape(-1, 2).T
    expected = [
        any(a <= latency[i] and b >= value[i] and (a < latency[i] or b > value[i]) for a, b in points)
        for i in range(len(points))
    ]
    assert is_dominated(latency, value).tolist() == expected


def test_progress_is_told_after_each() -> None:
    seen: list[tuple[int, int]] = []
    rank(NETS[:3], ["t4"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_ranking_is_plain_data() -> None:
    ranking = rank(NETS[:2], DEVICES[:2])
    plain = json.loads(json.dumps(ranking.to_dict()))
    assert [network["name"] for network in plain["networks"]] == NETS[:2]
    assert sorted(plain["order"]["t4"]) == sorted(NETS[:2])
    assert plain["agreement"][0]["devices"] == DEVICES[:2]
    assert plain["value"] == "macs"


@pytest.mark.parametrize(
    ("networks", "devices", "options", "error", "words"),
    [
        ([], ["t4"], {}, WorkloadError, "got 0 and 1"),
        (["R-56"], [], {}, WorkloadError, "got 1 and 0"),
        (["R-56"], ["t4"], {"quality": [1.0, 2.0]}, WorkloadError, "expected 1"),
        (["R-56"], ["t4"], {"quality": {"R-57": 1.0}}, WorkloadError, "quality=R-56"),
        (["R-56"], ["t5"], {}, DeviceError, "t4"),
        (["R-57"], ["t4"], {}, OracleError, "R-56"),
    ],
    ids=["no network", "no device", "lengths", "missing quality", "device", "network"],
)
def test_what_cannot_be_ranked_says_why(
    networks: list[str], devices: list[str], options: dict[str, object], error: type[OracleError], words: str
) -> None:
    with pytest.raises(error, match=words):
        rank(networks, devices, **options)  # type: ignore[arg-type]


def test_networks_of_different_workloads_have_no_order() -> None:
    cfgs = [load_cfg("R-56", ["COST.BATCH_SIZE", 8]), load_cfg("R-110")]
    with pytest.raises(WorkloadError, match="batch_size: R-56 states 8, R-110 1; expected one workload for all"):
        rank(cfgs, ["t4"])
    assert len(rank(cfgs, ["t4"], batch_size=2).costs) == 2


def test_the_order_of_equal_kernels_tells_no_networks_apart() -> None:
    """Two cells of NAS-Bench-201 that are mirror images: the sums of their kernels' times differ in the last bit."""
    skip, conv = "skip_connect", "nor_conv_3x3"
    cells = ([skip, skip, conv, conv, skip, conv], [conv, skip, conv, conv, skip, skip])
    nets = [cfg_from_dict({"MODEL": {"TYPE": "nasbench201"}, "NB201": {"OPS": ops}}) for ops in cells]
    found = rank(nets, ["t4", "raspberry-pi-4"])
    for device in found.devices:
        first, second = (cost.latency_ms[device] for cost in found.costs)
        assert first == second
        assert found.dominated[device] == (False, False)
