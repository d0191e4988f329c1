from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from search.pareto import hypervolume
from search.pool.acquisition import expected_area, expected_excess, stairs


@pytest.mark.parametrize("gap", [-3.9, -2.0, -0.5, 0.0, 1.0, 6.0])
def test_expected_excess_is_the_integral(gap: float) -> None:
    mean, deviation, level = 1.5, 0.3, 1.5 - 0.3 * gap
    law = stats.norm(mean, deviation)
    truth, _ = integrate.quad(lambda y: (y - level) * law.pdf(y), level, mean + 12 * deviation, epsabs=0)

    assert expected_excess(np.array([mean]), np.array([deviation]), level)[0] == pytest.approx(truth, rel=1e-5)


def test_the_tail_is_positive_falls_and_is_near_the_integral() -> None:
    z = -np.linspace(4, 30, 100)
    found = expected_excess(z, np.ones(100), 0.0)
    truth = [integrate.quad(lambda y, m=m: y * stats.norm.pdf(y, m), 0, 12, epsabs=0, limit=500)[0] for m in z[:20]]

    assert (np.diff(found) < 0).all()
    assert (found > 0).all()
    assert found[:20] == pytest.approx(truth, rel=0.02)


def test_what_is_known_exceeds_by_its_gap() -> None:
    assert expected_excess(np.array([3.0, 1.0]), np.zeros(2), 2.0).tolist() == [1.0, 0.0]


def test_stairs_are_the_front_between_the_corners() -> None:
    points = np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 1.0], [1.5, 1.5], [3.0, 0.5], [0.0, 9.0], [1.0, 3.0]])
    inf = np.inf

    assert stairs(points, np.array([0.5, 0.5])).tolist() == [[0.5, inf], [1, 3], [2, 2], [inf, 0.5]]
    assert stairs(points[:0], np.zeros(2)).tolist() == [[0.0, inf], [inf, 0.0]]


@pytest.mark.parametrize("known", [False, True])
def test_expected_area_is_the_mean_of_hypervolumes(known: bool) -> None:
    rng = np.random.default_rng(0)
    points, reference = rng.random((8, 2)), np.array([0.05, 0.1])
    mean, deviation = rng.random((5, 2)) * 1.1, rng.random((5, 2)) * 0.3
    if known:
        deviation[:, 1] = 0

    def volume(some: np.ndarray) -> float:
        return hypervolume(list(some.T), list(reference), [True, True])

    draws = rng.standard_normal((600, 5, 2)) * deviation + mean
    gains = [[volume(np.vstack([points, one])) - volume(points) for one in some] for some in draws]
    error = np.std(gains, axis=0) / 600**0.5

    assert np.abs(expected_area(mean, deviation, points, reference) - np.mean(gains, axis=0)).max() < 4 * error.max()


def test_expected_area_of_known_candidates_is_what_they_add() -> None:
    points, reference = np.array([[1.0, 3.0], [2.0, 2.0]]), np.zeros(2)
    candidates = np.array([[1.5, 2.5], [1.0, 1.0], [4.0, 4.0]])

    assert expected_area(candidates, np.zeros((3, 2)), points, reference).tolist() == [0.25, 0.0, 11.0]
