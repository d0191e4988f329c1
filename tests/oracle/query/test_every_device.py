"""Every device under every workload: an answer that says what it rests on, and none out of line with its kind."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import pytest

import oracle
from oracle.devices import Device
from oracle.errors import DeviceError
from oracle.query import Cost
from tests.nightly import unless

NETWORKS = ("ResNet-50", "RegNetX-200MF", "EfficientNet-B0", "ViT-S-16", "FBNet-C", "R-56")
REASONS = ("fitted to", "for want of one of", "nothing was measured on", "general knowledge")
"""Why there is no error: another dtype, size or kind was measured, nothing was, or only one device of the kind."""

DEVICES = [device for name in oracle.list_devices() if not (device := oracle.load_device(name)).calibrate_only]


WORKLOADS = unless(
    # two types of two bytes differ in which devices have them, and batches in what is full, which one runtime shows
    lambda words: "compiled" in words or not ("bfloat16" in words or "64" in words),
    map(list, product(("eager", "compiled", "engine"), ("float32", "float16", "bfloat16"), ("1", "64"))),
)


def scored(network: str, runtime: str, dtype: str, batch_size: int, **words: str) -> Cost:
    places = [device for device in DEVICES if _computes(device, dtype)]
    return oracle.score(network, places, runtime=runtime, dtype=dtype, batch_size=batch_size, **words)


def _computes(device: Device, dtype: str) -> bool:
    try:
        return all(device.peak_flops(unit, word) > 0 for unit, word in (("matrix", dtype), ("vector", "float32")))
    except DeviceError:
        return False


@pytest.fixture(scope="module", params=WORKLOADS, ids="-".join)
def costs(request: pytest.FixtureRequest) -> dict[str, Cost]:
    """Network -> its cost on all devices, under one workload."""
    runtime, dtype, batch_size = request.param
    return {network: scored(network, runtime, dtype, int(batch_size)) for network in NETWORKS}


def test_there_is_an_answer_that_says_what_it_rests_on(costs: dict[str, Cost]) -> None:
    for network, cost in costs.items():
        assert len(cost.times) > 20
        for name, time in cost.times.items():
            assert time.latency_ms >= cost.roofline_ms[name] > 0, (network, name)
            assert time.model in ("calibrated", "prior", "roofline")
            assert time.expected_error is not None or any(reason in time.source for reason in REASONS), time
            if time.interval_ms is not None:
                assert time.interval_ms[0] <= time.latency_ms <= time.interval_ms[1], (network, time)


def test_no_device_is_out_of_line_with_its_kind(costs: dict[str, Cost]) -> None:
    """No latency is more than 3.2 times that of a neighbour, but for what the roofs of the two explain.

    The farthest: a Raspberry Pi 4 as HELP measured it with TensorFlow Lite, beside boards that their kind alone tells.
    """
    kinds = {device.name: device.kind for device in DEVICES}
    for network, cost in costs.items():
        for pair in combinations(cost.times, 2):
            if kinds[pair[0]] == kinds[pair[1]]:
                for one, other in (pair, pair[::-1]):
                    slower = cost.latency_ms[one] / cost.latency_ms[other]
                    explained = max(1.0, cost.roofline_ms[one] / cost.roofline_ms[other])
                    assert slower <= 3.2 * explained, (network, one, cost.times[one], other, cost.times[other])


BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128)
_WORKLOADS = (
    *(("eager", dtype, {}) for dtype in ("float32", "float16", "bfloat16")),
    *(("compiled", dtype, {}) for dtype in ("float32", "float16")),
    *(("engine", dtype, {}) for dtype in ("float16", "int8")),
    *(("engine", dtype, {"engine": "ncnn"}) for dtype in ("float32", "int8")),
    ("eager", "float16", {"mode": "training"}),
)


@pytest.mark.parametrize(
    ("runtime", "dtype", "words", "network"),
    unless(
        lambda case: case[1] == ("int8" if "engine" in case[2] else "float32") and case[3] in NETWORKS[::2],
        ((*workload, network) for workload, network in product(_WORKLOADS, (*NETWORKS, "NB201-ResNet"))),
    ),
)
def test_no_call_takes_less_time_with_more_images(
    runtime: str, dtype: str, words: dict[str, str], network: str
) -> None:
    """Also across the edge of what a calibration was fitted to, on either side of it."""
    curves = [scored(network, runtime, dtype, batch_size, **words).latency_ms for batch_size in BATCHES]
    assert len(curves[0]) > 20
    for one, more in pairwise(curves):
        assert all(more[name] >= one[name] for name in one)
