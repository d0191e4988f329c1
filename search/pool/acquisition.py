"""What an evaluation is expected to improve: in one objective, or in the area that a front of two dominates.

Objectives are maximised here, and those of a candidate are independent normal variables; a known one has deviation 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROOT_TAU = 2.5066282746310002  # sqrt(2 pi)
_FAR = -4.0  # standard deviations from which the asymptotic series is the more precise one
_ERFC = (
    -1.26551223,
    1.00002368,
    0.37409196,
    0.09678418,
    -0.18628806,
    0.27886807,
    -1.13520398,
    1.48851587,
    -0.82215223,
    0.17087277,
)


def expected_excess(mean: Floats, deviation: Floats, level: Floats | float) -> Floats:
    """E[max(0, Y - level)] of normal variables Y, of the common shape of the three.

    The expected improvement of Jones, Schonlau and Welch (J. Global Optimization 13, 1998); max(0, mean - level) where
    the deviation is 0.
    """
    gap = mean - level
    if not deviation.any():  # half of the work where an objective is known
        return np.maximum(gap, 0.0)
    sure = deviation <= 0
    unit = np.where(sure, 1.0, deviation)
    excess: Floats = np.where(sure, np.maximum(gap, 0.0), unit * _unit_excess(gap / unit))
    return excess


def _unit_excess(z: Floats) -> Floats:
    """E[max(0, Z + z)] = phi(z) + z Phi(z) of a standard normal Z; to 2e-7 of its value where z > -4, 1 % below."""
    density = np.exp(-0.5 * z * z) / _ROOT_TAU
    near = density + z * _below(z)
    far = np.minimum(z, _FAR)
    tail = density / far**2 * (1 - 3 / far**2 + 15 / far**4)
    return np.where(z < _FAR, tail, near)


def _below(z: Floats) -> Floats:
    """The distribution function of a standard normal variable, to 1.2e-7 (Numerical Recipes, `erfcc`)."""
    x = np.abs(z) * 0.5**0.5
    t = 1 / (1 + 0.5 * x)
    power = np.polynomial.polynomial.polyval(t, _ERFC)
    upper = 0.5 * t * np.exp(power - x * x)
    below: Floats = np.where(z > 0, 1 - upper, upper)
    return below


def stairs(points: Floats, reference: Floats) -> Floats:
    """(k + 2, 2) corners of the area that points dominate, by ascending first objective.

    Args:
        points: (n, 2); those that do not beat the reference in both objectives do not count.
        reference: (2,) the far corner of that area.

    Returns:
        The front between (reference, infinity) and (infinity, reference), so that corner i reaches down to the second
        objective of corner i + 1 between their first objectives.
    """
    inside = points[(points > reference).all(axis=1)]
    order = np.lexsort((-inside[:, 1], -inside[:, 0]))
    ranked = inside[order]
    best = np.maximum.accumulate(np.concatenate([[-np.inf], ranked[:-1, 1]])) if len(ranked) else np.empty(0)
    front = ranked[ranked[:, 1] > best][::-1] if len(ranked) else ranked
    return np.concatenate([[[reference[0], np.inf]], front, [[np.inf, reference[1]]]])


def expected_area(mean: Floats, deviation: Floats, points: Floats, reference: Floats) -> Floats:
    """(m,) the area that each candidate is expected to add to what points dominate: exact expected improvement.

    Between two corners of the front, what a candidate adds is the product of two excesses: of its first objective
    over the strip, and of its second over the front there. Expectations of independent factors multiply (Emmerich,
    Deutz and Klinkenberg, CEC 2011).

    Args:
        mean, deviation: (m, 2) of the objectives of each candidate.
        points, reference: as in `stairs`.
    """
    corners = stairs(points, reference)
    first, levels = corners[:-1, 0], corners[1:, 1]
    over = expected_excess(mean[:, :1], deviation[:, :1], first[None, :])
    across = over - np.concatenate([over[:, 1:], np.zeros((len(mean), 1))], axis=1)
    above = expected_excess(mean[:, 1:], deviation[:, 1:], levels[None, :])
    return np.asarray((across * above).sum(axis=1))
