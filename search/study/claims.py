"""Which networks a study knows, and who may evaluate one: nothing is evaluated twice, by however many workers.

A worker that wants to evaluate writes the network's fingerprint to its trial, then reads all trials. If nobody
else's running trial has the fingerprint, the network is its own, and it says so. If one with a lower number
has, it yields. Where only higher numbers have it, each of them either yields as soon as it reads, or read before
we wrote and will say that the network is its own: the lower number waits for that. As every worker writes before
it reads, two never own the same network.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from optuna import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from .records import BUSY, COUNTED, EVALUATED, FAILED, REUSED, SETTLED, outcome_of

__all__ = ["Index", "claim"]

_WAIT_S = 0.01


class Index:
    """The trials of a study by fingerprint, kept up to date.

    Attributes:
        settled: fingerprint -> the trial on which an evaluation was spent.
        counts: outcome -> how many trials.
        rejected: constraint -> how many trials broke it.
        running: trials under way, of this worker and of others.
        waiting: how many trials wait for a worker.
        evaluated: settled trials, in the order they were met.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._first = 0  # all trials before it are finished and counted
        self._counted: set[int] = set()
        self.settled: dict[str, FrozenTrial] = {}
        self.counts: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.running: list[FrozenTrial] = []
        self.waiting = 0
        self.evaluated: list[FrozenTrial] = []

    def refresh(self) -> None:
        """Read what has changed."""
        trials = self._study.get_trials(deepcopy=False)
        self.running, self.waiting = [], 0
        for trial in trials[self._first :]:
            if trial.state == TrialState.RUNNING:
                self.running.append(trial)
            elif trial.state == TrialState.WAITING:
                self.waiting += 1
            elif trial.number not in self._counted:
                self._count(trial)
        while self._first in self._counted:
            self._counted.discard(self._first)
            self._first += 1

    def _count(self, trial: FrozenTrial) -> None:
        self._counted.add(trial.number)
        outcome = outcome_of(trial)
        self.counts[outcome] += 1
        if outcome in SETTLED:
            self.settled.setdefault(trial.user_attrs["fingerprint"], trial)
            self.evaluated.append(trial)
        elif outcome not in (REUSED, BUSY):
            self.rejected.update(name for name, value in trial.constraints.items() if value > 0)

    @property
    def spent(self) -> int:
        """Evaluations that came to something: what TRIALS counts."""
        return sum(self.counts[outcome] for outcome in COUNTED)

    def forget_failures(self) -> None:
        """Let networks be evaluated again that failed so far, but for those that took their workers with them."""
        for key, trial in list(self.settled.items()):
            if outcome_of(trial) == FAILED and "losses" not in trial.user_attrs:
                del self.settled[key]

    @property
    def under_way(self) -> int:
        """Evaluations that some worker is at."""
        return sum("evaluating" in trial.user_attrs for trial in self.running)

    def knows(self, key: str) -> bool:
        """Whether a network was evaluated, or is claimed by somebody."""
        return key in self.settled or any(trial.user_attrs.get("fingerprint") == key for trial in self.running)

    def completed(self) -> list[FrozenTrial]:
        """Trials with a whole evaluation."""
        return [trial for trial in self.evaluated if outcome_of(trial) == EVALUATED]


def claim(index: Index, trial: Trial, key: str, worker: str, reap: Callable[[], None]) -> FrozenTrial | None:
    """Make a network ours to evaluate; or else the trial that has evaluated it, or that is at it.

    Args:
        index: of the study.
        trial: ours, running.
        key: fingerprint of the network.
        worker: who we are.
        reap: gives up the trials of dead workers, so that we do not wait for one.
    """
    trial.set_user_attr("fingerprint", key)
    while True:
        index.refresh()
        if key in index.settled:
            return index.settled[key]
        others = [
            other
            for other in index.running
            if other.number != trial.number and other.user_attrs.get("fingerprint") == key
        ]
        if not others:
            trial.set_user_attr("evaluating", worker)
            return None
        for other in others:
            if other.number < trial.number or "evaluating" in other.user_attrs:
                return other
        reap()
        time.sleep(_WAIT_S)
