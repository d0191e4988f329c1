"""Run a study, or join one that others run."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from optuna import Study
from optuna.storages import BaseStorage

from ..objectives import Quality, quality_of
from .exact import Enumeration
from .files import EXACT, StudyPlan
from .identity import check_identity, identity_of
from .labels import storage_label
from .loop import Loop
from .progress import Watcher
from .records import COUNTED
from .results import Results
from .samplers import check_sampler
from .storage import StorageLostError, default_storage, open_storage, reaching, readable
from .store import create, load, plan_of, quiet, start_from, want
from .workers import is_alive, others


def run_study(
    plan: StudyPlan,
    storage: str | BaseStorage = "",
    *,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
    earlier: Sequence[Results | Study] = (),
    accept_changed_quality: bool = False,
) -> Results:
    """Run a study, or continue one that is in the storage already.

    Args:
        plan: as `oracle.search.load_study` returns it.
        storage: path, URL or storage of optuna. Default: that of the plan, or NAME.journal.
        watcher: called with the progress after every trial, and while the space is probed.
        quality: a function in place of the plan's QUALITY section.
        earlier: other studies of this space to learn from before the first trial, ours (as `open_results` returns them)
            or of optuna with one objective and the same parameters; SAMPLER pool only. The study keeps their values.
        accept_changed_quality: continue although the quality function is not the one that the study was evaluated with.

    Returns:
        What the study has found, by all of its workers.

    Raises:
        ConfigError: nothing is feasible; or the stored study of that name is another one, or had another quality.
        OracleError: the quality function cannot be used, or the storage, which may have been lost meanwhile.

    Examples:
        >>> import pathlib, tempfile
        >>> from oracle.search import run_study, study_of
        >>> plan = study_of({"SPACE": "regnetx", "OBJECTIVES": ["minimise params"], "TRIALS": 3, "SAMPLER": "random"})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(run_study(plan, str(pathlib.Path(folder, "it.journal"))).evaluated)
        3
    """
    evaluate = quality or quality_of(plan.quality, plan.space)
    place = storage or plan.storage or default_storage(plan.name)
    with quiet(), _explained(plan.name, place):
        with _whole(plan.name):
            study = create(plan, _opened(place))
            values, evaluated = study.user_attrs["plan"], _evaluated(study, plan)
        seed, note = values["SEED"], ""
        if seed != plan.seed:
            note = (
                f"{plan.name}: SEED {plan.seed} is ignored: the study has trials, and goes on with its own, {seed}; "
                "another NAME makes another study"
            )
        check_identity(study, identity_of(plan.quality, quality), evaluated=evaluated, accept=accept_changed_quality)
        others = [item.study if isinstance(item, Results) else item for item in earlier]
        plan = replace(plan, seed=seed, values=values, earlier=start_from(study, plan, others))
        return _worked(plan, study, evaluate, watcher, (), note)


def join_study(
    name: str,
    storage: str | BaseStorage,
    *,
    trials: int | None = None,
    watcher: Watcher | None = None,
    quality: Quality | None = None,
    accept_changed_quality: bool = False,
) -> Results:
    """Work on a study that is in a storage, beside other workers.

    Args:
        name: of the study.
        storage: path, URL or storage of optuna.
        trials: evaluated trials that the study shall have in the end; more than the plan's are kept, so that who joins
            later works for as many. Default: the plan's.
        watcher: as in `oracle.search.run_study`.
        quality: as in `oracle.search.run_study`.
        accept_changed_quality: as in `oracle.search.run_study`.

    Raises:
        OracleError: as `oracle.search.run_study`; also no such study.
    """
    with quiet(), _explained(name, storage):
        label = storage_label(storage) if isinstance(storage, str) else ""
        with _whole(name):
            study = load(name, _opened(storage, create=False), label)
            plan = plan_of(study, trials)
            want(study, plan.trials)
            evaluated = _evaluated(study, plan)
        evaluate = quality or quality_of(plan.quality, plan.space)
        check_identity(study, identity_of(plan.quality, quality), evaluated=evaluated, accept=accept_changed_quality)
        words = (
            () if all(is_alive(worker) is False for worker in others(study)) else (time.time_ns(),)
        )  # beside others, to choose otherwise than they do
        return _worked(plan, study, evaluate, watcher, words)


def _worked(
    plan: StudyPlan,
    study: Study,
    quality: Quality | None,
    watcher: Watcher | None,
    words: Sequence[int],
    note: str = "",
) -> Results:
    if plan.sampler["TYPE"] == EXACT:
        Enumeration(plan, study, watcher).run(note)
    else:
        check_sampler(plan.sampler["TYPE"])
        Loop(plan, study, quality, watcher, words).run(note)
    return Results(study, plan)


@contextmanager
def _explained(name: str, storage: str | BaseStorage) -> Generator[None, None, None]:
    """Say what is lost, and how to go on, where a storage is lost.

    Raises:
        StorageLostError: in one line.
    """
    try:
        with reaching():
            yield
    except StorageLostError as error:
        label, place = "", ""
        if isinstance(storage, str):
            label, place = f" {storage_label(storage)}", f" --storage {storage_label(storage)}"
        raise StorageLostError(
            f"lost contact with the storage{label}: {error}; trials that were finished are in it, and what was under "
            f"way is tried again. Once it is back: oracle-search resume {name}{place}"
        ) from None


def _whole(name: str) -> AbstractContextManager[None]:
    """What a storage holds of a study is looked at before the study goes on, as it is a file that others may damage."""
    return readable(f"study {name!r}: its storage cannot be read")


def _evaluated(study: Study, plan: StudyPlan) -> bool:
    """Whether some evaluation has come to something; each trial has to be one.

    Raises:
        OracleError: one is none.
    """
    return any(record.outcome in COUNTED for record in Results(study, plan).trials)


def _opened(storage: str | BaseStorage, *, create: bool = True) -> BaseStorage:
    return open_storage(storage, create=create) if isinstance(storage, str) else storage
