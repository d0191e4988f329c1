"""Stop an evaluation early, with one objective or several.

With one objective the pruners are optuna's. optuna prunes with a single objective only, and a rule that looks at
quality alone would remove whatever is cheap; so with several the rules are ours, and costs count:

* `median`: a trial is pruned when its quality at some step is below the median of the qualities at that step of trials
  that are no worse in any other objective. It would cost as much as they do, or more, for less.
* `halving`, `hyperband`: a rung is left by the first non-dominated fronts of those that have been there, see
  `search.study.rungs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, Trial

from .files import StudyPlan
from .rungs import Brackets, first_of, is_promoted
from .storage import reaching
from .words import QUALITY, Objective

Reports = Mapping[int, float]
"""Step -> quality."""


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
        prune: Callable[[Reports], bool],
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
        self._reports: dict[int, float] = {}

    def report(self, value: float, step: int) -> None:
        """Note the quality after a step; the storage keeps it."""
        self._reports[step] = float(value)
        with reaching():
            if self._several:
                # optuna's own reports are for one objective: its samplers stumble over those of several
                self._trial.set_user_attr("reports", {str(step): value for step, value in self._reports.items()})
            else:
                self._trial.report(float(value), step)

    def should_prune(self) -> bool:
        """Whether to raise `optuna.TrialPruned` after the last report."""
        with reaching():
            return bool(self._reports) and self._prune(self._reports)

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


def pruner_of(plan: StudyPlan) -> BasePruner:
    """The pruner of a study with one objective, which is one of optuna."""
    section = plan.pruner
    match section["TYPE"]:
        case "median":
            return MedianPruner(n_startup_trials=plan.startup)
        case "halving":
            return SuccessiveHalvingPruner(section["MIN"], section["FACTOR"])
        case "hyperband":
            return HyperbandPruner(section["MIN"], section["MAX"], section["FACTOR"])
    return NopPruner()


def is_below_median(
    reports: Reports,
    scores: Mapping[str, float],
    others: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    least: int,
) -> bool:
    """Whether a trial's last quality is below the median, at that step, of those who cost no more.

    Args:
        reports: of the trial.
        scores: of its network.
        others: trials with their reports and scores.
        objectives: of the study.
        least: trials without which nothing is pruned.
    """
    step, value = list(reports.items())[-1]
    maximise = next((o.maximise for o in objectives if o.score == QUALITY), True)
    costs = [o for o in objectives if o.score != QUALITY]
    theirs = [
        reports_of(trial) for trial in others if all(_no_worse(o, trial.user_attrs["scores"], scores) for o in costs)
    ]
    peers = [values[step] for values in theirs if step in values]
    if len(peers) < least:
        return False
    middle = median(peers)
    return not (value >= middle if maximise else value <= middle)  # a nan is pruned


def is_left_behind(
    number: int,
    reports: Reports,
    scores: Mapping[str, float],
    others: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    brackets: Brackets,
    factor: int,
) -> bool:
    """Whether a trial has reached a rung with its last report and is not among those that go on from there.

    Args:
        number: of the trial.
        reports, scores: of the trial.
        others: trials with their reports and scores, those under way among them.
        objectives: of the study.
        brackets: whose rungs count; trials are compared within their bracket.
        factor: one in so many goes on.
    """
    *before, last = reports
    own = brackets.of(number)
    reached = [rung for rung in brackets.rungs(own, last) if max(before, default=-1) < rung <= last]
    if not reached:
        return False
    values = _larger(reports[last], scores, objectives)
    same = [trial for trial in others if trial.number != number and brackets.of(trial.number) == own]
    for rung in reached:
        there = [(trial, first_of(reports_of(trial), rung)) for trial in same if "scores" in trial.user_attrs]
        peers = [_larger(q, trial.user_attrs["scores"], objectives) for trial, q in there if q is not None]
        if not is_promoted(values, peers, factor):
            return True
    return False


def _larger(quality: float, scores: Mapping[str, float], objectives: Sequence[Objective]) -> list[float]:
    """Objectives as numbers that are better the larger they are, the quality first."""
    known = {**scores, QUALITY: quality}
    found = sorted(objectives, key=lambda objective: objective.score != QUALITY)
    return [known[objective.name] * (1 if objective.maximise else -1) for objective in found]


def _no_worse(objective: Objective, theirs: Mapping[str, float], ours: Mapping[str, float]) -> bool:
    a, b = theirs[objective.name], ours[objective.name]
    return a >= b if objective.maximise else a <= b


def reports_of(trial: FrozenTrial) -> dict[int, float]:
    """Step -> quality, of a trial with one objective or several."""
    kept = {int(step): float(value) for step, value in trial.user_attrs.get("reports", {}).items()}
    return kept or trial.intermediate_values
