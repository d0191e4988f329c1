"""Studies in their storage: made, found, and read with the plan that they were made by."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import optuna
from optuna import Study
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from oracle.errors import ConfigError, OracleError

from ..pool.warm import Earlier, earlier_of
from .files import StudyPlan, default_study, study_of
from .params import Parameters
from .workers import is_alive, others

# What makes two studies comparable; everything else may change between two runs of one.
_LASTING = ("SPACE", "DEVICES", "COST", "MODEL", "CALIBRATIONS", "OBJECTIVES", "CONSTRAINTS", "QUALITY", "PRUNER")
_BOUNDS = {"MODEL": "roofline"}  # what plans that name no model were made with
_EARLIER = "earlier"  # the attribute of a study with evaluations of others
_GONE = ("PATIENCE",)  # keys of SAMPLER that studies of old hold, and that nothing reads


def create(plan: StudyPlan, storage: BaseStorage) -> Study:
    """The study of a plan, made if it is not in the storage; one that has trials keeps its SEED.

    A study in which nothing was looked at yet, because its file was wrong, gives way to the corrected one.

    Raises:
        ConfigError: the storage has another study of that name.
    """
    directions = [StudyDirection.MAXIMIZE if o.maximise else StudyDirection.MINIMIZE for o in plan.objectives]
    values = json.loads(json.dumps(plan.values))
    try:
        study = optuna.create_study(storage=storage, study_name=plan.name, directions=directions)
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=plan.name)
        old = {**default_study(), **_BOUNDS, **study.user_attrs.get("plan", values)}
        changed = [key for key in _LASTING if old[key] != values[key]]
        if changed and _is_untouched(study):
            optuna.delete_study(study_name=plan.name, storage=storage)
            return create(plan, storage)
        for key in changed:
            raise ConfigError(
                f"the storage has a study {plan.name!r} with another {key}: {_short(old[key])}; "
                "expected the same, or another NAME",
                key=key,
            ) from None
        if not _is_untouched(study):
            values["SEED"] = old["SEED"]
    study.set_metric_names([objective.name for objective in plan.objectives])
    study.set_user_attr("plan", values)
    if legend := _legend(plan):
        study.set_user_attr("parameters", legend)
    return study


def _legend(plan: StudyPlan) -> dict[str, str]:
    """What the numbers of parameters mean that are not those of the config, for who reads a study in a dashboard."""
    found = {}
    for parameter in Parameters.of(plan.space):
        first = getattr(parameter.distribution, "low", None)
        if first is not None and parameter.decode(first) != first:
            key = parameter.name.removeprefix("log2 ").removesuffix("#")
            found[parameter.name] = f"{first} is {key} = {parameter.decode(first):g}; `config` has the values"
    return found


def _is_untouched(study: Study) -> bool:
    """Whether it has no trial but such as wait, and no other worker is about to make one."""
    if any(map(is_alive, others(study))):
        return False
    return all(trial.state == TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def load(name: str, storage: BaseStorage, label: str = "") -> Study:
    """A study by its name.

    Args:
        name: of the study.
        storage: that has it.
        label: of the storage, for complaints.

    Raises:
        OracleError: there is none; those there are, are named.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = sorted(study.study_name for study in storage.get_all_studies())
        raise OracleError(
            f"no study {name!r} in {label or 'the storage'}; it has {', '.join(known) or 'none'}"
        ) from None


def plan_of(study: Study, trials: int | None = None) -> StudyPlan:
    """The plan that a stored study was made with.

    Args:
        study: one of ours.
        trials: instead of its TRIALS.

    Raises:
        OracleError: somebody else's study, which has none; or one that this version cannot read.
    """
    values = study.user_attrs.get("plan")
    if not isinstance(values, Mapping):
        raise OracleError(f"study {study.study_name!r} was not made by oracle-search: it holds no plan")
    sampler = {key: value for key, value in values.get("SAMPLER", {}).items() if key not in _GONE}
    try:
        plan = study_of(
            {**_BOUNDS, **values, "SAMPLER": sampler, **({"TRIALS": trials} if trials else {})}, study.study_name
        )
        return replace(plan, earlier=earlier_in(study))
    except ConfigError as error:
        raise OracleError(f"study {study.study_name!r}: {error}") from None


def want(study: Study, trials: int) -> None:
    """Keep that a study shall have more trials than its plan says, so that workers that join it work for as many."""
    values = study.user_attrs["plan"]
    if trials > values["TRIALS"]:
        study.set_user_attr("plan", {**values, "TRIALS": trials})


def earlier_in(study: Study) -> tuple[Earlier, ...]:
    """The evaluations of other studies that a study starts from."""
    return tuple(Earlier(**values) for values in study.user_attrs.get(_EARLIER, ()))


def start_from(study: Study, plan: StudyPlan, earlier: Sequence[Study]) -> tuple[Earlier, ...]:
    """Keep the evaluations of other studies with a study, where every worker finds them; what it keeps already, stays.

    Args:
        study: to start.
        plan: of it.
        earlier: other studies of its space, with a quality.

    Raises:
        ConfigError: the sampler does not learn from them, or the study has begun from others.
    """
    if not earlier:
        return earlier_in(study)
    if plan.sampler["TYPE"] != "pool":
        raise ConfigError(
            f"value {plan.sampler['TYPE']!r}: expected pool, which alone starts from other studies", key="SAMPLER.TYPE"
        )
    found = tuple(_earlier_of(other, Parameters.of(plan.space)) for other in earlier)
    before = [item.name for item in earlier_in(study)]
    if _EARLIER in study.user_attrs and before != [item.name for item in found]:
        raise ConfigError(f"study {plan.name!r} has begun from {', '.join(before)}; expected the same", key="--from")
    if _EARLIER not in study.user_attrs:
        study.set_user_attr(_EARLIER, [item.to_dict() for item in found])
    return earlier_in(study)


def _earlier_of(study: Study, parameters: Parameters) -> Earlier:
    place = plan_of(study).quality_place if "plan" in study.user_attrs else None
    if place is None and "plan" in study.user_attrs:
        raise ConfigError(
            f"study {study.study_name!r} has no quality; the oracle knows all that it found", key="--from"
        )
    return earlier_of(study, parameters, place)


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Without optuna's lines per trial, and its notes that a feature is experimental or a value infinite."""
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
