"""The samplers by the words of a study file, optuna's and ours, and one suggestion of theirs.

Each suggestion of optuna's is made by a sampler of its own, seeded by the study's SEED and the number of the trial: a
study that was stopped goes on as if it had not been. Ours draws a pool, and is made once: what it suggests follows from
the trials alone.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from oracle.errors import MissingDependencyError

from .files import StudyPlan

_DRAFT = -1  # the id of a trial that is not in the storage yet


@dataclass(frozen=True, slots=True)
class Learner:
    """A way to a sampler that learns from the trials of a study.

    Attributes:
        make: a new sampler, from the plan and a seed.
        projected: whether suggestions are anywhere in the ranges, and the nearest feasible candidate is taken; else
            they are feasible candidates, and new ones, and one sampler makes all of them.
        needs: packages that are not installed with the oracle.
    """

    make: Callable[[StudyPlan, int], BaseSampler]
    projected: bool = True
    needs: tuple[str, ...] = ()


def _tpe(plan: StudyPlan, seed: int) -> BaseSampler:
    return TPESampler(n_startup_trials=plan.startup, constant_liar=True, seed=seed)


def _nsga2(plan: StudyPlan, seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=plan.sampler["POPULATION"], seed=seed)


def _nsga3(plan: StudyPlan, seed: int) -> BaseSampler:
    return NSGAIIISampler(population_size=plan.sampler["POPULATION"], seed=seed)


def _gp(plan: StudyPlan, seed: int) -> BaseSampler:
    return GPSampler(n_startup_trials=plan.startup, deterministic_objective=False, seed=seed)


def _pool(plan: StudyPlan, seed: int) -> BaseSampler:
    from ..pool import PoolSampler

    names = [objective.name for objective in plan.objectives]
    startup, trained = plan.sampler["STARTUP"] or None, plan.quality["TYPE"] == "call"  # which sees more than a network
    warm = (*plan.earlier, *plan.sampler["WARM"])
    words = {"objectives": names, "seed": seed, "startup": startup, "training_keys": trained, "warm": warm}
    return PoolSampler(plan.space, plan.limits, **words)


LEARNERS: Mapping[str, Learner] = {
    "pool": Learner(_pool, projected=False),
    "tpe": Learner(_tpe),
    "nsga2": Learner(_nsga2),
    "nsga3": Learner(_nsga3),
    "gp": Learner(_gp, needs=("scipy", "torch")),
}
"""By SAMPLER.TYPE; the others draw feasible candidates by the closed form."""


def check_sampler(kind: str) -> None:
    """Complain about a sampler whose packages are not installed.

    Raises:
        MissingDependencyError: says what to install.
    """
    learner = LEARNERS.get(kind)
    missing = [name for name in learner.needs if find_spec(name) is None] if learner else []
    if missing:
        raise MissingDependencyError(
            f"SAMPLER.TYPE: {kind} needs {' and '.join(missing)}; pip install {' '.join(missing)}"
        )


def suggest(
    plan: StudyPlan,
    study: Study,
    number: int,
    words: Sequence[int],
    distributions: Mapping[str, BaseDistribution],
    lasting: BaseSampler | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of the next trial, which is not in the storage yet, and what the sampler wants kept with it.

    Args:
        plan: of the study; its sampler learns.
        study: of optuna.
        number: that the trial is going to have.
        words: of the seed, beside the plan's and the number.
        distributions: of all parameters.
        lasting: a sampler to be used; a new one if None.
    """
    seed = int(np.random.SeedSequence([plan.seed, number, *words]).generate_state(1)[0])
    draft = FrozenTrial(number, TrialState.RUNNING, None, datetime.now(), None, {}, {}, {}, {}, {}, _DRAFT)  # noqa: DTZ005
    view = copy.copy(study)
    view._storage = notes = _Drafting(study._storage)  # type: ignore[assignment]  # noqa: SLF001
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = LEARNERS[plan.sampler["TYPE"]].make(plan, seed) if lasting is None else lasting
        sampler.before_trial(view, draft)
        found = sampler.sample_relative(view, draft, sampler.infer_relative_search_space(view, draft))
        for name, distribution in distributions.items():
            if name not in found:
                found[name] = sampler.sample_independent(view, draft, name, distribution)
    kept = {key: value for key, value in notes.attrs.items() if "relative_params" not in key}  # the trial has them
    return {name: found[name] for name in distributions}, kept


class _Drafting:
    """A storage, and what a sampler writes to a trial that is not in it yet.

    Attributes:
        attrs: system attributes of that trial.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self.attrs: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As optuna's storages have it."""
        if trial_id == _DRAFT:
            self.attrs[key] = value
        else:
            self._storage.set_trial_system_attr(trial_id, key, value)
