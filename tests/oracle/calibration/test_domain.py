"""Domains: what a calibration was fitted to, and what becomes of its word elsewhere."""

import numpy as np
import pytest

from oracle.calibration import general_prior
from oracle.calibration.classes import CLASSES
from oracle.calibration.domain import Domain, beyond, widened
from oracle.roofline import Efficiency

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


GENERAL = general_prior("desktop-cpu").efficiency


def lone(share: float) -> Efficiency:
    """A calibration that reaches one share of everything."""
    shares = dict.fromkeys(CLASSES, share)
    return Efficiency(shares, shares, call_s=1e-4, floor_s=1e-5, dispatch_s=2e-6, launches=dict.fromkeys(CLASSES, 3e-6))


@pytest.mark.parametrize("octaves", [0.0, -1.0, -8.0])
def test_within_its_domain_and_below_a_calibration_stays(octaves: float) -> None:
    own = lone(0.5)
    assert beyond(own, GENERAL, octaves) is own


def test_above_its_domain_shares_move_towards_general_knowledge() -> None:
    own, general = lone(0.5), lone(0.6)
    logit = {share: float(np.log(share / (1 - share))) for share in (0.5, 0.6)}
    half = 1 / (1 + np.exp(-(logit[0.5] + logit[0.6]) / 2))
    found = beyond(own, general, 3.0)  # where each has half
    for shares in (found.compute, found.memory):
        assert shares == pytest.approx(dict.fromkeys(CLASSES, half))
    far = beyond(own, general, 1e3)
    assert far.compute == pytest.approx(general.compute, rel=1e-3)


def test_launches_weights_and_the_host_stay_above_the_domain() -> None:
    found = beyond(lone(0.02), GENERAL, 5.0)
    assert found.compute["conv"] > 0.02
    assert found.weights == pytest.approx(dict.fromkeys(CLASSES, 0.02))  # where no class had its own
    kept = ("launches", "launch_s", "floor_s", "dispatch_s", "call_s", "savings")
    assert all(getattr(found, name) == getattr(lone(0.02), name) for name in kept)


@pytest.mark.parametrize("share", [1e-4, 0.02, 0.3, 0.6, 0.95])
def test_no_share_grows_faster_than_the_work(share: float) -> None:
    """Work of 2^octaves over the share it is done at never falls, and nowhere jumps."""
    octaves = np.linspace(0.0, 20.0, 2001)
    found = [beyond(lone(share), GENERAL, o).compute for o in octaves.tolist()]
    for name in ("conv", "elementwise"):
        shares = np.array([compute[name] for compute in found])
        steps = np.diff(octaves - np.log2(shares))
        assert shares[0] == share
        assert (steps >= 0).all()
        assert (steps < 0.03).all()  # of octaves, at hundredths of one


def test_an_interval_widens_on_both_sides_and_holds_the_prediction_outside_of_the_domain() -> None:
    assert widened(None, 3.0) is None
    assert widened((0.9, 1.2), 0.0) == (0.9, 1.2)
    low, high = widened((1.1, 1.2), 2.0)
    assert low < 1.0
    assert high > 1.2
    assert widened((0.9, 1.2), -2.0) == widened((0.9, 1.2), 2.0)
