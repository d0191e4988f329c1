"""Stop an evaluation early, with one objective or several.

optuna prunes with a single objective only, and a rule that looks at quality alone would remove whatever is cheap.
Ours compares with those that may spend as much: a trial is pruned when its quality at some step is below the
median of the qualities that trials had at that step which are no better in any other objective; that is, which
are no cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial

from search.study.words import QUALITY, Objective

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
    ) -> None:
        self.number = trial.number
        self.config = config
        self.scores = scores
        self.seed = seed
        self._trial = trial
        self._prune = prune
        self._last: tuple[int, float] | None = None

    def report(self, value: float, step: int) -> None:
        """Note the quality after a step; the storage keeps it."""
        self._last = step, float(value)
        # Trial.report refuses several objectives; what it does for one is this.
        self._trial.storage.set_trial_intermediate_value(self._trial._trial_id, step, float(value))  # noqa: SLF001

    def should_prune(self) -> bool:
        """Whether to raise `optuna.TrialPruned` after the last report."""
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
        self._trial.set_user_attr(key, value)


def should_prune(
    step: int,
    value: float,
    scores: Mapping[str, float],
    others: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    least: int,
) -> bool:
    """Whether a quality is below the median of those who are no cheaper.

    Args:
        step, value: of the report.
        scores: of the network.
        others: trials with their reports and scores.
        objectives: of the study.
        least: trials without which nothing is pruned.
    """
    maximise = next((o.maximise for o in objectives if o.score == QUALITY), True)
    costs = [o for o in objectives if o.score != QUALITY]
    peers = [
        trial.intermediate_values[step]
        for trial in others
        if step in trial.intermediate_values and all(_no_better(o, trial.user_attrs["scores"], scores) for o in costs)
    ]
    if len(peers) < least:
        return False
    middle = median(peers)
    return not (value >= middle if maximise else value <= middle)  # a nan is pruned


def _no_better(objective: Objective, theirs: Mapping[str, float], ours: Mapping[str, float]) -> bool:
    a, b = theirs[objective.name], ours[objective.name]
    return a <= b if objective.maximise else a >= b
