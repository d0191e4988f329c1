"""Stop an evaluation early, with one objective or several.

optuna prunes with a single objective only, and a rule that looks at quality alone would remove whatever is cheap.
Ours compares with the cheaper ones: a trial is pruned when its quality at some step is below the median of the
qualities at that step of trials that are no worse in any other objective. It would cost as much as they do, or
more, for less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial

from .storage import reaching
from .words import QUALITY, Objective

__all__ = ["Evaluation", "should_prune"]


class Evaluation:
    """The trial as a quality function sees it: what it evaluates, and a way to report and to stop.

    Attributes:
        number: of the trial.
        config: dotted key -> value.
        scores: what the oracle says, by name.
        seed: of the study: for data and initial weights.
    """

    def __init__(
        self,
        trial: Trial,
        config: Mapping[str, Any],
        scores: Mapping[str, float],
        seed: int,
        prune: Callable[[int, float], bool],
        *,
        several: bool,
    ) -> None:
        self.number = trial.number
        self.config = config
        self.scores = scores
        self.seed = seed
        self._trial = trial
        self._prune = prune
        self._several = several
        self._reports: dict[str, float] = {}
        self._last: tuple[int, float] | None = None

    def report(self, value: float, step: int) -> None:
        """Note the quality after a step; the storage keeps it."""
        self._last = step, float(value)
        with reaching():
            if self._several:
                # optuna's own reports are for one objective: its samplers stumble over those of several
                self._reports[str(step)] = float(value)
                self._trial.set_user_attr("reports", self._reports)
            else:
                self._trial.report(float(value), step)

    def should_prune(self) -> bool:
        """Whether to raise `optuna.TrialPruned` after the last report."""
        with reaching():
            return self._last is not None and self._prune(*self._last)

    def check(self, value: float, step: int) -> None:
        """Report, and stop if that was poor.

        Raises:
            optuna.TrialPruned: as `should_prune` says.
        """
        self.report(value, step)
        if self.should_prune():
            raise optuna.TrialPruned

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep something with the trial."""
        with reaching():
            self._trial.set_user_attr(key, value)


def should_prune(
    step: int,
    value: float,
    scores: Mapping[str, float],
    others: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    least: int,
) -> bool:
    """Whether a quality is below the median of those who cost no more.

    Args:
        step, value: of the report.
        scores: of the network.
        others: trials with their reports and scores.
        objectives: of the study.
        least: trials without which nothing is pruned.
    """
    maximise = next((o.maximise for o in objectives if o.score == QUALITY), True)
    costs = [o for o in objectives if o.score != QUALITY]
    reports = [
        _reports(trial) for trial in others if all(_no_worse(o, trial.user_attrs["scores"], scores) for o in costs)
    ]
    peers = [values[step] for values in reports if step in values]
    if len(peers) < least:
        return False
    middle = median(peers)
    return not (value >= middle if maximise else value <= middle)  # a nan is pruned


def _no_worse(objective: Objective, theirs: Mapping[str, float], ours: Mapping[str, float]) -> bool:
    a, b = theirs[objective.name], ours[objective.name]
    return a >= b if objective.maximise else a <= b


def _reports(trial: FrozenTrial) -> dict[int, float]:
    kept = {int(step): float(value) for step, value in trial.user_attrs.get("reports", {}).items()}
    return kept or trial.intermediate_values
