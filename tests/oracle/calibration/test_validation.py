"""Errors on what a fit has not seen, and the coverage of intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oracle.calibration import GENERAL, RoofTimes, conformal, fit, general_prior, predict, transfer
from oracle.calibration.model import Floats, Stack
from oracle.calibration.validation import cross_validate, folds_of
from oracle.errors import WorkloadError
from oracle.spec import Workload

Networks = Callable[..., list[RoofTimes]]
SomeDevice = Callable[[int], Floats]


def test_folds_keep_groups_whole_and_sizes_near() -> None:
    groups = [f"g{index % 23}" for index in range(230)]
    fold = folds_of(groups)
    assert all(len({f for f, g in zip(fold, groups, strict=True) if g == name}) == 1 for name in groups)
    sizes = np.bincount(fold)
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 10


def test_conformal_covers_what_it_promises() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        bounds = conformal(np.exp(rng.standard_t(3, 29) * 0.1))
        assert bounds is not None
        inside.append(bounds[0] <= np.exp(rng.standard_t(3) * 0.1) <= bounds[1])
    assert 0.78 < np.mean(inside) < 0.83  # 24 of 30 ranks lie between


def test_conformal_by_hand() -> None:
    assert conformal(np.arange(1.0, 20.0)) == (2.0, 18.0)
    assert conformal(np.arange(1.0, 9.0)) is None  # eight cannot promise 10 % on a side


def test_cross_validation_sees_noise_of_the_size_it_has(networks: Networks, some_device: SomeDevice) -> None:
    known = networks(80, 1)
    noise = np.exp(np.random.default_rng(1).normal(0, 0.1, 80))
    seconds = Stack(known).seconds(some_device(1)) * noise
    found = cross_validate(known, seconds, GENERAL, [f"f{index // 8}" for index in range(80)])
    assert found is not None
    assert found.protocol == "leave-family-out"
    assert 0.06 < found.error < 0.16
    assert set(found.by_family) == {f"f{index}" for index in range(10)}
    assert cross_validate(known[:3], seconds[:3], GENERAL, None) is None


def test_fit_says_what_it_is(networks: Networks, some_device: SomeDevice) -> None:
    known = networks(14, 1)
    seconds = Stack(known).seconds(some_device(1))
    found = fit("t4", known, seconds, general_prior("datacenter-gpu"), Workload(dtype="float16", runtime="compiled"))
    assert (found.device, found.runtime, found.mode, found.dtype, found.measurements) == (
        "t4",
        "compiled",
        "inference",
        "float16",
        14,
    )
    assert found.error is not None
    assert found.error < 0.3
    assert found.interval is not None
    low, high = found.interval
    assert found.interval_ms(10.0) == (10 * low, 10 * high)
    assert "14 measurements" in found.source
    assert np.abs(predict(found, known) / seconds - 1).mean() < 0.05


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_any_number_of_measurements_serves(count: int, networks: Networks, some_device: SomeDevice) -> None:
    known = networks(count, 1)
    seconds = Stack(known).seconds(some_device(1)) if known else np.array([])
    found = fit("t4", known, seconds, GENERAL, Workload())
    assert found.measurements == count
    assert np.all(np.isfinite(predict(found, networks(3, 5))))


@pytest.mark.parametrize("bad", [[0.0], [-1.0], [float("nan")], [float("inf")], [1.0, 2.0]])
def test_bad_latencies_are_refused(bad: list[float], networks: Networks) -> None:
    with pytest.raises(WorkloadError):
        fit("t4", networks(1), bad, GENERAL, Workload())


def test_transfer_carries_the_residual_and_respects_the_roof() -> None:
    found = transfer(np.array([2.0, 2.0]), np.array([1.0, 4.0]), np.array([3.0, 3.0]), np.array([1.0, 2.5]))
    assert found.tolist() == [6.0, 2.5]
