"""Successive halving and Hyperband with several objectives, whose costs are known before an evaluation begins.

Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934) lets the best 1/FACTOR of those that have reached a
rung go on to the next. With several objectives, the best are those of the first non-dominated fronts, as in
multi-objective ASHA (Schmucker et al. 2021, arXiv 2106.12639); of the front that is divided, those that are farthest
from the ones before them, so that a whole front is kept in view and not one end of it.

Everything follows from the reports that the trials keep: a study that is resumed decides as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from oracle._fronts import non_dominated

Floats = NDArray[np.float64]


class Brackets:
    """The rungs at which a trial may stop.

    Args:
        kind: halving (one bracket) or hyperband (Li et al. 2018, arXiv 1603.06560: brackets whose first rung is
            1, FACTOR, FACTOR^2, ... times MIN, so that some trials get a long look at once).
        least, most, factor: MIN, MAX and FACTOR; `most` 0 where the steps of a whole evaluation are unknown.
        seed: of the study; it and the number of a trial say which bracket is the trial's.

    Examples:
        >>> Brackets("halving", 1, 27, 3).rungs(0)
        [1, 3, 9]
        >>> Brackets("hyperband", 1, 27, 3).count
        4
    """

    def __init__(self, kind: str, least: int, most: int, factor: int, seed: int = 0) -> None:
        self._least, self._most, self._factor, self._seed = least, most, factor, seed
        self.count = 1
        while kind == "hyperband" and least * factor**self.count <= most:
            self.count += 1
        # As many trials each as the paper's brackets begin with: ceil((s_max + 1) / (s + 1) * FACTOR^s).
        sizes = [math.ceil(self.count * factor**s / (s + 1)) for s in reversed(range(self.count))]
        self._shares = np.array(sizes, dtype=np.float64) / sum(sizes)

    def of(self, number: int) -> int:
        """The bracket of a trial."""
        if self.count == 1:
            return 0
        return int(np.random.default_rng([self._seed, number]).choice(self.count, p=self._shares))

    def rungs(self, bracket: int, last: int = 0) -> list[int]:
        """The steps of a bracket's rungs, below the steps of a whole evaluation.

        Args:
            bracket: of a trial.
            last: the step up to which rungs are listed where a whole evaluation's are unknown.
        """
        step, found = self._least * self._factor**bracket, []
        while step < self._most if self._most else step <= last:
            found.append(step)
            step *= self._factor
        return found


def first_of(reports: Mapping[int, float], rung: int) -> float | None:
    """The quality of a trial at a rung: its first report there or later; None before it gets there."""
    step = min((step for step in reports if step >= rung), default=None)
    return None if step is None else reports[step]


def ordered(values: Floats) -> list[int]:
    """Positions by non-dominated front; within a front the farthest from those before them first.

    Args:
        values: (n, k) finite objectives, larger being better.

    Examples:
        >>> ordered(np.array([[1.0, 1.0], [3.0, 0.0], [2.0, 2.0], [0.0, 3.0]]))
        [1, 3, 2, 0]
    """
    spans = np.ptp(values, axis=0)
    scaled = values / np.where(spans > 0, spans, 1.0)
    left, found = np.arange(len(values)), list[int]()
    while len(left):
        columns = list(values[left].T)
        front = left[non_dominated(columns, [True] * len(columns))]
        left = np.setdiff1d(left, front)
        start = front[np.lexsort((front, -values[front, 0]))[0]]  # the best quality; of equal ones the first
        away = np.full(len(values), -1.0)
        away[front] = np.inf
        while (away[front] >= 0).any():
            found.append(int(start))
            away[front] = np.minimum(away[front], ((scaled[front] - scaled[start]) ** 2).sum(axis=1))
            away[found[-1]] = -1.0
            start = front[away[front].argmax()]
    return found


def is_promoted(own: Sequence[float], others: Sequence[Sequence[float]], factor: int) -> bool:
    """Whether one of those at a rung goes on: among the best 1/factor of them, of few the very best.

    Args:
        own: objectives of a trial, larger being better, its quality first.
        others: those of the trials that have been there.
        factor: of them, one goes on.
    """
    if not np.isfinite(own).all():
        return False
    known = [row for row in others if np.isfinite(row).all()]
    place = ordered(np.array([*known, own], dtype=np.float64)).index(len(known))
    return place < max(1, (len(known) + 1) // factor)
