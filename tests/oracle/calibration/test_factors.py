"""Factors per group of kernels: found again where devices differ by them, and left where nothing shows them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oracle.calibration import GENERAL, Prior, RoofTimes
from oracle.calibration.classes import CLASSES
from oracle.calibration.factors import BOARDS, factored, scaled
from oracle.calibration.fitting import fit_vector, settled_vector
from oracle.calibration.model import LAUNCH, NAMES, Floats, Stack
from oracle.roofline import Efficiency

Networks = Callable[..., list[RoofTimes]]
SomeDevice = Callable[[int], Floats]


def other_board(mean: Floats, common: float, convolutions: float, launches: float) -> Floats:
    """A device by which everything takes `common` times as long, arithmetic of convolutions and launches longer yet."""
    factor = np.full(len(NAMES), common)
    factor[CLASSES.index("conv")] *= convolutions
    factor[LAUNCH:] *= launches
    return scaled(mean, factor)


@pytest.mark.parametrize("overlap", [0.0, 1.0])
def test_a_board_that_differs_by_its_groups_is_found_from_five_networks(overlap: float, networks: Networks) -> None:
    known, unseen = networks(5), networks(40, seed=2)
    for common in (0.6, 1.8):
        truth = other_board(GENERAL.mean, common, 1.3, 0.8)
        measured = Stack(known, overlap).seconds(truth)
        vector = factored(Stack(known, overlap), measured, GENERAL.mean, BOARDS)
        ratios = Stack(unseen, overlap).seconds(vector) / Stack(unseen, overlap).seconds(truth)
        assert np.median(np.abs(ratios - 1)) < 0.06


def test_one_odd_network_does_not_bend_the_rest(networks: Networks) -> None:
    known, unseen = networks(6), networks(40, seed=2)
    measured = 1.5 * Stack(known).seconds(GENERAL.mean)
    measured[2] *= 8
    vector = factored(Stack(known), measured, GENERAL.mean, BOARDS)
    assert np.median(Stack(unseen).seconds(vector) / Stack(unseen).seconds(GENERAL.mean)) == pytest.approx(1.5, rel=0.1)


def test_what_scatters_about_a_relative_leaves_it(networks: Networks) -> None:
    known = networks(5)
    scatter = np.exp([-0.2, -0.1, 0.01, 0.1, 0.2])
    vector = factored(Stack(known), scatter * Stack(known).seconds(GENERAL.mean), GENERAL.mean, BOARDS)
    assert np.array_equal(vector, GENERAL.mean)


def test_no_measurement_at_all_is_the_relative_and_one_is_met_part_of_the_way(networks: Networks) -> None:
    prior = Prior(GENERAL.efficiency, factors=BOARDS)
    assert np.array_equal(settled_vector([], np.array([]), prior), prior.mean)
    (one,), others = networks(1), networks(30, seed=2)
    before = Stack([one]).seconds(prior.mean)
    vector = settled_vector([one], 2 * before, prior)
    assert 1.5 < (Stack([one]).seconds(vector) / before)[0] < 2
    assert 1.3 < np.median(Stack(others).seconds(vector) / Stack(others).seconds(prior.mean)) < 2


def test_many_measurements_say_more_than_factors(networks: Networks, some_device: SomeDevice) -> None:
    """Where classes differ as no group does, a fit takes over."""
    known, unseen, truth = networks(40), networks(60, seed=2), some_device(4)
    measured = Stack(known).seconds(truth)
    prior = Prior(GENERAL.efficiency, factors=BOARDS)

    def error(vector: Floats) -> float:
        return float(np.median(np.abs(Stack(unseen).seconds(vector) / Stack(unseen).seconds(truth) - 1)))

    simple = error(factored(Stack(known), measured, prior.mean, BOARDS))
    assert error(settled_vector(known, measured, prior)) < 0.6 * simple


def test_a_prior_keeps_what_is_not_fitted(networks: Networks) -> None:
    own = Efficiency(compute=GENERAL.efficiency.compute, memory=GENERAL.efficiency.memory, overlap=1.0)
    prior = Prior(own, factors=BOARDS)
    known = networks(50)
    assert prior.at(prior.mean).efficiency.overlap == 1.0
    truth = prior.mean + 0.2
    vector = fit_vector(known, Stack(known, 1.0).seconds(truth), prior)
    np.testing.assert_allclose(Stack(known, 1.0).seconds(vector), Stack(known, 1.0).seconds(truth), rtol=0.1)
