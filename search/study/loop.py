"""The loop: propose, claim, evaluate, record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from optuna import Study
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, Trial

from ..objectives import Quality
from .candidates import Candidate, gate_of
from .claims import Index, claim
from .evaluate import Failures, Verdict, evaluate
from .files import StudyPlan
from .orphans import reap, retry
from .progress import Watcher, progress_of
from .propose import Proposer
from .pruning import Evaluation, is_below_median, is_left_behind, pruner_of
from .recording import Opened, Recorder, Timer
from .records import BUSY, EVALUATED, LOST, REJECTED, REUSED, note_candidate, outcome_of, quality_of_trial
from .rungs import Brackets
from .words import QUALITY
from .workers import Watch

_WAIT_S = 0.05


class Loop:
    """One worker's work on a study.

    Args:
        plan: of the study.
        study: of optuna.
        quality: of a candidate; None where all objectives are scores.
        watcher: called with the progress.
        words: of the seed, see `Proposer`.
    """

    def __init__(
        self,
        plan: StudyPlan,
        study: Study,
        quality: Quality | None,
        watcher: Watcher | None,
        words: Sequence[int] = (),
    ) -> None:
        self._plan, self._study, self._quality, self._watcher = plan, study, quality, watcher
        self._gate = gate_of(plan)
        self._parameters = self._gate.grid.parameters
        self._timer = Timer()
        self._index = Index(study, plan.objectives)
        self._watch = Watch(study)
        self._failures = Failures()
        self._recorder = Recorder(study, self._parameters, self._watch.worker, self._timer)
        self._proposer = Proposer(plan, study, self._gate, self._index, words, self._timer, self._say_probed)
        study.sampler = RandomSampler(seed=plan.seed)  # of waiting trials that lack some parameter
        if len(plan.objectives) == 1:
            study.pruner = pruner_of(plan)

    def run(self, note: str = "") -> None:
        """Work until the study has its trials, time is up, or nothing is left to look at.

        Args:
            note: for the watcher, before anything else.

        Raises:
            ConfigError: nothing is feasible.
            OracleError: evaluations fail, one after the other.
        """
        plan, index = self._plan, self._index
        end = time.monotonic() + (plan.timeout_s or math.inf)
        with self._watch:
            self._reap()
            if note:
                self._say(note)
            if not index.spent:
                index.forget_failures()  # whatever was wrong has been corrected since, or will be met again
            if index.spent < plan.trials:
                self._proposer.begin()
                self._say()
            else:
                self._say(
                    f"{plan.name}: finished: {index.spent:,} evaluated, {plan.trials:,} requested; "
                    "nothing was left to do, and more TRIALS would go on"
                )
            while time.monotonic() < end:
                self._reap()
                if index.spent >= plan.trials:
                    break
                if self._is_full():
                    time.sleep(_WAIT_S)  # others are at the last ones; should one die, we take its place
                elif not self._step():
                    break
                self._say()
        index.refresh()
        self._say()

    def _step(self) -> bool:
        """Take one candidate to its end; False when none is left."""
        if self._index.waiting:
            self._take_waiting()
            return True
        proposal = self._proposer.propose()
        if proposal is None:
            return self._nothing_left()
        if self._is_late(proposal.candidate.key):
            return True  # to choose again, knowing what others have chosen
        opened = self._recorder.open(proposal)
        self._take(opened, proposal.candidate)
        return True

    def _is_late(self, key: str) -> bool:
        """Whether others have taken a candidate, or what was left of TRIALS, while we were choosing.

        A look at the storage is cheaper than a trial that comes to nothing. Who passes it at the same moment as
        another worker opens a trial, and yields by the claims.
        """
        new = not self._index.knows(key)
        with self._timer.of("storage"):
            self._index.refresh()
        return self._is_full() or (new and self._index.knows(key))

    def _is_full(self) -> bool:
        """Whether what is under way is the last of TRIALS."""
        return self._index.spent + self._index.under_way >= self._plan.trials

    def _take_waiting(self) -> None:
        """A trial that waits in the storage: one that a dead worker was at, or that somebody has put there."""
        with self._timer.of("storage"):
            trial = self._study.ask(self._parameters.distributions)
            trial.set_user_attr("worker", self._watch.worker)
        with self._timer.of("oracle"):
            candidate = self._gate.check(self._parameters.config(trial.params))
        with self._timer.of("storage"):
            note_candidate(trial, candidate)
        self._take(Opened(trial._trial_id, trial.number, queued=True), candidate)  # noqa: SLF001 - it has no other

    def _take(self, opened: Opened, candidate: Candidate) -> None:
        if not candidate.feasible:
            self._close(opened, REJECTED, self._values(candidate, None))
            return
        with self._timer.of("storage"):
            owner = claim(self._index, self._study, opened, candidate.key, self._watch.worker, self._reap)
        if owner is not None:
            self._reuse(opened, candidate, owner)
        elif not self._has_place(opened):
            self._close(opened, BUSY)  # others took what was left of TRIALS while we were choosing
        elif self._quality is None:
            self._close(opened, EVALUATED, self._values(candidate, None))
        else:
            self._evaluate(opened, candidate, self._quality)

    def _has_place(self, opened: Opened) -> bool:
        """Whether a place of TRIALS is left for a trial that has claimed its candidate.

        Who counts only what is ahead needs no lock, as long as all before it have claimed when it looks. A trial that
        waited in the storage claims late: later ones may have counted without it, and it waits for them.
        """
        while self._index.spent + self._index.ahead_of(opened.number) < self._plan.trials:
            if not opened.queued:
                return True
            with self._timer.of("storage"):
                self._index.refresh()
            if self._index.spent + self._index.under_way <= self._plan.trials:  # our own is under way, too
                return True
            self._reap()
            time.sleep(_WAIT_S)
        return False

    def _nothing_left(self) -> bool:
        if self._index.under_way:
            time.sleep(_WAIT_S)  # whose worker may die
            return True
        tally = self._proposer.pool.tally
        self._say(
            f"every feasible network among {tally.drawn:,} candidates has been evaluated ({self._index.spent:,}); "
            "the study ends before TRIALS"
        )
        return False

    def _values(self, candidate: Candidate, quality: float | None) -> list[float]:
        """The objectives, the worst there is where one is not known."""
        known = dict(candidate.scores) | ({QUALITY: quality} if quality is not None else {})
        return [known.get(objective.name, objective.worst) for objective in self._plan.objectives]

    def _reuse(self, opened: Opened, candidate: Candidate, owner: FrozenTrial) -> None:
        outcome, notes = outcome_of(owner), {"reused_from": owner.number}
        if outcome == EVALUATED:
            quality = quality_of_trial(owner, self._plan.quality_place)
            self._close(opened, REUSED, self._values(candidate, quality), notes)
        else:  # pruned or failed, which it would be again; or somebody is at it
            self._close(opened, REUSED if outcome else BUSY, None, notes)

    def _evaluate(self, opened: Opened, candidate: Candidate, quality: Quality) -> None:
        trial = self._recorder.trial(opened)
        several = len(self._plan.objectives) > 1
        prune = self._pruner(trial, candidate.scores) if several else lambda _: trial.should_prune()
        evaluation = Evaluation(trial, candidate.config, candidate.scores, self._plan.seed, prune, several=several)
        try:
            verdict = evaluate(quality, self._gate.network(candidate.config), evaluation)
        except KeyboardInterrupt:
            retry(self._study, trial.params, 0, trial.number)
            self._close(opened, LOST)
            raise
        self._timer.seconds["quality"] += verdict.seconds
        self._settle(opened, candidate, verdict)
        if message := self._failures.count(verdict, opened.number):
            self._say(message)

    def _settle(self, opened: Opened, candidate: Candidate, verdict: Verdict) -> None:
        values = None if verdict.quality is None else self._values(candidate, verdict.quality)
        self._close(opened, verdict.outcome, values, {"reason": verdict.reason} if verdict.reason else None)

    def _pruner(self, trial: Trial, scores: Mapping[str, float]) -> Callable[[Mapping[int, float]], bool]:
        """The rule of a study with several objectives."""
        section, objectives = self._plan.pruner, self._plan.objectives
        if section["TYPE"] == "none":
            return lambda _: False
        if section["TYPE"] == "median":
            least = self._plan.startup
            return lambda reports: is_below_median(reports, scores, self._peers(), objectives, least)
        rungs = section["MIN"], section["MAX"], section["FACTOR"]
        brackets = Brackets(section["TYPE"], *rungs, self._plan.seed)
        return lambda reports: is_left_behind(
            trial.number,
            reports,
            scores,
            [*self._peers(), *self._index.running],
            objectives,
            brackets,
            section["FACTOR"],
        )

    def _peers(self) -> Sequence[FrozenTrial]:
        self._index.refresh()
        return self._index.evaluated

    def _close(
        self,
        opened: Opened,
        outcome: str,
        values: Sequence[float] | None = None,
        notes: Mapping[str, object] | None = None,
    ) -> None:
        if not self._recorder.close(opened, outcome, values, notes):
            # We were taken for dead (a machine that slept, say), and our trial was given to somebody else.
            self._say(f"trial {opened.number}: another worker has given it up meanwhile")

    def _reap(self) -> None:
        with self._timer.of("storage"):
            reap(self._study, self._index, self._watch, self._parameters.distributions)

    def _say_probed(self, done: int, total: int) -> None:
        if self._watcher is not None:
            self._watcher(progress_of(self._plan, self._index, self._timer.seconds, probed=(done, total)))

    def _say(self, message: str = "") -> None:
        if self._watcher is not None:
            self._watcher(progress_of(self._plan, self._index, self._timer.seconds, message))
