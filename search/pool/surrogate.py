"""A Gaussian process over members: what was evaluated, and how sure that makes us about the rest.

The kernel is Matern's with nu = 5/2 (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17)
of a distance that adds up blocks of features, each with a length scale of its own, plus a linear kernel of the same
features: costs order networks from the first evaluations on, and so a trend is learnt before anything local is. Scale
and noise follow from the data; length scales and shares are those of the largest marginal likelihood on a small grid
(eq. 5.8), found coordinate by coordinate, so that the same data give the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Blocks = Sequence[NDArray[np.float32]]
"""Features in blocks of (n, columns) each, as `search.pool.features.Scaling` scales them."""

_LENGTHS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0)
_OFF = np.inf  # of a block without a say
_NOISES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
_TRENDS = (0.0, 0.1, 0.3, 1.0, 3.0)
_SWEEPS = 2


class Shape(NamedTuple):
    """What the data do not say directly.

    Attributes:
        lengths: of the blocks.
        noise: variance of an evaluation, as a share of the kernel's.
        trend: variance of the linear kernel, as a share of Matern's.
    """

    lengths: tuple[float, ...]
    noise: float = 0.03
    trend: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The covariance of some members, inverted; values come later.

    Attributes:
        shape: of the kernel.
        blocks: the features of the members.
        whiten: the inverse of the Cholesky factor of their covariance.
    """

    shape: Shape
    blocks: Blocks
    whiten: Floats

    @classmethod
    def of(cls, blocks: Blocks, shape: Shape) -> Factor:
        """Of members with these features."""
        return cls(shape, blocks, _whiten(_kernel(blocks, blocks, shape).astype(np.float64), shape.noise))

    def extended(self, blocks: Blocks) -> Factor:
        """With a few more members: quadratic in those there are, not cubic."""
        if not len(blocks[0]):
            return self
        old, new = len(self.blocks[0]), len(blocks[0])
        across = self.whiten @ _kernel(self.blocks, blocks, self.shape).astype(np.float64)
        corner = _whiten(_kernel(blocks, blocks, self.shape) - across.T @ across, self.shape.noise)
        whiten = np.zeros((old + new, old + new))
        whiten[:old, :old], whiten[old:, old:] = self.whiten, corner
        whiten[old:, :old] = -(corner @ across.T) @ self.whiten
        joined = [np.concatenate(pair) for pair in zip(self.blocks, blocks, strict=True)]
        return Factor(self.shape, joined, whiten)

    def fit(self, values: Floats) -> Fitted:
        """The process that knows the members' `values` (n,)."""
        centre, scale = _moments(self.whiten.sum(axis=1), self.whiten @ values)
        weights = self.whiten.T @ (self.whiten @ (values - centre))
        whiten = self.whiten.astype(np.float32)
        return Fitted(self.shape, self.blocks, centre, scale, whiten, weights.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A process that knows some evaluations.

    Attributes:
        shape, blocks, whiten: as in `Factor`.
        centre, scale: of its values.
        weights: `covariance^-1 (values - centre)`.
    """

    shape: Shape
    blocks: Blocks
    centre: float
    scale: float
    whiten: NDArray[np.float32]
    weights: NDArray[np.float32]

    def mean(self, blocks: Blocks) -> Floats:
        """(m,) means."""
        return (self.centre + self.weights @ _kernel(self.blocks, blocks, self.shape)).astype(np.float64)

    def predict(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """(m,) means and standard deviations of the quality itself, without the noise of an evaluation."""
        cross = _kernel(self.blocks, blocks, self.shape)
        mean = self.centre + self.weights @ cross
        known = self.whiten @ cross
        variance = _variance(blocks, self.shape) - np.einsum("nm,nm->m", known, known)
        deviation = self.scale * np.sqrt(np.maximum(variance, 1e-9))
        return mean.astype(np.float64), deviation.astype(np.float64)


def _whiten(covariance: Floats, noise: float) -> Floats:
    covariance.flat[:: len(covariance) + 1] += noise
    whiten: Floats = np.linalg.inv(np.linalg.cholesky(covariance))
    return whiten


def shape_of(blocks: Blocks, values: Floats) -> Shape:
    """The shape under which `values` are likeliest, searched coordinate by coordinate from the middle of the grid."""
    squares = [_squares(block, block) for block in blocks]
    products = np.zeros((len(values), len(values)), dtype=np.float32)
    for block in blocks:
        products += block @ block.T
    near = lru_cache(maxsize=1)(lambda lengths: _matern(_distance(squares, lengths)))  # trend and noise leave it
    losses: dict[Shape, float] = {}
    best = Shape(lengths=(1.4,) * len(blocks))
    for _ in range(_SWEEPS):
        before = best
        for step in ("trend", *range(len(blocks)), "noise"):
            for other in (best, *_others(best, step)):
                if other not in losses:
                    losses[other] = _loss(near(other.lengths) + other.trend * products, values, other.noise)
                if losses[other] < losses[best]:
                    best = other
        if best == before:
            break
    return best


def _others(shape: Shape, step: str | int) -> list[Shape]:
    if step == "trend":
        return [shape._replace(trend=trend) for trend in _TRENDS]
    if step == "noise":
        return [shape._replace(noise=noise) for noise in _NOISES]
    place = int(step)
    return [
        shape._replace(lengths=(*shape.lengths[:place], length, *shape.lengths[place + 1 :]))
        for length in (*_LENGTHS, _OFF)
    ]


def _loss(covariance: NDArray[np.float32], values: Floats, noise: float) -> float:
    """The negative logarithm of the marginal likelihood, scale and centre being the likeliest ones; plus a constant.

    Ones and values are whitened by the decomposition itself, as two rows more of the matrix: below the factor L of the
    covariance it leaves (L^-1 row)'. Their own diagonal need only be so large that the whole is positive definite.
    """
    count = len(values)
    whole = np.zeros((count + 2, count + 2))
    whole[:count, :count] = covariance
    whole[count, :count], whole[count + 1, :count] = 1.0, values
    whole.flat[:: count + 3] += noise
    for row in (count, count + 1):
        whole[row, row] = 1.0 + 4.0 * float(whole[row, :count] @ whole[row, :count]) / noise
    try:
        factor = np.linalg.cholesky(whole).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return np.inf
    _, scale = _moments(factor[count, :count], factor[count + 1, :count])
    return float(count * np.log(scale) + np.log(np.diagonal(factor)[:count]).sum())


def _moments(ones: Floats, seen: Floats) -> tuple[float, float]:
    """The centre by generalised least squares and the kernel's standard deviation, of whitened ones and values."""
    centre = float(ones @ seen / (ones @ ones))
    rest = seen - centre * ones
    return centre, float(np.sqrt(max(float(rest @ rest) / len(rest), 1e-18)))


def _kernel(first: Blocks, second: Blocks, shape: Shape) -> NDArray[np.float32]:
    squares = _squares(_lengthened(first, shape), _lengthened(second, shape))
    kernel = _matern(np.sqrt(squares))
    if shape.trend:
        kernel += np.float32(shape.trend) * (np.concatenate(first, axis=1) @ np.concatenate(second, axis=1).T)
    return kernel


def _lengthened(blocks: Blocks, shape: Shape) -> NDArray[np.float32]:
    """Features as one block, whose distance is that of `_distance`."""
    return np.concatenate(
        [block * np.float32(5**0.5 / length) for block, length in zip(blocks, shape.lengths, strict=True)], axis=1
    )


def _variance(blocks: Blocks, shape: Shape) -> NDArray[np.float32]:
    linear = np.zeros(len(blocks[0]), dtype=np.float32)
    for block in blocks:
        linear += np.einsum("nd,nd->n", block, block)
    variance: NDArray[np.float32] = np.float32(1) + np.float32(shape.trend) * linear
    return variance


def _squares(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) squared distances."""
    own, other = np.einsum("nd,nd->n", first, first), np.einsum("nd,nd->n", second, second)
    squares: NDArray[np.float32] = first @ second.T
    squares *= -2
    squares += own[:, None]
    squares += other
    np.maximum(squares, np.float32(0), out=squares)
    return squares


def _distance(squares: Sequence[NDArray[np.float32]], lengths: Sequence[float]) -> NDArray[np.float32]:
    """The root of five times the sum of squared distances over squared length scales."""
    total = np.zeros_like(squares[0])
    for square, length in zip(squares, lengths, strict=True):
        total += np.float32(5 * length**-2) * square
    return np.sqrt(total)


def _matern(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matern's kernel with nu = 5/2 of `sqrt(5) distance`."""
    kernel: NDArray[np.float32] = distance * np.float32(1 / 3)
    kernel += 1
    kernel *= distance
    kernel += 1
    kernel *= np.exp(-distance)
    return kernel
