"""The loop: ask, look, and only then evaluate."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from oracle.errors import ConfigError, OracleError
from search.objectives import Builder, Quality, quality_of
from search.space import Tally
from search.space.space import REPEATED
from search.study.candidates import Candidate, Gate
from search.study.claims import Index, claim
from search.study.files import StudyPlan, study_of
from search.study.params import Parameters
from search.study.pool import Member, Pool
from search.study.progress import Progress
from search.study.pruning import Evaluation, should_prune
from search.study.records import (
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
from search.study.results import Results
from search.study.samplers import LEARNERS, sampler_of
from search.study.storage import default_storage, open_storage
from search.study.workers import Watch
from search.study.words import QUALITY

__all__ = ["join_study", "run_study"]

_WAIT_S = 0.25
_RARE = 1e-4  # a study in which fewer candidates are feasible is seeded
_MAX_LOSSES = 3  # a network that took so many workers with it is given up
# What makes two studies comparable; everything else may change between two runs of one.
_LASTING = ("SPACE", "DEVICES", "COST", "OBJECTIVES", "CONSTRAINTS", "QUALITY")

Watcher = Callable[[Progress], None]


def run_study(
    plan: StudyPlan,
    storage: str | BaseStorage = "",
    *,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
) -> Results:
    """Run a study, or go on with one that is in the storage already.

    Args:
        plan: from `load_study`.
        storage: path, URL or storage of optuna; that of the plan if empty, else NAME.journal.
        watcher: called with the progress after every trial.
        quality: instead of the plan's QUALITY section.

    Returns:
        What the study has found, by all its workers.

    Raises:
        ConfigError: nothing is feasible, or the stored study of that name is another one.
        OracleError: the storage or the quality function cannot be used.
    """
    opened = _opened(storage or plan.storage or default_storage(plan.name))
    evaluate = quality or quality_of(plan.quality, plan.space)
    study = _create(plan, opened)
    seed = _seed(plan.seed, len(study.get_trials(deepcopy=False)))
    with _quiet():
        study.sampler = sampler_of(plan.sampler, seed)
        _Loop(plan, study, evaluate, watcher).run()
    return Results(study, plan)


def join_study(
    name: str,
    storage: str | BaseStorage,
    *,
    trials: int | None = None,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
) -> Results:
    """Work on a study that is in a storage, beside whoever else does.

    Args:
        name: of the study.
        storage: path, URL or storage of optuna.
        trials: evaluated trials that the study is to have in the end; as it says itself if None.
        watcher, quality: as in `run_study`.

    Raises:
        OracleError: as `run_study`; or there is no such study.
    """
    opened = _opened(storage)
    study = _loaded(name, opened)
    plan = plan_of(study, trials)
    evaluate = quality or quality_of(plan.quality, plan.space)
    watch_seed = _seed(plan.seed, len(study.get_trials(deepcopy=False)), time.time_ns())
    with _quiet():
        study.sampler = sampler_of(plan.sampler, watch_seed)
        _Loop(plan, study, evaluate, watcher).run()
    return Results(study, plan)


def plan_of(study: Study, trials: int | None = None) -> StudyPlan:
    """The plan that a stored study was made with.

    Raises:
        OracleError: somebody else's study, which has none.
    """
    values = study.user_attrs.get("plan")
    if not isinstance(values, Mapping):
        raise OracleError(f"study {study.study_name!r} was not made by oracle-search: it holds no plan")
    return study_of({**values, **({"TRIALS": trials} if trials else {})}, study.study_name)


def _opened(storage: str | BaseStorage) -> BaseStorage:
    return open_storage(storage) if isinstance(storage, str) else storage


def _loaded(name: str, storage: BaseStorage) -> Study:
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = sorted(study.study_name for study in storage.get_all_studies())
        raise OracleError(f"no study {name!r} in the storage; it has {', '.join(known) or 'none'}") from None


def _create(plan: StudyPlan, storage: BaseStorage) -> Study:
    """The study in the storage, made if it is not there; its plan must be this one."""
    directions = [StudyDirection.MAXIMIZE if o.maximise else StudyDirection.MINIMIZE for o in plan.objectives]
    values = json.loads(json.dumps(plan.values))
    with _quiet():
        try:
            study = optuna.create_study(storage=storage, study_name=plan.name, directions=directions)
        except DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=plan.name)
            old = study.user_attrs.get("plan")
            for key in _LASTING:
                if old is not None and old.get(key) != values[key]:
                    raise ConfigError(
                        f"the storage has a study {plan.name!r} with another {key}: {_short(old.get(key))}; "
                        "expected the same, or another NAME",
                        key=key,
                    ) from None
        study.set_metric_names([objective.name for objective in plan.objectives])
    study.set_user_attr("plan", values)
    return study


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _seed(*words: int) -> int:
    """One seed of several numbers: a resumed study does not repeat the draws it began with."""
    return int(np.random.SeedSequence([word % 2**32 for word in words]).generate_state(1)[0])


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Without optuna's lines per trial, and its notes that a feature is experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", module=r"optuna(\.|$)")
            warnings.filterwarnings("ignore", message=".*[Cc]lip.*")
            yield
    finally:
        optuna.logging.set_verbosity(before)


class _Loop:
    """One worker's work on a study."""

    def __init__(self, plan: StudyPlan, study: Study, quality: Quality | None, watcher: Watcher | None) -> None:
        self.plan, self.study, self.quality, self.watcher = plan, study, quality, watcher
        self.gate = Gate(plan.space, plan.bounds, plan.devices, plan.workload)
        self.parameters = Parameters.of(plan.space)
        self.pool = Pool(self.gate, plan.seed, in_order=plan.sampler["TYPE"] == "grid")
        self.index = Index(study)
        self.watch = Watch(study)
        self.seconds: Counter[str] = Counter(oracle=0.0, sampler=0.0, quality=0.0, storage=0.0)
        self.rejections = 0  # in a row
        self.last: dict[str, Any] = {}  # the last suggestion
        self.offered: set[str] = set()
        self.learns = plan.sampler["TYPE"] in LEARNERS

    def run(self) -> None:
        end = time.monotonic() + (self.plan.timeout_s or math.inf)
        with self.watch:
            self._reap()
            if self.index.spent < self.plan.trials:
                self._begin()
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
            raise _nothing_feasible(tally)
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
        with self._timed("storage"):
            self._enqueue(member)
        return True

    def _is_taken(self, key: str) -> bool:
        return key in self.offered or self.index.knows(key)

    def _distance(self, near: Mapping[str, Any]) -> Callable[[Any], float]:
        return lambda config: self.parameters.distance(near, self.parameters.suggestions(config))

    def _enqueue(self, member: Member) -> None:
        suggestions = self.parameters.suggestions(member.config)
        self.study.enqueue_trial(suggestions, user_attrs={"origin": "closed form"})

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
        if not candidate.feasible:
            self.rejections += 1
            self._finish(trial, REJECTED, values=self._values(candidate, None))
            return True
        with self._timed("storage"):
            owner = claim(self.index, trial, candidate.key, self.watch.worker, self._reap)
        if owner is None and self._is_surplus(trial):
            self._finish(trial, BUSY, state=TrialState.FAIL)
        elif owner is None:
            self.rejections = 0
            self._evaluate(trial, candidate)
        else:
            self.rejections += 1
            self._reuse(trial, candidate, owner)
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
        trial.set_user_attr("reused_from", owner.number)
        outcome = outcome_of(owner)
        if outcome == EVALUATED:
            quality = owner.user_attrs.get("quality")
            if quality is not None:
                trial.set_user_attr("quality", quality)
            self._finish(trial, REUSED, values=self._values(candidate, quality))
        else:  # pruned or failed, which it would be again; or somebody is at it
            self._finish(trial, REUSED if outcome else BUSY, state=TrialState.FAIL)

    def _evaluate(self, trial: Trial, candidate: Candidate) -> None:
        if self.quality is None:
            self._finish(trial, EVALUATED, values=self._values(candidate, None))
            return
        began = time.perf_counter()
        evaluation = Evaluation(
            trial, candidate.config, candidate.scores, self.plan.seed, self._pruner(candidate.scores)
        )
        try:
            value = self.quality(candidate.spec, Builder(candidate.spec, self.plan.seed), evaluation)
            quality = _number(value)
        except optuna.TrialPruned:
            self._spent(trial, began)
            self._finish(trial, PRUNED, state=TrialState.PRUNED)
        except KeyboardInterrupt:
            self._retry(trial.params, 0)
            self._finish(trial, LOST, state=TrialState.FAIL)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises is that trial's failure
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}"[:2000])
            self._spent(trial, began)
            self._finish(trial, FAILED, state=TrialState.FAIL)
        else:
            trial.set_user_attr("quality", quality)
            self._spent(trial, began)
            self._finish(trial, EVALUATED, values=self._values(candidate, quality))

    def _spent(self, trial: Trial, began: float) -> None:
        seconds = time.perf_counter() - began
        self.seconds["quality"] += seconds
        trial.set_user_attr("seconds", {"quality": seconds})

    def _pruner(self, scores: Mapping[str, float]) -> Callable[[int, float], bool]:
        least = self.plan.sampler["STARTUP"]

        def prune(step: int, value: float) -> bool:
            self.index.refresh()
            return should_prune(step, value, scores, self.index.evaluated, self.plan.objectives, least)

        return prune

    def _finish(
        self, trial: Trial, outcome: str, values: list[float] | None = None, state: TrialState | None = None
    ) -> None:
        with self._timed("storage"):
            trial.set_user_attr("outcome", outcome)
            try:
                self.study.tell(trial, values, state or TrialState.COMPLETE)
            except (UpdateFinishedTrialError, ValueError) as error:
                if not self._is_finished(trial):
                    raise
                # We were taken for dead (a machine that slept, say), and our trial was given to somebody else.
                self._tell_watcher(f"trial {trial.number} was finished by another worker: {error}")

    def _is_finished(self, trial: Trial) -> bool:
        return self.study.get_trials(deepcopy=False)[trial.number].state.is_finished()

    # Trials of workers that died.

    def _reap(self) -> None:
        """Give up the trials of dead workers; what they were at is tried again."""
        with self._timed("storage"):
            self.index.refresh()
            dead = [trial for trial in self.index.running if self._is_orphan(trial)]
            for trial in dead:
                self._give_up(trial)
            if dead:
                self.index.refresh()

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get("worker", f"trial {trial.number}")
        return worker != self.watch.worker and self.watch.is_dead(worker)

    def _give_up(self, trial: FrozenTrial) -> None:
        losses = int(trial.user_attrs.get("losses", 0)) + 1
        final = losses >= _MAX_LOSSES and "evaluating" in trial.user_attrs
        handle = Trial(self.study, trial._trial_id)  # noqa: SLF001 - the way to a trial that somebody else asked for
        try:
            handle.set_user_attr("outcome", FAILED if final else LOST)
            handle.set_user_attr("reason", f"its worker died ({losses} of {_MAX_LOSSES})")
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            return  # another worker was faster, and does the rest
        suggestions = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        if not final and set(self.parameters.distributions) <= set(suggestions):
            self._retry(suggestions, losses, trial.number)

    def _retry(self, suggestions: Mapping[str, Any], losses: int, number: int | None = None) -> None:
        attrs: dict[str, Any] = {"origin": "retry", "losses": losses}
        if number is not None:
            attrs["retry_of"] = number
        self.study.enqueue_trial(dict(suggestions), user_attrs=attrs)

    # What people see.

    @contextmanager
    def _timed(self, part: str) -> Generator[None, None, None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - began

    def _tell_watcher(self, message: str = "") -> None:
        if self.watcher is None:
            return
        best, front = _standing(self.index, self.plan)
        self.watcher(
            Progress(
                study=self.plan.name,
                spent=self.index.spent,
                wanted=self.plan.trials,
                outcomes=dict(self.index.counts),
                rejected=dict(self.index.rejected),
                best=best,
                front=front,
                seconds=dict(self.seconds),
                message=message,
            )
        )


def _nothing_feasible(tally: Tally) -> ConfigError:
    """Which constraint is tightest, whom it rejects, and how near the nearest came."""
    total, *reasons = tally.explain().splitlines()
    counts = {name: count for name, count in tally.rejected.items() if name != REPEATED}
    tightest = max(counts, key=lambda name: counts[name], default="")
    reasons.sort(key=lambda reason: not reason.startswith(f"{tightest} rejects"))
    return ConfigError(
        f"nothing is feasible, and nothing was evaluated: {total}; tightest: {'; '.join(reasons)}", key="CONSTRAINTS"
    )


def _standing(index: Index, plan: StudyPlan) -> tuple[dict[str, float], int]:
    """The best values and the size of the front."""
    from search.pareto import non_dominated

    values = [trial.values for trial in index.completed()]
    if not values:
        return {}, 0
    maximise = [objective.maximise for objective in plan.objectives]
    columns = np.array(values, dtype=np.float64).T
    names = [objective.name for objective in plan.objectives]
    best = {
        name: float(column.max() if flip else column.min())
        for name, column, flip in zip(names, columns, maximise, strict=True)
    }
    return best, int(non_dominated(list(columns), maximise).sum())


def _number(value: Any) -> float:
    """A quality as a float.

    Raises:
        OracleError: no finite number.
    """
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OracleError(f"quality={value!r}: expected a finite number")
    return float(value)
