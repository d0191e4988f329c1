"""A relative's prediction times a factor per group of kernels: what a few measurements of a processor settle.

A board differs from its relatives by a factor that all of its kernels have in common (clock, cooling, release) and, far
less, by one of each group: arithmetic of four sorts of kernels, memory, launches. The logarithms of these factors are
taken to be normal, their spreads as boards showed that were left out, and the errors of networks to be Student's t, so
that one odd network does not bend the rest. The most probable factors are found by Gauss-Newton steps with the weights
of that distribution (Lange, Little and Taylor, "Robust statistical modeling using the t distribution", JASA 1989).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from oracle.calibration.classes import CLASSES
from oracle.calibration.model import LAUNCH, NAMES, Floats, Stack


class Factors(NamedTuple):
    """Spreads of logarithms.

    Attributes:
        common: of the factor that all kernels have in common.
        own: of a group's.
        noise: of measured over predicted, networks among themselves.
        interval: what measured over predicted lies between in 80 % of cases once `ENOUGH` networks were measured.
    """

    common: float
    own: float
    noise: float
    interval: tuple[float, float] | None = None


ENOUGH = 5
BOARDS = Factors(0.45, 0.2, 0.2, (0.80, 1.33))
"""Of 72 boards under ncnn, each left out (`tests.benchmarks.ncnn_boards`); the interval is that of floating point, in
int8 (0.84, 1.24) would do."""

_FREEDOM = 4.0  # degrees of, of Student's t
_STEPS = 12
_ODD = 3.0  # times the noise
_LEAST = 0.1  # spread of a network's ratio: a few that agree may do so by chance
_LONGEST = 1.0  # of one step, in any factor
_ARITHMETIC = {"conv": 0, "winograd": 0, "pointwise_conv": 1, "depthwise": 2, "grouped": 2}
_OTHERS, _MEMORY, _LAUNCHES = 3, 4, 5
_GROUPS = np.array(
    [_ARITHMETIC.get(name, _OTHERS) for name in CLASSES]
    + [_MEMORY] * (LAUNCH - len(CLASSES))
    + [_LAUNCHES] * (len(NAMES) - LAUNCH)
)


def factored(stack: Stack, measured_s: Floats, mean: Floats, factors: Factors) -> Floats:
    """The parameters of a relative, times the most probable factors.

    Less the part of them that chance explains: by 1 - (s / r)^2, where r is the logarithm of the median factor and s
    its standard error, the positive-part shrinkage of James and Stein ("Estimation with quadratic loss", 1961). So the
    relative stays as it is where r is within s.

    Args:
        stack: networks.
        measured_s: seconds per call of each.
        mean: parameters of the relative.
        factors: what is believed of factors.
    """
    target, count = np.log(measured_s), 1 + _LAUNCHES
    precision = np.linalg.inv(factors.common**2 + np.diag(np.full(count, factors.own**2)))
    ratios = target - np.log(stack.seconds(mean))
    median, chance = float(np.median(ratios)), _median_error(ratios, _ODD * factors.noise)
    if abs(median) <= chance:
        return mean
    found = np.full(count, median)
    for _ in range(_STEPS):
        vector = scaled(mean, np.exp(found)[_GROUPS])
        seconds, parts = stack.parts(vector)
        slopes = np.stack([parts[:, group == _GROUPS].sum(axis=1) for group in range(count)], axis=1) / seconds[:, None]
        error = target - np.log(seconds)
        weight = (_FREEDOM + 1) / (_FREEDOM + (error / factors.noise) ** 2) / factors.noise**2
        hessian = (slopes * weight[:, None]).T @ slopes + precision
        step = np.linalg.solve(hessian, slopes.T @ (weight * error) - precision @ found)
        found = found + np.clip(step, -_LONGEST, _LONGEST)
    return scaled(mean, np.exp((1 - (chance / median) ** 2) * found)[_GROUPS])


def _median_error(values: Floats, odd: float) -> float:
    """Standard error of the median of some values, as if they were normal; one further off counts as `odd`."""
    away = np.minimum(np.abs(values - np.median(values)), odd)
    spread = max(float(np.sqrt((away**2).mean())), _LEAST)
    return float(np.sqrt(np.pi / 2 / len(values))) * spread


def scaled(vector: Floats, factor: float | Floats) -> Floats:
    """Parameters by which all takes `factor` times as long, or each its own, as far as no share exceeds its roof."""
    found: Floats = vector + np.log(factor)
    shares = 1.0 / (1.0 + np.exp(-vector[:LAUNCH])) / np.broadcast_to(factor, vector.shape)[:LAUNCH]
    shares = np.clip(shares, 1e-5, 1 - 1e-5)
    found[:LAUNCH] = np.log(shares / (1.0 - shares))
    return found
