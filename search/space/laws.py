"""Laws by which numbers are drawn from a closed range; RAND_TYPE in the sweep files of pycls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def index(rng: np.random.Generator, count: int, options: int) -> NDArray[np.int64]:
    """(count,) positions below `options`, all equally likely (to 1 in 2**53 / options)."""
    return (rng.random(count) * options).astype(np.int64)


def _uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Floats:
    values = rng.random(count)
    values *= high - low
    values += low
    return values


def _normal(rng: np.random.Generator, count: int, low: float, high: float) -> Floats:
    """Mean in the middle, the ends two standard deviations away; what falls outside is drawn again."""
    middle, deviation = (low + high) / 2, (high - low) / 4
    values = middle + deviation * rng.standard_normal(count)
    outside = np.flatnonzero((values < low) | (values > high))
    while len(outside):
        values[outside] = middle + deviation * rng.standard_normal(len(outside))
        outside = outside[(values[outside] < low) | (values[outside] > high)]
    return values


def _of_logarithm(law: Callable[..., Floats]) -> Callable[..., Floats]:
    """The law of numbers whose logarithm has a law."""

    def drawn(rng: np.random.Generator, count: int, low: float, high: float) -> Floats:
        values = law(rng, count, np.log(float(low)), np.log(float(high)))
        np.exp(values, out=values)
        return np.clip(values, low, high, out=values)

    return drawn


LAWS: dict[str, Callable[[np.random.Generator, int, float, float], Floats]] = {
    "uniform": _uniform,
    "log_uniform": _of_logarithm(_uniform),
    # Powers of two are drawn by their exponents; log-uniform where there is no step to fall below.
    "power2_uniform": _of_logarithm(_uniform),
    "power2_or_log_uniform": _of_logarithm(_uniform),
    "normal": _normal,
    "log_normal": _of_logarithm(_normal),
}
