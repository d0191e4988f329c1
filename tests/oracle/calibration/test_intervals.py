from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from oracle.calibration import conformal
from oracle.calibration.intervals import quantile, tie_ratio
from oracle.errors import DeviceError

INTERVALS = st.tuples(st.floats(0.1, 3), st.floats(1.001, 5)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(INTERVALS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_quantiles_pass_through_the_ends_and_rise(interval: tuple[float, float], a: float, b: float) -> None:
    assert quantile(interval, 0.1) == pytest.approx(interval[0])
    assert quantile(interval, 0.9) == pytest.approx(interval[1])
    assert quantile(interval, 0.5) == pytest.approx(math.sqrt(interval[0] * interval[1]))
    assert (quantile(interval, a) <= quantile(interval, b)) == (a <= b) or a == pytest.approx(b)


def test_quantiles_of_lognormal_errors_are_theirs() -> None:
    ratios = np.random.default_rng(0).lognormal(0.1, 0.3, 200_000)
    interval = conformal(ratios)
    assert interval is not None
    for probability in (0.05, 0.5, 0.8, 0.95, 0.99):
        assert np.mean(ratios <= quantile(interval, probability)) == pytest.approx(probability, abs=0.004)


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.995, 1.0, math.nan])
def test_far_tails_are_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        quantile((0.8, 1.2), probability)


def test_independent_errors_of_equal_networks_are_tied_in_80_percent() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.lognormal(0.1, 0.3, (2, 200_000))
    interval = conformal(first)
    assert interval is not None
    tied = np.abs(np.log(first / second)) <= math.log(tie_ratio(interval))
    assert tied.mean() == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("count", [2, 40])  # the two ways of score_many: network by network, and as a population
def test_columns_of_quantiles(count: int) -> None:
    nets = [
        oracle.to_spec(
            oracle.load_cfg("RegNetX-400MF", ["REGNET.DEPTH", 22 - i % 2, "TRAIN.IM_SIZE", 32 * (1 + i % 3)])
        )
        for i in range(count)
    ]
    scores = oracle.score_many(nets, ["t4", "rtx-2080-ti", "pixel-2"], batch_size=2)
    for device, (low, high) in scores.interval_ms.items():
        np.testing.assert_allclose(scores.latency_quantile_ms(device, 0.1), low)
        np.testing.assert_allclose(scores.latency_quantile_ms(device, 0.9), high)
        assert (scores.latency_quantile_ms(device, 0.5) < high).all()
        assert (scores.latency_quantile_ms(device, 0.95) > high).all()
    assert set(scores.interval_ms) == {"t4", "rtx-2080-ti", "pixel-2"}


def test_a_device_without_a_known_error_has_no_quantiles() -> None:
    scores = oracle.score_many(["RegNetX-200MF"], ["t4"], model="roofline")
    with pytest.raises(DeviceError, match=r"'t4'.*no interval"):
        scores.latency_quantile_ms("t4", 0.9)
