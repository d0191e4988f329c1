"""Domains: what a calibration was fitted to, and what becomes of its word elsewhere."""

import numpy as np
import pytest

from oracle.calibration import general_prior
from oracle.calibration.domain import LEVELS, Domain, blended, reach, widened
from oracle.calibration.model import CALL, vector_of

SMALL = Domain.of([1, 1, 1], [32, 32, 32])


def test_a_domain_holds_what_was_measured_and_knows_how_far_the_rest_is() -> None:
    found = Domain.of([64, 256, 1], [224, 32, 1024])
    assert found == Domain((1, 256), (32, 1024), (256 * 32**2, 64 * 224**2))
    assert found.octaves(256, 32) == found.octaves(64, 224) == 0
    assert found.octaves(128, 224) == pytest.approx(1)
    assert found.octaves(1, 32) == pytest.approx(-8)  # 2^10 pixels, where 2^18 are the fewest
    assert found.octaves(1, None) == Domain().octaves(1, 224) == 0


def test_what_was_not_measured_is_said_in_words() -> None:
    assert SMALL.describe(1, 32) == Domain().describe(8, 224) == ""
    assert SMALL.describe(1, 224) == "fitted to 32x32 images, this is 224x224"
    assert Domain.of([64, 1024], [128, 384]).describe(1, 224) == "fitted to batches of 64 to 1024, this is 1"
    found = Domain.of([1, 256], [1024, 64])  # 1 megapixel each
    assert found.describe(8, 128) == "fitted to 1.05 to 1.05 million pixels a call, this is 0.131"


def test_a_calibration_counts_less_the_farther_it_is_asked_and_less_so_below_than_above() -> None:
    assert reach(0.0) == 1.0
    above, below = [reach(float(o)) for o in range(30)], [reach(-float(o)) for o in range(30)]
    assert above == sorted(above, reverse=True)
    assert set(above) == set(LEVELS)
    assert all(low >= high for low, high in zip(below, above, strict=True))


def test_a_blend_lies_between_the_two_and_keeps_the_host() -> None:
    own, general = general_prior("datacenter-gpu").efficiency, general_prior("desktop-cpu").efficiency
    half = blended(own, general, 0.5)
    shares = slice(0, CALL)
    np.testing.assert_allclose(
        vector_of(half)[shares], (vector_of(own)[shares] + vector_of(general)[shares]) / 2, rtol=1e-9
    )
    assert (half.dispatch_s, half.call_s) == (own.dispatch_s, own.call_s)
    assert blended(own, general, 1.0) is own


def test_an_interval_widens_on_both_sides_and_holds_the_prediction_outside_of_the_domain() -> None:
    assert widened(None, 3.0) is None
    assert widened((0.9, 1.2), 0.0) == (0.9, 1.2)
    low, high = widened((1.1, 1.2), 2.0)
    assert low < 1.0
    assert high > 1.2
    assert widened((0.9, 1.2), -2.0) == widened((0.9, 1.2), 2.0)
