"""Quantiles of a latency, from the two ends of the interval that a calibration states.

An interval holds the central 80 % of measured / predicted on networks that the fit had not seen
(`oracle.calibration.conformal`), so that its ends are the 10th and the 90th percentile. Between and beyond them
log(measured / predicted) is taken to be normal through these two points: exact at 10 % and 90 %, interpolated
between, extrapolated outside. `tests/benchmarks/confidence.py` holds it against measured latencies.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from oracle.calibration.validation import COVERAGE

EXTREMES = (0.01, 0.99)
"""Quantiles outside of these are refused: two percentiles say nothing of the far tails."""

_NORMAL = NormalDist()
_END = _NORMAL.inv_cdf(0.5 + COVERAGE / 2)  # standard deviations from the middle to the end of an interval


@lru_cache(maxsize=1024)
def quantile(interval: tuple[float, float], probability: float) -> float:
    """What measured / predicted stays below with a probability.

    Args:
        interval: the 10th and the 90th percentile, both positive.
        probability: between those of `EXTREMES`.

    Raises:
        ValueError: a probability outside of them.

    Example:
        >>> round(quantile((0.8, 1.25), 0.9), 6), round(quantile((0.8, 1.25), 0.5), 6)
        (1.25, 1.0)
    """
    if not EXTREMES[0] <= probability <= EXTREMES[1]:
        raise ValueError(f"probability={probability!r}: expected {EXTREMES[0]} to {EXTREMES[1]}")
    low, high = map(math.log, interval)
    return math.exp((low + high) / 2 + (high - low) / 2 * _NORMAL.inv_cdf(probability) / _END)


def tie_ratio(interval: tuple[float, float]) -> float:
    """How many times longer one prediction must be than another on the same device to be separated from it.

    The difference of two independent normal errors of log(measured / predicted), each of standard deviation s, has
    sqrt(2) s; predictions tie where they differ by no more than 80 % of such differences. Errors on one device have
    much in common, which cancels in the difference (correlation r leaves sqrt(2 (1 - r)) s), so that the rule calls too
    many pairs tied rather than too few.

    Args:
        interval: the 10th and the 90th percentile of measured / predicted.

    Example:
        >>> round(tie_ratio((0.8, 1.25)), 4)  # exp(sqrt(2) log(1.25))
        1.3711
    """
    low, high = map(math.log, interval)
    return math.exp(math.sqrt(2) * (high - low) / 2)
