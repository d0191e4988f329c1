"""The loop: ask, look, and only then evaluate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from oracle.errors import OracleError
from oracle.spec import NetSpec

from ..objectives import Quality
from .candidates import Candidate, Gate
from .claims import Index, claim
from .evaluate import evaluate
from .files import StudyPlan
from .orphans import reap, retry
from .params import Parameters
from .pool import Pool, nothing_feasible
from .progress import Watcher, progress_of
from .pruning import Evaluation, should_prune
from .records import (
    BUSY,
    EVALUATED,
    FAILED,
    LOST,
    PRUNED,
    REJECTED,
    REUSED,
    note_candidate,
    outcome_of,
)
from .samplers import LEARNERS
from .words import QUALITY
from .workers import Watch

__all__ = ["Loop"]

_WAIT_S = 0.25
_FAILURES = 10  # evaluations in a row that may fail; more where more have succeeded
_RARE = 1e-4  # a study in which fewer candidates are feasible is seeded


class Loop:
    """One worker's work on a study.

    Attributes:
        seconds: what this worker spent on which part.
    """

    def __init__(self, plan: StudyPlan, study: Study, quality: Quality | None, watcher: Watcher | None) -> None:
        self.plan, self.study, self.quality, self.watcher = plan, study, quality, watcher
        self.gate = Gate(plan.space, plan.bounds, plan.devices, plan.workload, plan.model, plan.calibrations)
        self.parameters = Parameters.of(plan.space)
        in_order = plan.sampler["TYPE"] == "grid"
        self.pool = Pool(self.gate, plan.seed, in_order=in_order, seen=self._tell_probed)
        self.index = Index(study)
        self.watch = Watch(study)
        self.seconds = dict.fromkeys(("oracle", "sampler", "quality", "storage"), 0.0)
        self.rejections = 0  # in a row
        self.last: dict[str, Any] = {}  # the last suggestion
        self.offered: set[str] = set()
        self.failures: set[str] = set()  # kinds of them that were told
        self.failed = 0  # evaluations of this run, in a row
        self.succeeded = 0  # evaluations of this run
        self.learns = plan.sampler["TYPE"] in LEARNERS

    def run(self, note: str = "") -> None:
        """Work until the study has its trials, time is up, or nothing is left to look at.

        Args:
            note: to be told before.

        Raises:
            ConfigError: nothing is feasible.
            OracleError: evaluations fail, one after the other.
        """
        end = time.monotonic() + (self.plan.timeout_s or math.inf)
        with self.watch:
            self._reap()
            if note:
                self._tell_watcher(note)
            if not self.index.spent:
                self.index.forget_failures()  # whatever was wrong has been corrected since, or will be told again
            if self.index.spent < self.plan.trials:
                self._begin()
            else:
                self._tell_watcher(
                    f"{self.plan.name}: finished: {self.index.spent:,} evaluated, {self.plan.trials:,} asked for; "
                    "nothing was left to do, and more TRIALS would go on"
                )
            while time.monotonic() < end:
                self._reap()
                if self.index.spent >= self.plan.trials:
                    break
                if self.index.spent + self.index.under_way >= self.plan.trials:
                    time.sleep(_WAIT_S)  # others are at the last ones; should one die, we take its place
                elif not self._step():
                    break
                self._tell_watcher()
        self.index.refresh()
        self._tell_watcher()

    # What is feasible, and how rare that is.

    def _begin(self) -> None:
        """Look at a sample of the space by the closed form, once per study; seed it where little is feasible."""
        if "probe" in self.study.user_attrs:
            return
        with self._timed("oracle"):
            tally = self.pool.probe(self.plan.probe)
        if not tally.feasible:
            raise nothing_feasible(tally, self.plan.labels)
        share = tally.feasible / tally.drawn
        self.study.set_user_attr("probe", {"drawn": tally.drawn, "feasible": tally.feasible})
        if share < _RARE and self.learns:
            seeds = min(self.plan.sampler["STARTUP"], self.plan.trials)
            found = 0
            while found < seeds and self._offer():
                found += 1
            self._tell_watcher(
                f"{tally.feasible:,} of {tally.drawn:,} candidates are feasible ({share:.1e}, below {_RARE:.0e}): "
                f"the study starts from {found} of them, found by the closed form"
            )

    def _offer(self, near: Mapping[str, Any] | None = None) -> bool:
        """Put a feasible member that nobody has looked at in line; False when none is left."""
        with self._timed("oracle"):
            member = self.pool.take(self._is_taken, None if near is None else self._distance(near))
        if member is None:
            return False
        self.offered.add(member.key)
        suggestions = self.parameters.suggestions(member.config)
        with self._timed("storage"):
            self.study.enqueue_trial(suggestions, user_attrs={"origin": "closed form"})
        return True

    def _is_taken(self, key: str) -> bool:
        return key in self.offered or self.index.knows(key)

    def _distance(self, near: Mapping[str, Any]) -> Callable[[Any], float]:
        return lambda config: self.parameters.distance(near, self.parameters.suggestions(config))

    # One suggestion.

    def _step(self) -> bool:
        """Take a suggestion to its end; False when nothing is left to look at."""
        if not self.index.waiting:
            if not self.learns and not self._offer():
                return self._nothing_left()
            if self.learns and self.rejections >= self.plan.sampler["PATIENCE"]:
                self.rejections = 0
                if not self._offer(self.last):
                    return self._nothing_left()
        with self._timed("sampler"):
            trial = self.study.ask(self.parameters.distributions)
        trial.set_user_attr("worker", self.watch.worker)
        with self._timed("oracle"):
            candidate = self.gate.check(self.parameters.config(trial.params))
        self.last = dict(trial.params)
        with self._timed("storage"):
            note_candidate(trial, candidate)
        if candidate.spec is None or not candidate.feasible:
            self.rejections += 1
            self._finish(trial, REJECTED, self._values(candidate, None))
            return True
        with self._timed("storage"):
            owner = claim(self.index, trial, candidate.key, self.watch.worker, self._reap)
        if owner is not None:
            self.rejections += 1
            self._reuse(trial, candidate, owner)
        elif self._is_surplus(trial):
            self._finish(trial, BUSY)
        else:
            self.rejections = 0
            self._evaluate(trial, candidate, candidate.spec)
        return True

    def _is_surplus(self, trial: Trial) -> bool:
        """Whether others took what was left of TRIALS while we were choosing; all who see that yield."""
        with self._timed("storage"):
            self.index.refresh()
        others = sum("evaluating" in other.user_attrs for other in self.index.running if other.number != trial.number)
        return self.index.spent + others >= self.plan.trials

    def _nothing_left(self) -> bool:
        if self.index.under_way:
            time.sleep(_WAIT_S)  # whose worker may die
            return True
        tally = self.pool.tally
        self._tell_watcher(
            f"every feasible network among {tally.drawn:,} candidates has been evaluated ({self.index.spent:,}); "
            "the study ends before TRIALS"
        )
        return False

    def _values(self, candidate: Candidate, quality: float | None) -> list[float]:
        """The objectives, the worst there is where one is not known."""
        known = dict(candidate.scores) | ({QUALITY: quality} if quality is not None else {})
        return [known.get(objective.name, objective.worst) for objective in self.plan.objectives]

    def _reuse(self, trial: Trial, candidate: Candidate, owner: FrozenTrial) -> None:
        outcome, notes = outcome_of(owner), {"reused_from": owner.number}
        if outcome == EVALUATED:
            quality = owner.user_attrs.get("quality")
            values = self._values(candidate, quality)
            self._finish(trial, REUSED, values, notes=notes if quality is None else {**notes, "quality": quality})
        else:  # pruned or failed, which it would be again; or somebody is at it
            self._finish(trial, REUSED if outcome else BUSY, notes=notes)

    def _evaluate(self, trial: Trial, candidate: Candidate, spec: NetSpec) -> None:
        if self.quality is None:
            self._finish(trial, EVALUATED, self._values(candidate, None))
            return
        prune = self._pruner(candidate.scores)
        several = len(self.plan.objectives) > 1
        evaluation = Evaluation(trial, candidate.config, candidate.scores, self.plan.seed, prune, several=several)
        try:
            verdict = evaluate(self.quality, spec, evaluation)
        except KeyboardInterrupt:
            retry(self.study, trial.params, 0, trial.number)
            self._finish(trial, LOST)
            raise
        self.seconds["quality"] += verdict.seconds
        self.failed = self.failed + 1 if verdict.outcome == FAILED else 0
        self.succeeded += verdict.outcome != FAILED
        notes: dict[str, Any] = {"seconds": {"quality": verdict.seconds}}
        if verdict.quality is not None:
            self._finish(
                trial, EVALUATED, self._values(candidate, verdict.quality), notes={**notes, "quality": verdict.quality}
            )
        elif verdict.outcome == PRUNED:
            self._finish(trial, PRUNED, state=TrialState.PRUNED, notes=notes)
        else:
            self._finish(trial, FAILED, notes={**notes, "reason": verdict.reason})
            self._tell_failure(trial.number, verdict.reason)
            self._check_failures(trial.number, verdict.reason)

    def _check_failures(self, number: int, reason: str) -> None:
        """Give up where evaluations do nothing but fail: a study of an infinite space would never end.

        Raises:
            OracleError: so many in a row.
        """
        if self.failed >= max(_FAILURES, self.succeeded):
            raise OracleError(
                f"{self.failed} evaluations failed in a row, after {self.succeeded:,} that did not; what is finished "
                f"is kept, and `oracle-search resume` goes on. The last, trial {number}: {' '.join(reason.split())}"
            )

    def _tell_failure(self, number: int, reason: str) -> None:
        """Tell the first failure of a kind at once: a whole study of them should not come as a surprise."""
        kind = reason.partition(":")[0]
        if kind not in self.failures:
            self.failures.add(kind)
            self._tell_watcher(f"trial {number} failed, and the study goes on: {reason}")

    def _pruner(self, scores: Mapping[str, float]) -> Callable[[int, float], bool]:
        least = self.plan.sampler["STARTUP"]

        def prune(step: int, value: float) -> bool:
            self.index.refresh()
            return should_prune(step, value, scores, self.index.evaluated, self.plan.objectives, least)

        return prune

    def _finish(
        self,
        trial: Trial,
        outcome: str,
        values: Sequence[float] | None = None,
        *,
        state: TrialState | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """End a trial: complete with values, failed without, unless a state is given."""
        state = state or (TrialState.FAIL if values is None else TrialState.COMPLETE)
        with self._timed("storage"):
            try:
                for name, note in {**(notes or {}), "outcome": outcome}.items():
                    trial.set_user_attr(name, note)
                self.study.tell(trial, values, state)
            except (UpdateFinishedTrialError, ValueError):
                if not self._is_finished(trial):
                    raise
                # We were taken for dead (a machine that slept, say), and our trial was given to somebody else.
                self._tell_watcher(f"trial {trial.number}: another worker has given it up meanwhile")

    def _is_finished(self, trial: Trial) -> bool:
        return self.study.get_trials(deepcopy=False)[trial.number].state.is_finished()

    def _reap(self) -> None:
        with self._timed("storage"):
            reap(self.study, self.index, self.watch, self.parameters.distributions)

    # What people see.

    @contextmanager
    def _timed(self, part: str) -> Generator[None, None, None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - began

    def _tell_probed(self, done: int, total: int) -> None:
        if self.watcher is not None:
            self.watcher(progress_of(self.plan, self.index, self.seconds, probed=(done, total)))

    def _tell_watcher(self, message: str = "") -> None:
        if self.watcher is not None:
            self.watcher(progress_of(self.plan, self.index, self.seconds, message))
