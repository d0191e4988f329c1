"""What holds for every calibration that ships, on every network: no test here knows a measured figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import oracle
from oracle._ranks import kendall_tau_b
from oracle._resources import shipped
from oracle.calibration import CLASSES, GENERAL, Calibration, RoofTimes, conformal, general_prior, load_calibration
from oracle.calibration.domain import beyond
from oracle.calibration.fitting import fit_vector
from oracle.calibration.model import Floats, Stack
from oracle.calibration.validation import COVERAGE, cross_validate
from oracle.closedform import TemplateStore
from oracle.closedform.library import library
from oracle.devices import Device
from oracle.devices.cores import CORES
from oracle.errors import OracleError
from oracle.spec import Workload
from tests.each import each

FILES = shipped("calibrations")
Networks = Callable[..., list[RoofTimes]]


@lru_cache(maxsize=1)
def _store() -> TemplateStore:
    return TemplateStore(library())


@lru_cache(maxsize=1)
def _nets() -> list[oracle.NetSpec]:
    """Every shipped network of images, of every family."""
    nets = [oracle.to_spec(oracle.load_cfg(name)) for name in oracle.list_networks()]
    return [net for net in nets if len(net.input_shape) == 3]


@lru_cache(maxsize=1)
def _devices() -> list[Device]:
    return [oracle.load_device(name) for name in oracle.list_devices()]


def _workload(found: Calibration) -> Workload:
    return Workload(dtype=found.dtype, mode=found.mode, runtime=found.runtime, layout=found.layout)


@each(FILES)
def test_no_share_of_a_roof_is_above_one(file: Path) -> None:
    found = load_calibration(file)
    for shares in (found.efficiency.compute, found.efficiency.memory):
        assert set(shares) == set(CLASSES)
        assert all(0 < share < 1 for share in shares.values())
    assert min(*found.efficiency.launch_of(CLASSES), found.efficiency.call_s, found.efficiency.floor_s) >= 0
    if found.interval is not None and found.measurements and found.device not in CORES:  # priors may be off one way
        assert found.interval[0] < 1 < found.interval[1]


_WORKLOADS = list(product(["float16", "float32"], ["eager", "compiled"], [1, 64]))
_FIRST = {("float16", "eager", 64): 0, ("float32", "compiled", 1): 3, ("float32", "eager", 1): 6}


@pytest.mark.parametrize(("workload", "first"), _FIRST.items())
def test_no_calibrated_prediction_beats_the_roof_on_any_device(workload: tuple[str, str, int], first: int) -> None:
    """A ninth of the networks on all devices that have a calibration or a prior for the workload.

    Far from what they were fitted to, calibrations count in part: one image is, and so are small images.
    """
    assert_none_beats_the_roof(_nets()[first::9], *workload)


@pytest.mark.nightly
@pytest.mark.parametrize("workload", _WORKLOADS)
def test_no_calibrated_prediction_of_any_network_beats_the_roof(workload: tuple[str, str, int]) -> None:
    assert_none_beats_the_roof(_nets(), *workload)


def assert_none_beats_the_roof(nets: list[oracle.NetSpec], dtype: str, runtime: str, batch_size: int) -> None:
    """By the closed forms."""
    words = {"dtype": dtype, "runtime": runtime, "batch_size": batch_size, "store": _store()}
    usable = []
    for device in _devices():
        try:
            oracle.score_many(nets[:1], [device], model="calibrated", **words)  # type: ignore[arg-type]
        except OracleError:  # no peak for the dtype, or no prior of its kind
            continue
        usable.append(device)
    assert len(usable) > 10
    bound = oracle.score_many(nets, usable, model="roofline", **words)  # type: ignore[arg-type]
    found = oracle.score_many(nets, usable, model="calibrated", **words)  # type: ignore[arg-type]
    for name, latency in found.latency_ms.items():
        assert (latency > bound.latency_ms[name]).all(), name
        assert (found.roofline_ms[name] == bound.latency_ms[name]).all(), name


@each(FILES)
def test_no_share_is_above_one_where_a_calibration_counts_in_part(file: Path) -> None:
    found = load_calibration(file)
    kind = found.device if found.device not in oracle.list_devices() else oracle.load_device(found.device).kind
    for octaves in (0.5, 3.0, 20.0):
        mixed = beyond(found.efficiency, general_prior(kind, found.runtime).efficiency, octaves)
        for shares in (mixed.compute, mixed.memory):
            assert set(shares) == set(CLASSES)
            assert all(0 < share < 1 for share in shares.values()), octaves
        assert mixed.dispatch_s == found.efficiency.dispatch_s


@pytest.mark.parametrize("seed", range(3))
def test_the_fitted_order_is_stable_under_one_per_cent_of_noise(
    networks: Networks, some_device: Callable[[int], Floats], seed: int
) -> None:
    nets = networks(120, seed)
    rng = np.random.default_rng(seed)
    # What the model does not know about a network is larger than the noise that is added to it.
    measured = Stack(nets).seconds(some_device(seed)) * np.exp(rng.normal(0, 0.08, len(nets)))
    noisy = measured * rng.uniform(0.99, 1.01, len(nets))
    before, after = (Stack(nets).seconds(fit_vector(nets, seconds, GENERAL)) for seconds in (measured, noisy))
    assert kendall_tau_b(before, after) > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_to_few_networks_orders_others_as_stably(
    networks: Networks, some_device: Callable[[int], Floats], seed: int
) -> None:
    nets, others = networks(10, seed), networks(120, seed + 100)
    rng = np.random.default_rng(seed)
    measured = Stack(nets).seconds(some_device(seed))
    noisy = measured * rng.uniform(0.99, 1.01, len(nets))
    before, after = (Stack(others).seconds(fit_vector(nets, seconds, GENERAL)) for seconds in (measured, noisy))
    assert kendall_tau_b(before, after) > 0.98


def test_intervals_hold_as_much_as_they_promise(networks: Networks, some_device: Callable[[int], Floats]) -> None:
    """Over many small calibrations the interval from cross-validation holds 80 % of new networks, within 5 points."""
    held, asked = 0, 0
    for seed in range(12):
        nets, rng = networks(160, seed), np.random.default_rng(seed)
        measured = Stack(nets).seconds(some_device(seed)) * np.exp(rng.normal(0, 0.1, len(nets)))
        found = cross_validate(nets[:80], measured[:80], GENERAL, None)
        assert found is not None
        assert found.interval is not None
        predicted = Stack(nets[80:]).seconds(fit_vector(nets[:80], measured[:80], GENERAL))
        ratio = measured[80:] / predicted
        held += int(((ratio >= found.interval[0]) & (ratio <= found.interval[1])).sum())
        asked += len(ratio)
    assert held / asked == pytest.approx(COVERAGE, abs=0.05)


@pytest.mark.parametrize("count", [20, 100, 1000])
def test_a_conformal_interval_covers_at_least_what_it_promises(count: int) -> None:
    rng = np.random.default_rng(count)
    inside = 0.0
    for _ in range(200):
        bounds = conformal(np.exp(rng.normal(0, 0.2, count)))
        assert bounds is not None
        new = np.exp(rng.normal(0, 0.2, 500))
        inside += float(((new >= bounds[0]) & (new <= bounds[1])).mean())
    assert inside / 200 > COVERAGE - 0.01


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
def test_a_chip_with_more_bandwidth_reads_weights_sooner(runtime: str) -> None:
    """Products of an L40S were measured, those of an RTX 4090, the same chip with more bandwidth, were not."""
    names = ("l40s", "rtx-4090")
    words = {"runtime": runtime, "phase": "decode", "past": 512, "dtype": "bfloat16", "weights": "bfloat16"}
    found = oracle.score("Llama-3.1-8B", names, cuda_graphs=runtime != "engine", **words)  # type: ignore[arg-type]
    slow, fast = (found.latency_ms[name] * oracle.load_device(name).bandwidth.value for name in names)
    assert slow == pytest.approx(fast, rel=0.07)
