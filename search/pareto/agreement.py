"""How far devices agree about which candidates are fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle._ranks import discordant_pairs, kendall_tau_b, spearman_rho
from oracle.errors import ConfigError

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

_BISECTIONS = 100
_PRECISION = 1e-14


@dataclass(frozen=True, slots=True)
class Flip:
    """Two candidates that two devices order oppositely.

    Attributes:
        first: position of the one that is faster on the first device.
        second: of the one that is faster on the second.
        ratios: how many times faster each is there.
    """

    first: int
    second: int
    ratios: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two devices' orders of the same candidates.

    Attributes:
        devices: their names.
        kendall_tau: tau-b, -1 to 1; nan where all are equal on one device.
        spearman_rho: likewise.
        pairs: how many pairs of candidates there are.
        flips: how many of them the devices order oppositely.
        largest: the flip whose smaller ratio is largest, None where nothing flips.
    """

    devices: tuple[str, str]
    kendall_tau: float
    spearman_rho: float
    pairs: int
    flips: int
    largest: Flip | None


def agreement(latency_ms: Mapping[str, ArrayLike]) -> tuple[Agreement, ...]:
    """Compare every pair of devices by the order of the same candidates.

    Args:
        latency_ms: device -> array of shape (n,), positive latencies of the same candidates.

    Raises:
        ConfigError: latencies that are not positive and finite, or columns of different lengths.

    Examples:
        >>> from oracle.search import agreement
        >>> (pair,) = agreement({"t4": [1.0, 2.0, 3.0], "pixel-4": [9.0, 8.0, 20.0]})
        >>> pair.flips, round(pair.kendall_tau, 2)
        (1, 0.33)
    """
    columns = _checked(latency_ms)
    found = []
    for a, b in combinations(columns, 2):
        x, y = columns[a], columns[b]
        pairs = len(x) * (len(x) - 1) // 2
        found.append(
            Agreement(
                (a, b),
                kendall_tau_b(x, y),
                spearman_rho(x, y),
                pairs,
                discordant_pairs(x, y),
                largest_flip(x, y),
            )
        )
    return tuple(found)


def _checked(latency_ms: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    columns = {device: np.asarray(column, dtype=np.float64) for device, column in latency_ms.items()}
    for device, column in columns.items():
        wrong = np.flatnonzero(~((column > 0) & np.isfinite(column)))
        if len(wrong):
            raise ConfigError(
                f"candidate {wrong[0]}: expected a positive, finite latency, got {column[wrong[0]]}",
                key=f"latency_ms.{device}",
            )
    if len({len(column) for column in columns.values()}) > 1:
        raise ConfigError(f"columns of lengths { {device: len(c) for device, c in columns.items()} }: expected one")
    return columns


def largest_flip(a: Floats, b: Floats) -> Flip | None:
    """The pair (i, j) with the largest min(a[j] / a[i], b[i] / b[j]) above 1, to 13 digits; None without one.

    Whether a pair has a given ratio takes O(n log n): the best partner of j is, of all that a puts far enough
    ahead of it, the one that b puts last. The largest ratio is found by bisection.
    """
    order = np.lexsort((b, a))
    x, y = np.log(a[order]), np.log(b[order])
    # Of those up to each position, the one that b puts last.
    last = np.maximum.accumulate(np.where(y >= np.maximum.accumulate(y), np.arange(len(y)), 0))
    pair, low, high = None, 0.0, float(min(np.ptp(x), np.ptp(y))) if len(x) else 0.0
    gap = 0.0
    for _ in range(_BISECTIONS):
        ahead = np.searchsorted(x, x - gap, side="right" if gap else "left")
        some = np.flatnonzero(ahead)
        partner = last[ahead[some] - 1]
        gaps = np.minimum(x[some] - x[partner], y[partner] - y[some])
        best = int(gaps.argmax()) if len(gaps) else -1
        if best >= 0 and gaps[best] >= gap and gaps[best] > low:
            pair, low = (int(order[partner[best]]), int(order[some[best]])), float(gaps[best])
        else:
            high = gap
        if high - low <= _PRECISION * high:
            break
        gap = (low + high) / 2
    if pair is None:
        return None
    i, j = pair
    return Flip(i, j, (float(a[j] / a[i]), float(b[i] / b[j])))


def device_ranks(latency_ms: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.int64]]:
    """Compute the rank of every candidate on every device: 1 for the fastest; equally fast ones share the best rank.

    Args:
        latency_ms: as in `oracle.search.agreement`.

    Returns:
        Device -> integers of shape (n,).

    Raises:
        ConfigError: as `oracle.search.agreement`.

    Examples:
        >>> from oracle.search import device_ranks
        >>> device_ranks({"t4": [2.0, 1.0, 2.0]})["t4"].tolist()
        [2, 1, 2]
    """
    ranks = {}
    for device, column in _checked(latency_ms).items():
        _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        ranks[device] = (np.cumsum(counts) - counts + 1)[inverse]
    return ranks


def on_every_front(fronts: Mapping[str, Flags]) -> NDArray[np.int64]:
    """Positions of the candidates on all devices' fronts."""
    return np.flatnonzero(np.logical_and.reduce(list(fronts.values()))) if fronts else np.zeros(0, dtype=np.int64)
