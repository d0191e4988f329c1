"""The time model against `oracle.roofline`, its derivatives against differences, and fits against known devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle._ranks import kendall_tau_b
from oracle.calibration import GENERAL, Prior, RoofTimes, general_prior, prior_from, roof_times
from oracle.calibration.factors import scaled
from oracle.calibration.fitting import fit_vector, settled_vector
from oracle.calibration.model import CALL, DISPATCH, NAMES, Floats, Stack, efficiency_of, vector_of
from oracle.calibration.prior import PRODUCTS
from oracle.devices import load_device
from oracle.roofline import KernelKinds, time_kernels
from tests.nightly import examples, unless

Networks = Callable[..., list[RoofTimes]]
SomeDevice = Callable[[int], Floats]


def test_it_is_the_formula_of_the_roofline(some_device: SomeDevice) -> None:
    device = load_device("t4")
    kinds = KernelKinds(("conv", "matmul", "elementwise"), ("float32",) * 3, ("float32",) * 3)
    numbers = (np.array([4e9, 1e6, 0.0]), np.array([0.0, 0.0, 3e7]), np.array([1e7, 5e5, 4e8]))
    vector = some_device(1)
    for overlap in (0.0, 0.3, 1.0):
        efficiency = replace(efficiency_of(vector), overlap=overlap)
        expected = time_kernels(kinds, *numbers, device, efficiency).latency_s
        (found,) = Stack([roof_times(kinds, *numbers, device)], overlap).seconds(vector)
        assert found == pytest.approx(expected, rel=1e-12)


def test_it_is_the_formula_of_the_roofline_where_weights_are_laid_out_anew() -> None:
    device = load_device("i9-10940x")
    kinds = KernelKinds(("conv", "matmul"), ("float32",) * 2, ("float32",) * 2)
    numbers = (np.array([4e9, 1e6]), np.zeros(2), np.array([9e7, 5e5]))
    weights = np.array([8e7, 4e5])
    cut = general_prior("desktop-cpu", "compiled").efficiency
    assert cut.packing
    expected = time_kernels(kinds, *numbers, device, cut, weights).latency_s
    (found,) = Stack([roof_times(kinds, *numbers, device, weights, cut=cut)]).seconds(vector_of(cut))
    assert found == pytest.approx(expected, rel=1e-4)  # a dispatch of 0 is 1e-12 s there
    plain = time_kernels(kinds, *numbers, device, replace(cut, packing=frozenset()), weights).latency_s
    assert found > 1.2 * plain


def test_equal_kernels_are_kept_once_and_counted() -> None:
    kinds = KernelKinds(("conv",) * 5, ("float32",) * 5, ("float32",) * 5)
    numbers = np.array([1e9, 1e9, 2e9, 1e9, 2e9])
    found = roof_times(kinds, numbers, numbers * 0, numbers * 1e-2, load_device("t4"))
    assert sorted(found.count.tolist()) == [2, 3]


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dispatch_s", [1e-9, 3e-3, 1.0])  # never, here and there, always what takes longest
def test_slopes_are_differences(dispatch_s: float, overlap: float, networks: Networks, some_device: SomeDevice) -> None:
    stack, vector = Stack(networks(6), overlap), some_device(2)
    vector[DISPATCH] = np.log(dispatch_s)
    seconds, slopes = stack.slopes(vector)
    np.testing.assert_allclose(seconds, stack.seconds(vector))
    for index in range(len(NAMES)):
        step = np.zeros(len(NAMES))
        step[index] = 1e-6
        difference = (stack.seconds(vector + step) - stack.seconds(vector - step)) / 2e-6
        np.testing.assert_allclose(slopes[:, index], difference, rtol=1e-4, atol=1e-9)
    again, parts = stack.parts(vector)
    np.testing.assert_array_equal(again, seconds)
    np.testing.assert_allclose(parts.sum(axis=1), seconds)  # which are of the first degree in all times


@given(values=st.lists(st.floats(-30, 30), min_size=len(NAMES), max_size=len(NAMES)))
@examples(30)
def test_no_parameters_beat_the_roofline(values: list[float], networks: Networks) -> None:
    found = networks(3)
    seconds = Stack(found).seconds(np.array(values))
    assert all(s >= network.roofline_s for s, network in zip(seconds, found, strict=True))


def test_vector_and_efficiency_are_inverse(some_device: SomeDevice) -> None:
    vector = some_device(3)
    np.testing.assert_allclose(vector_of(efficiency_of(vector)), vector, rtol=1e-9)


def test_nothing_measured_gives_the_prior() -> None:
    np.testing.assert_array_equal(fit_vector([], np.array([]), GENERAL), GENERAL.mean)


@pytest.mark.parametrize(("count", "limit"), [(1, 0.5), (10, 0.2), (100, 0.05), (1000, 0.02)])
def test_more_measurements_serve_unseen_networks_better(
    count: int, limit: float, networks: Networks, some_device: SomeDevice
) -> None:
    truth, known, unseen = some_device(4), networks(count, 1), networks(50, 2)
    vector = fit_vector(known, Stack(known).seconds(truth), GENERAL)
    expected = Stack(unseen).seconds(truth)
    assert np.abs(Stack(unseen).seconds(vector) / expected - 1).mean() < limit


def test_outliers_do_little(networks: Networks, some_device: SomeDevice) -> None:
    truth, known, unseen = some_device(5), networks(100, 1), networks(50, 2)
    seconds = Stack(known).seconds(truth)
    seconds[::12] *= 5
    vector = fit_vector(known, seconds, GENERAL)
    assert np.median(np.abs(Stack(unseen).seconds(vector) / Stack(unseen).seconds(truth) - 1)) < 0.08


def test_noise_of_one_percent_keeps_the_order(networks: Networks, some_device: SomeDevice) -> None:
    truth, kept, taus = some_device(6), [], []
    for seed in range(6):
        known = networks(60, seed)
        seconds = Stack(known).seconds(truth)
        noisy = seconds * np.exp(np.random.default_rng(seed).normal(0, 0.01, len(seconds)))
        before, after = (Stack(known).seconds(fit_vector(known, measured, GENERAL)) for measured in (seconds, noisy))
        kept.append((np.argsort(np.argsort(before)) == np.argsort(np.argsort(after))).mean())
        taus.append(kendall_tau_b(before, after))
    assert np.mean(kept) > 0.8
    assert min(taus) > 0.98


def test_a_prior_of_the_kind_helps_a_few_measurements(networks: Networks, some_device: SomeDevice) -> None:
    base, unseen = some_device(8), networks(50, 2)
    gains = []
    for seed in range(5):
        truth = base + np.random.default_rng(seed).normal(0, 0.1, len(NAMES))
        known = networks(5, seed + 10)
        seconds, expected = Stack(known).seconds(truth), Stack(unseen).seconds(truth)
        kin = Prior(efficiency_of(base))
        errors = [
            np.abs(Stack(unseen).seconds(fit_vector(known, seconds, prior)) / expected - 1).mean()
            for prior in (GENERAL, kin)
        ]
        gains.append(errors[0] - errors[1])
    assert np.mean(gains) > 0


def test_a_prior_counts_general_knowledge_as_a_device() -> None:
    other = efficiency_of(GENERAL.mean + 1.0)
    np.testing.assert_allclose(prior_from([other], "it").mean, GENERAL.mean + 0.5)
    limited = prior_from([other], "it", limited=[["matmul"]]).mean - GENERAL.mean
    assert [name for name, moved in zip(NAMES, limited, strict=True) if abs(moved) < 0.1] == ["compute.matmul"]
    processor, gpu = (general_prior(kind).efficiency.launch_of(["conv"]) for kind in ("desktop-cpu", "consumer-gpu"))
    assert processor > gpu
    assert np.all(np.linalg.eigvalsh(replace(GENERAL, common_compute=2.0).precision) > 0)


def test_a_prior_of_processors_lays_weights_out_anew() -> None:
    general = general_prior("desktop-cpu", "compiled")
    assert prior_from([general.efficiency], "", "desktop-cpu", "compiled").efficiency.packing
    assert not general_prior("desktop-cpu", "engine").efficiency.packing
    assert not general_prior("consumer-gpu", "compiled").efficiency.packing


def test_weights_of_cards_come_as_products_measured_alone_have_them() -> None:
    """Whatever networks of images say, in which they are few."""
    for kind, share in (("consumer-gpu", 0.82), ("embedded-gpu", 0.5), ("desktop-cpu", 0.5)):
        assert efficiency_of(general_prior(kind).mean).weights["matmul"] == pytest.approx(share)
    eager, compiled = (general_prior("consumer-gpu", runtime).efficiency.memory for runtime in ("eager", "compiled"))
    assert {name for name in eager if eager[name] != compiled[name]} == set(PRODUCTS)


def test_no_call_takes_less_than_its_host_needs_to_launch_its_kernels(
    networks: Networks, some_device: SomeDevice
) -> None:
    found, vector = networks(3), some_device(0)
    free = Stack(found).seconds(vector)
    vector[DISPATCH] = np.log(0.5)
    launches = np.array([network.count.sum() for network in found])
    np.testing.assert_allclose(Stack(found).seconds(vector), 0.5 * launches + np.exp(vector[CALL]))
    vector[DISPATCH] = np.log(1e-9)
    np.testing.assert_allclose(Stack(found).seconds(vector), free)


def test_one_odd_network_among_ten_does_not_bend_the_rest(networks: Networks, some_device: SomeDevice) -> None:
    truth, known, unseen = some_device(5), networks(10, seed=1), networks(200, seed=2)
    seconds = Stack(known).seconds(truth)
    clean, odd = seconds.copy(), seconds.copy()
    odd[3] *= 9.0
    errors = [
        np.abs(
            Stack(unseen).seconds(settled_vector(known, measured, GENERAL)) / Stack(unseen).seconds(truth) - 1
        ).mean()
        for measured in (clean, odd)
    ]
    assert errors[1] < errors[0] + 0.05


@pytest.mark.parametrize("seed", unless(range(4).__contains__, range(12)))
def test_ten_measurements_do_no_harm(seed: int, networks: Networks, some_device: SomeDevice) -> None:
    """Where the model itself is wrong by a random third for each network, ten of them must not mislead."""
    rng = np.random.default_rng(seed)
    known, unseen, truth = networks(10, seed=seed), networks(200, seed=100 + seed), some_device(seed)
    measured = Stack(known).seconds(truth) * np.exp(rng.normal(0, 0.35, 10))
    real = Stack(unseen).seconds(truth)

    def error(vector: Floats) -> float:
        return float(np.abs(np.log(Stack(unseen).seconds(vector) / real)).mean())

    assert error(settled_vector(known, measured, GENERAL)) < error(GENERAL.mean) + 0.08


def test_a_factor_is_on_all_times(networks: Networks) -> None:
    found = networks(5)
    before = Stack(found).seconds(GENERAL.mean)
    np.testing.assert_allclose(Stack(found).seconds(scaled(GENERAL.mean, 1.5)), 1.5 * before, rtol=1e-4)


def test_what_scatter_explains_does_not_move_a_prior(networks: Networks) -> None:
    """Ten measurements that lie about the prior's predictions at random teach nothing; a common factor does."""
    few = networks(10)
    guess = Stack(few).seconds(GENERAL.mean)
    scatter = np.exp(np.random.default_rng(5).normal(0, 0.15, len(few)))
    assert np.array_equal(settled_vector(few, guess * scatter, GENERAL), GENERAL.mean)
    slow = Stack(few).seconds(settled_vector(few, guess * 2 * np.exp(0.2 * np.log(scatter)), GENERAL))
    assert np.median(slow / guess) == pytest.approx(2, rel=0.1)
