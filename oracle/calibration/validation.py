"""How far a fit is off on networks it has not seen, and the interval that holds most of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from oracle.calibration.fitting import settled_vector
from oracle.calibration.model import Floats, RoofTimes, Stack
from oracle.calibration.prior import Prior

COVERAGE = 0.8
"""Share of cases that an interval holds."""

_FOLDS = 10
_FEWEST = 4  # measurements that can be told apart from the prior


@dataclass(frozen=True)
class Validation:
    """What leaving out showed.

    Attributes:
        error: mean of |predicted / measured - 1|.
        by_family: the same per family with at least three networks; empty without families.
        interval: of measured / predicted, see `conformal`; None if there are too few.
        protocol: what was left out.
    """

    error: float
    by_family: Mapping[str, float]
    interval: tuple[float, float] | None
    protocol: str


def cross_validate(
    networks: Sequence[RoofTimes], measured_s: Floats, prior: Prior, families: Sequence[str] | None
) -> Validation | None:
    """Fit without some, predict them, compare; None if there are too few to leave any out."""
    if len(networks) < _FEWEST:
        return None
    groups = list(families) if families is not None else [str(number) for number in range(len(networks))]
    whole = len(set(groups)) > 1 and len(set(groups)) < len(groups)
    if not whole:
        groups = [str(number) for number in range(len(networks))]
    predicted = cross_predict(networks, measured_s, prior, groups)
    error = np.abs(predicted / measured_s - 1)
    often = [name for name, count in Counter(groups).items() if count >= 3]
    return Validation(
        float(error.mean()),
        {name: float(error[np.array([group == name for group in groups])].mean()) for name in sorted(often)},
        conformal(measured_s / predicted),
        "leave-family-out" if whole else "cross-validated",
    )


def cross_predict(networks: Sequence[RoofTimes], measured_s: Floats, prior: Prior, groups: Sequence[str]) -> Floats:
    """Seconds of every network by a fit that saw none of its group; groups share at most ten fits."""
    fold = folds_of(groups)
    predicted = np.empty(len(networks))
    for number in range(max(fold) + 1):
        out = [index for index, own in enumerate(fold) if own == number]
        kept = [index for index, own in enumerate(fold) if own != number]
        vector = settled_vector([networks[index] for index in kept], measured_s[kept], prior)
        predicted[out] = Stack([networks[index] for index in out], prior.efficiency.overlap).seconds(vector)
    return predicted


def folds_of(groups: Sequence[str], folds: int = _FOLDS) -> list[int]:
    """The fold of each item: groups stay whole, the largest are placed first, each where the fewest items are."""
    sizes = [0] * min(folds, len(set(groups)))
    place = {}
    for name, count in sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0])):
        place[name] = sizes.index(min(sizes))
        sizes[place[name]] += count
    return [place[name] for name in groups]


def conformal(ratios: Floats, coverage: float = COVERAGE) -> tuple[float, float] | None:
    """Bounds that the next ratio lies between with at least this probability, if it is like the given ones.

    Split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005), half of
    what is left out on each side; None if there are too few ratios to promise that much.
    """
    side, count = (1 - coverage) / 2, len(ratios)
    below = math.floor(side * (count + 1) + 1e-9)  # a tenth of twenty is two, whatever doubles say
    if below < 1:
        return None
    ordered = np.sort(ratios)
    return float(ordered[below - 1]), float(ordered[count - below])
