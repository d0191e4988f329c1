"""Which candidates a study knows, and who may evaluate one: nothing is evaluated twice, by however many workers.

A trial that a worker opens for a candidate claims it in the same write, and gets a number by it. The worker then
reads all trials: of several running ones with one key, the lowest number owns the candidate and the others yield.
As every worker writes before it reads, two never own the same.

A trial that waited in the storage has its number from before it claimed anything. It yields to every other claim,
and says that the candidate is its own only after it has read; until then, whoever has a higher number waits.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from optuna import Study
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from .recording import Opened
from .records import BUSY, COUNTED, EVALUATED, FAILED, REUSED, SETTLED, outcome_of
from .words import Objective

_WAIT_S = 0.01


class Index:
    """The trials of a study by key, kept up to date: what has not changed is not looked at again.

    Args:
        study: of optuna.
        objectives: of the study.

    Attributes:
        settled: key -> the trial on which an evaluation was spent.
        counts: outcome -> how many trials.
        rejected: constraint -> how many trials broke it.
        running: trials under way, of this worker and of others.
        waiting: how many trials wait for a worker.
        size: how many trials there are.
        evaluated: settled trials, in the order they were met.
        best: the best value of each objective; empty before there is one.
        front: (n, objectives) values that no others dominate, all to be minimised.
    """

    def __init__(self, study: Study, objectives: Sequence[Objective] = ()) -> None:
        self._study = study
        self._first = 0  # all trials before it are finished and counted
        self._counted: set[int] = set()
        self._signs = np.array([-1.0 if objective.maximise else 1.0 for objective in objectives])
        self.settled: dict[str, FrozenTrial] = {}
        self.counts: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.running: list[FrozenTrial] = []
        self.waiting = 0
        self.size = 0
        self.evaluated: list[FrozenTrial] = []
        self.front = np.empty((0, len(objectives)))
        self._lowest = np.full(len(objectives), np.inf)

    def refresh(self) -> None:
        """Read what has changed."""
        self.running, self.waiting = [], 0
        for trial in self._unfinished():
            self.size = max(self.size, trial.number + 1)
            if trial.state == TrialState.RUNNING:
                self.running.append(trial)
            elif trial.state == TrialState.WAITING:
                self.waiting += 1
            elif trial.number not in self._counted:
                self._count(trial)
        while self._first in self._counted:
            self._counted.discard(self._first)
            self._first += 1

    def _unfinished(self) -> Iterator[FrozenTrial]:
        """Trials that were not finished when they were last looked at, those that are new included."""
        storage, study_id = self._study._storage, self._study._study_id  # noqa: SLF001 - Study reads all or none
        if not self.size or not isinstance(storage, JournalStorage):
            yield from storage.get_all_trials(study_id, deepcopy=False)[self._first :]
            return
        for number in range(self._first, self.size):
            if number not in self._counted:
                yield storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study_id, number))
        number = self.size
        while True:
            try:
                trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
            except KeyError:
                return
            yield storage.get_trial(trial_id)
            number += 1

    def _count(self, trial: FrozenTrial) -> None:
        self._counted.add(trial.number)
        outcome = outcome_of(trial)
        self.counts[outcome] += 1
        if outcome in SETTLED:
            self.settled.setdefault(trial.user_attrs["fingerprint"], trial)
            self.evaluated.append(trial)
            if outcome == EVALUATED:
                self._compare(np.asarray(trial.values, dtype=np.float64) * self._signs)
        elif outcome not in (REUSED, BUSY):
            self.rejected.update(name for name, value in trial.constraints.items() if value > 0)

    def _compare(self, values: np.ndarray) -> None:
        if len(values):
            self._lowest = np.minimum(self._lowest, values)
            better = (self.front <= values).all(axis=1) & (self.front < values).any(axis=1)
            if not better.any():
                beaten = (self.front >= values).all(axis=1) & (self.front > values).any(axis=1)
                self.front = np.vstack([self.front[~beaten], values])

    @property
    def best(self) -> list[float]:
        """The best value of each objective; empty before there is one."""
        return (self._lowest * self._signs).tolist() if len(self.front) else []

    @property
    def spent(self) -> int:
        """Evaluations that came to something: what TRIALS counts."""
        return sum(self.counts[outcome] for outcome in COUNTED)

    def forget_failures(self) -> None:
        """Let candidates be evaluated again that failed so far, but for those that took their workers with them."""
        for key, trial in list(self.settled.items()):
            if outcome_of(trial) == FAILED and "losses" not in trial.user_attrs:
                del self.settled[key]

    @property
    def under_way(self) -> int:
        """Evaluations that some worker is at."""
        return sum("evaluating" in trial.user_attrs for trial in self.running)

    def ahead_of(self, number: int) -> int:
        """Evaluations under way in trials before one."""
        return sum("evaluating" in trial.user_attrs for trial in self.running if trial.number < number)

    def knows(self, key: str) -> bool:
        """Whether a candidate was evaluated, or is claimed by somebody."""
        return key in self.settled or any(trial.user_attrs.get("fingerprint") == key for trial in self.running)


def claim(
    index: Index, study: Study, trial: Opened, key: str, worker: str, reap: Callable[[], None]
) -> FrozenTrial | None:
    """Make a candidate ours to evaluate; or else the trial that has evaluated it, or that is at it.

    Args:
        index: of the study.
        study: of optuna.
        trial: ours, running.
        key: of the candidate.
        worker: who we are.
        reap: gives up the trials of dead workers, so that we do not wait for one.
    """
    storage = study._storage  # noqa: SLF001 - as optuna's Trial writes
    if trial.queued:
        storage.set_trial_user_attr(trial.trial_id, "fingerprint", key)
    while True:
        index.refresh()
        if key in index.settled:
            return index.settled[key]
        same = (other for other in index.running if other.user_attrs.get("fingerprint") == key)
        others = [other for other in same if other.number != trial.number and _counts(other, trial)]
        if not others:
            if trial.queued:
                storage.set_trial_user_attr(trial.trial_id, "evaluating", worker)
            return None
        for other in others:
            if "evaluating" in other.user_attrs or (trial.queued and other.number < trial.number):
                return other
        reap()
        time.sleep(_WAIT_S)


def _counts(other: FrozenTrial, trial: Opened) -> bool:
    """Whether a claim may be before ours; one with a higher number than a trial that did not wait yields to it."""
    return trial.queued or other.number < trial.number
