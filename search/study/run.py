"""Run a study, or join one that others run."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from optuna import Study
from optuna.storages import BaseStorage

from ..objectives import Quality, quality_of
from .files import StudyPlan
from .labels import storage_label
from .loop import Loop
from .progress import Watcher
from .results import Results
from .samplers import sampler_of
from .storage import default_storage, open_storage
from .store import create, load, plan_of, quiet

__all__ = ["join_study", "run_study"]


def run_study(
    plan: StudyPlan,
    storage: str | BaseStorage = "",
    *,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
) -> Results:
    """Run a study, or continue one that is in the storage already.

    Args:
        plan: as `oracle.search.load_study` returns it.
        storage: path, URL or storage of optuna. Default: that of the plan, or NAME.journal.
        watcher: called with the progress after every trial, and while the space is probed.
        quality: a function in place of the plan's QUALITY section.

    Returns:
        What the study has found, by all of its workers.

    Raises:
        ConfigError: nothing is feasible, or the stored study of that name is another one.
        OracleError: the storage or the quality function cannot be used.

    Examples:
        >>> import pathlib, tempfile
        >>> from oracle.search import run_study, study_of
        >>> plan = study_of({"SPACE": "regnetx", "OBJECTIVES": ["minimise params"], "TRIALS": 3, "SAMPLER": "random"})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(run_study(plan, str(pathlib.Path(folder, "it.journal"))).evaluated)
        3
    """
    evaluate = quality or quality_of(plan.quality, plan.space)
    opened = _opened(storage or plan.storage or default_storage(plan.name))
    with quiet():
        study = create(plan, opened)
        values = study.user_attrs["plan"]
        seed, note = values["SEED"], ""
        if seed != plan.seed:
            note = (
                f"{plan.name}: SEED {plan.seed} is ignored: the study has trials, and goes on with its own, {seed}; "
                "another NAME makes another study"
            )
        return _worked(replace(plan, seed=seed, values=values), study, evaluate, watcher, 0, note)


def join_study(
    name: str,
    storage: str | BaseStorage,
    *,
    trials: int | None = None,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
) -> Results:
    """Work on a study that is in a storage, beside other workers.

    Args:
        name: of the study.
        storage: path, URL or storage of optuna.
        trials: evaluated trials that the study shall have in the end. Default: the plan's.
        watcher: as in `oracle.search.run_study`.
        quality: as in `oracle.search.run_study`.

    Raises:
        OracleError: as `oracle.search.run_study`; also no such study.
    """
    with quiet():
        label = storage_label(storage) if isinstance(storage, str) else ""
        study = load(name, _opened(storage, create=False), label)
        plan = plan_of(study, trials)
        evaluate = quality or quality_of(plan.quality, plan.space)
        return _worked(plan, study, evaluate, watcher, time.time_ns())


def _worked(
    plan: StudyPlan, study: Study, quality: Quality | None, watcher: Watcher | None, word: int, note: str = ""
) -> Results:
    # Draws depend on the seed, on how far the study is (a resumed one does not repeat how it began) and, beside
    # other workers, on a word of one's own.
    words = [plan.seed, len(study.get_trials(deepcopy=False)), word % 2**64]
    seed = int(np.random.SeedSequence(words).generate_state(1)[0])
    study.sampler = sampler_of(plan.sampler, seed)
    Loop(plan, study, quality, watcher).run(note)
    return Results(study, plan)


def _opened(storage: str | BaseStorage, *, create: bool = True) -> BaseStorage:
    return open_storage(storage, create=create) if isinstance(storage, str) else storage
