from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from search.pool.surrogate import Factor, Shape, _distance, _loss, _matern, _squares, shape_of


def data(count: int = 40) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    blocks = [
        rng.standard_normal((count, 2)).astype(np.float32) / 2**0.5,
        rng.standard_normal((count, 3)).astype(np.float32),
    ]
    values = np.sin(2 * blocks[0][:, 0]) + 0.5 * blocks[1][:, 0].astype(np.float64)
    return blocks, values + 0.01 * rng.standard_normal(count)


def test_it_is_the_process_of_scikit_learn() -> None:
    blocks, values = data()
    shape = Shape((0.7, 2.0), 0.1, 0.3)
    known, asked = [block[:30] for block in blocks], [block[30:] for block in blocks]
    fitted = Factor.of(known, shape).fit(values[:30])
    mean, deviation = fitted.predict(asked)

    def joined(some: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([block / length for block, length in zip(some, shape.lengths, strict=True)], axis=1)

    # The linear kernel sees features without length scales: a second process on these alone adds up with the first.
    kernel = ConstantKernel(1.0) * Matern(1.0, nu=2.5)
    linear = ConstantKernel(shape.trend) * DotProduct(0.0)

    def covariance(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
        return kernel(joined(a), joined(b)) + linear(np.concatenate(a, axis=1), np.concatenate(b, axis=1))

    own = covariance(known, known) + shape.noise * np.eye(30)
    across = covariance(known, asked)
    ones = np.ones(30)
    centre = ones @ np.linalg.solve(own, values[:30]) / (ones @ np.linalg.solve(own, ones))
    rest = values[:30] - centre
    variance = rest @ np.linalg.solve(own, rest) / 30
    left = np.diag(covariance(asked, asked)) - np.einsum("nm,nm->m", across, np.linalg.solve(own, across))

    assert mean == pytest.approx(centre + across.T @ np.linalg.solve(own, rest), abs=2e-4)
    assert deviation == pytest.approx(np.sqrt(variance * left), rel=2e-3)


def test_the_loss_is_the_marginal_likelihood_of_scikit_learn() -> None:
    blocks, values = data()
    features = blocks[1].astype(np.float64)
    squares = [_squares(blocks[1], blocks[1])]
    differences = []
    for length in (0.5, 1.0, 3.0):
        truth = []
        for scale in np.geomspace(0.05, 20, 60):  # ours is the likeliest; theirs is asked about each
            process = GaussianProcessRegressor(
                ConstantKernel(scale) * Matern(length, nu=2.5), alpha=0.1 * scale, optimizer=None
            )
            own = values - _centre(features, values, length)
            truth.append(process.fit(features, own).log_marginal_likelihood_value_)
        ours = -_loss(_matern(_distance(squares, (length,))), values, 0.1)
        differences.append(max(truth) - ours)

    assert np.ptp(differences) < 0.05


def _centre(features: np.ndarray, values: np.ndarray, length: float) -> float:
    own = Matern(length, nu=2.5)(features) + 0.1 * np.eye(len(values))
    return float(np.linalg.solve(own, values).sum() / np.linalg.solve(own, np.ones(len(values))).sum())


def test_the_shape_leaves_out_what_says_nothing() -> None:
    rng = np.random.default_rng(1)
    block, noise = (rng.standard_normal((60, 1)).astype(np.float32) for _ in range(2))
    shape = shape_of([block, noise], np.sin(3 * block[:, 0].astype(np.float64)))

    assert shape.lengths[0] < 1.5
    assert shape.lengths[1] > 3
    assert shape.noise == 1e-3


def test_equal_values_and_a_single_one_are_no_accident() -> None:
    blocks = [np.zeros((3, 1), dtype=np.float32)]
    mean, deviation = Factor.of(blocks, shape_of(blocks, np.full(3, 7.0))).fit(np.full(3, 7.0)).predict(blocks)

    assert mean == pytest.approx(7.0)
    assert np.isfinite(deviation).all()
    mean, _ = Factor.of([block[:1] for block in blocks], Shape((1.0,))).fit(np.array([2.0])).predict(blocks)
    assert mean == pytest.approx(2.0)


def test_a_covariance_that_is_extended_is_that_of_all() -> None:
    blocks, values = data()
    shape = Shape((0.7, np.inf), 0.1, 0.3)
    first, rest = [block[:25] for block in blocks], [block[25:] for block in blocks]
    whole, grown = Factor.of(blocks, shape).fit(values), Factor.of(first, shape).extended(rest).fit(values)

    for ours, truth in zip(grown.predict(blocks), whole.predict(blocks), strict=True):
        assert ours == pytest.approx(truth, abs=1e-4)
    assert grown.mean(blocks) == pytest.approx(whole.predict(blocks)[0], abs=1e-4)
