"""Study files: found by path or shipped name, read, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from oracle._files import is_file
from oracle.calibration import Calibration, load_calibration
from oracle.calibration.files import from_yaml, to_yaml
from oracle.config import COST_KEYS, workload_of
from oracle.devices import Device
from oracle.errors import ConfigError, DeviceError, OracleError, WorkloadError
from oracle.query.choosing import MODELS, calibration_for, checked_calibrations
from oracle.query.devices import find_devices
from oracle.query.models import latency_models
from oracle.query.trust import Trust
from oracle.spec import Workload

from ..limits import OracleLimits
from ..objectives import check_quality
from ..space import Space, load_space, space_of
from ..space.certainty import check_confidence
from ..space.checks import count, fields, is_number, one_of
from ..space.expressions import limits_of_texts
from ..space.files import from_file
from ..space.limits import Limit
from ..space.stages import NUM_STAGES
from .pruners import check_pruner, resolved
from .words import QUALITY, STRUCTURE, Objective, objectives_of

if TYPE_CHECKING:
    from ..pool.warm import Earlier

_STARTUP = 10  # of samplers but the pool's, and of the median pruner
EXACT = "exact"  # no sampler: the space is enumerated, for nothing needs an evaluation
SAMPLERS = ("pool", "tpe", "nsga2", "nsga3", "gp", "random", "grid", EXACT)


def default_study() -> CfgNode:
    """A new config holding every key of a study file at its default."""
    return CfgNode(
        {
            "NAME": "",  # of the study in its storage; the file's stem unless given
            "SPACE": "",  # name of a shipped space, path of a file, or a mapping with SETUP
            "DEVICES": [],  # scored in any case: those of objectives and constraints are added
            "COST": {},  # BATCH_SIZE, DTYPE, MODE, RUNTIME, LAYOUT; what is absent is the space's
            "MODEL": "best",  # of latency; or roofline, the bound; see oracle.score
            "CALIBRATIONS": [],  # files of your own, from `oracle calibrate`
            "OBJECTIVES": [],  # `maximise quality`, `minimise latency_ms@t4`, ...
            "CONSTRAINTS": [],  # `params <= 6e6`, `4.5 <= latency_ms@t4 <= 5`, ...; beside the space's own
            "QUALITY": {"TYPE": "none"},  # see search.objectives
            "SAMPLER": {
                "TYPE": "",  # exact where no objective is quality, else pool
                "STARTUP": 0,  # trials before a sampler begins to model; 0: three per objective of pool, ten of others
                "POPULATION": 20,  # of nsga2 and nsga3
                "WARM": [],  # of pool: zero-cost proxies to start from, of synflow, naswot, grad_norm
                "DRAWS": 1_000_000,  # of exact: candidates drawn from a space that has more members
            },
            "PRUNER": {"TYPE": "median"},  # which evaluations stop early; see search.study.pruners
            "STORAGE": "",  # a file (journal), or any URL of optuna; NAME.journal unless given
            "TRIALS": 100,  # evaluated trials, failures not counted; of exact with one objective, the best so many
            "TIMEOUT": 0.0,  # seconds of one run; 0: none
            "SEED": 0,
            "PROBE": 100_000,  # candidates that the closed form looks at before the first trial
        }
    )


@dataclass(frozen=True, slots=True, eq=False)
class StudyPlan:
    """What a study file says, ready to use.

    Attributes:
        name: of the study.
        space: where candidates come from.
        devices: scored for every candidate, in order.
        workload: what all scores are for.
        model, calibrations: what predicts latency, as in `oracle.score`.
        objectives, bounds: as the file's OBJECTIVES and CONSTRAINTS with those of the space.
        quality: the QUALITY section.
        sampler: the SAMPLER section.
        pruner: the PRUNER section, MAX being that of the quality where it is known.
        storage: a file or a URL, "" for the default file.
        trials, timeout_s, seed, probe: as in the file.
        values: what the study is, as plain data; `study_of` makes an equal one of it.
        earlier: other studies to start from, see `search.pool.warm`; a study keeps them beside its plan.
    """

    name: str
    space: Space = field(repr=False)
    devices: tuple[Device, ...] = field(repr=False)
    workload: Workload
    model: str
    calibrations: tuple[Calibration, ...] = field(repr=False)
    objectives: tuple[Objective, ...]
    bounds: tuple[Limit, ...]
    quality: Mapping[str, Any]
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    storage: str
    trials: int
    timeout_s: float
    seed: int
    probe: int
    values: Mapping[str, Any] = field(repr=False)
    earlier: tuple[Earlier, ...] = field(default=(), repr=False)

    @property
    def startup(self) -> int:
        """Trials before samplers but the pool's begin to model, and before the median prunes."""
        return self.sampler["STARTUP"] or _STARTUP

    @property
    def labels(self) -> Mapping[str, str]:
        """Constraint -> its name in messages, which is that of a sweep of the space."""
        stages = {STRUCTURE: NUM_STAGES} if self.space.num_stages else {}
        return {STRUCTURE: STRUCTURE, **stages, **{bound.name: bound.label for bound in self.bounds}}

    @property
    def limits(self) -> OracleLimits:
        """What candidates must obey, on which devices and by which predictions, as one value."""
        return OracleLimits(self.bounds, self.space, self.devices, self.workload, self.model, self.calibrations)

    @property
    def quality_place(self) -> int | None:
        """Which objective is the quality; None where all are scores."""
        return next((i for i, objective in enumerate(self.objectives) if objective.score == QUALITY), None)

    @property
    def trust(self) -> Mapping[str, Trust]:
        """Device name -> how far to trust its latencies; nothing where they are bounds."""
        return self.limits.trust


def load_study(source: str | Path) -> StudyPlan:
    """Load a study from a YAML file, or by the name of a shipped one.

    Args:
        source: path, or name of a file in `configs/studies`.

    Raises:
        ConfigError: anything wrong with it; it names file, dotted key, value and what was expected.

    Examples:
        >>> from oracle.search import load_study
        >>> load_study("digits").sampler["TYPE"]
        'tpe'
    """
    return from_file(source, "studies", or_, study_of)


def study_of(values: Mapping[str, Any], name: str = "", directory: Path | None = None) -> StudyPlan:
    """Make a study of nested mappings, as a file states them.

    Args:
        values: keys of `default_study`; what is absent has its default.
        name: of the study, unless the values state it.
        directory: where relative paths start. Default: the working directory.

    Raises:
        ConfigError: as `oracle.search.load_study`.

    Examples:
        >>> from oracle.search import study_of
        >>> study_of({"SPACE": "regnetx", "OBJECTIVES": ["minimise params"]}, name="small").trials
        100
    """
    cfg = _merged(values)
    devices = _devices(cfg.DEVICES, directory or Path())
    names = [device.name for device in devices]
    space = _space(cfg.SPACE, directory or Path(), names)
    objectives = objectives_of(cfg.OBJECTIVES, names)
    bounds = limits_of_texts(cfg.CONSTRAINTS, space.limits, names)
    spoken = [*(objective.device for objective in objectives), *(bound.device for bound in bounds)]
    quality = check_quality(dict(cfg.QUALITY), directory or Path())
    if any(o.score == QUALITY for o in objectives) != (quality["TYPE"] != "none"):
        given = quality["TYPE"] == "none"
        rule = (
            "an objective is quality: expected call, proxies, train or table"
            if given
            else ("no objective is quality: expected none, or `maximise quality` among OBJECTIVES")
        )
        raise ConfigError(f"value {quality['TYPE']!r}, but {rule}", key="QUALITY.TYPE")
    sampler = _sampler(cfg.SAMPLER, space, evaluated=quality["TYPE"] != "none")
    pruner = check_pruner(cfg.PRUNER, quality)
    places = (*devices, *find_devices(device for device in spoken if device and device not in names))
    workload = _workload(cfg.COST, space)
    keys = {bound.device: "CONSTRAINTS" for bound in bounds}
    keys |= {objective.device: f"OBJECTIVES[{i}]" for i, objective in enumerate(objectives)}
    keys |= {device.name: f"DEVICES[{i}]" for i, device in enumerate(devices)}
    own = _model(cfg.MODEL, cfg.CALIBRATIONS, places, workload, directory or Path())
    mixed = space.stated_dtypes
    for place, dtype in product(places, dict.fromkeys((workload.dtype, *mixed))):
        _check_peaks(place, dtype, keys[place.name])
    trust = latency_models(places, workload, cfg.MODEL, own, space.image_size, mixed).trust
    check_confidence(bounds, trust, "CONSTRAINTS")
    return StudyPlan(
        name=_name(cfg.NAME or name or "study"),
        space=space,
        devices=places,
        workload=workload,
        model=cfg.MODEL,
        calibrations=own,
        objectives=objectives,
        bounds=bounds,
        quality=quality,
        sampler=sampler,
        pruner=resolved(pruner, quality),
        storage=_text(cfg.STORAGE, "STORAGE"),
        trials=count(cfg.TRIALS, "TRIALS", 1),
        timeout_s=_seconds(cfg.TIMEOUT),
        seed=count(cfg.SEED, "SEED", 0),
        probe=count(cfg.PROBE, "PROBE", 1),
        values={
            "NAME": cfg.NAME or name or "study",
            "SPACE": {"SETUP": dict(space.setup)},
            "DEVICES": [_lasting(source, directory or Path()) for source in cfg.DEVICES],
            "COST": dict(cfg.COST),
            "MODEL": cfg.MODEL,
            "CALIBRATIONS": [to_yaml(item) for item in own],  # their content, which reaches every machine
            "OBJECTIVES": [str(objective) for objective in objectives],
            "CONSTRAINTS": list(cfg.CONSTRAINTS),
            "QUALITY": quality,
            "SAMPLER": sampler,
            "PRUNER": pruner,
            "TRIALS": int(cfg.TRIALS),
            "TIMEOUT": float(cfg.TIMEOUT),
            "SEED": int(cfg.SEED),
            "PROBE": int(cfg.PROBE),
        },
    )


def _merged(values: Mapping[str, Any]) -> CfgNode:
    """The values over the defaults; `SAMPLER: tpe` is short for a section with that TYPE."""
    defaults = default_study()
    given = fields(values, "", tuple(defaults))
    for section in ("SAMPLER", "QUALITY", "PRUNER"):
        if isinstance(given.get(section), str):
            given[section] = {"TYPE": given[section]}
    if "SAMPLER" in given:
        own = fields(given["SAMPLER"], "SAMPLER", tuple(defaults.SAMPLER))
        given["SAMPLER"] = {**defaults.SAMPLER, **own}
    for section in ("QUALITY", "PRUNER", "COST"):
        if not isinstance(given.get(section, {}), Mapping):
            raise ConfigError(f"value {given[section]!r}: expected a mapping", key=section)
    for key in ("DEVICES", "CALIBRATIONS", "CONSTRAINTS", "OBJECTIVES"):
        if isinstance(given.get(key), str):
            given[key] = [given[key]]
        if not isinstance(given.get(key, []), (list, tuple)):
            raise ConfigError(f"value {given[key]!r}: expected a list", key=key)
    cfg = CfgNode({**defaults, **given})
    cfg.freeze()
    return cfg


def _space(value: Any, directory: Path, devices: Sequence[str]) -> Space:
    if isinstance(value, Mapping):
        try:
            return space_of(value, "inline", directory, devices)
        except ConfigError as error:
            where = f"SPACE.{error.key}" if error.key else "SPACE"
            raise ConfigError(str(error).removeprefix(f"{error.key}: "), key=where) from None
    if not isinstance(value, str) or not value:
        raise ConfigError(
            f"value {value!r}: expected the name of a shipped space, a path, or a mapping with SETUP", key="SPACE"
        )
    beside = directory / value
    try:
        return load_space(beside if is_file(beside) else value)
    except ConfigError as error:
        raise ConfigError(str(error), key="SPACE") from None


def _devices(sources: Any, directory: Path) -> list[Device]:
    found = []
    for i, source in enumerate(sources):
        beside = directory / str(source)
        try:
            found += find_devices([beside if is_file(beside) else source])
        except (DeviceError, TypeError) as error:
            raise ConfigError(str(error), key=f"DEVICES[{i}]") from None
    return found


def _check_peaks(device: Device, dtype: str, key: str) -> None:
    """Complain now about a device that could time no candidate: all of them multiply matrices."""
    try:
        device.ridge("matrix", dtype)
    except DeviceError as error:
        raise ConfigError(f"{error}; correct this or COST.DTYPE", key=key) from None


def _lasting(source: str, directory: Path) -> str:
    """A device as another process finds it: a file by its whole path."""
    beside = directory / source
    return str(beside.resolve()) if is_file(beside) else source


def _workload(values: Mapping[str, Any], space: Space) -> Workload:
    given = fields(values, "COST", COST_KEYS)
    try:
        return workload_of(space.base, **{key.lower(): value for key, value in given.items()})
    except WorkloadError as error:
        raise ConfigError(str(error), key="COST") from None


def _model(
    model: Any, sources: Iterable[Any], devices: Sequence[Device], workload: Workload, directory: Path
) -> tuple[Calibration, ...]:
    """The user's own calibrations; complains now about what could not predict any candidate."""
    one_of(model, "MODEL", MODELS)
    own = tuple(_calibration(source, f"CALIBRATIONS[{i}]", directory) for i, source in enumerate(sources))
    try:
        checked_calibrations(model, own, devices)
        for device in devices if model == "calibrated" else ():
            calibration_for(device, workload, own)
    except WorkloadError as error:
        raise ConfigError(str(error), key="CALIBRATIONS" if own else "MODEL") from None
    return own


def _calibration(source: Any, key: str, directory: Path) -> Calibration:
    """Of a file, or of the content of one."""
    try:
        if "\n" in str(source):
            return from_yaml(str(source), key)
        beside = directory / str(source)
        return load_calibration(beside if is_file(beside) else str(source))
    except OracleError as error:
        raise ConfigError(str(error), key=key) from None


def _sampler(values: Mapping[str, Any], space: Space, *, evaluated: bool) -> dict[str, Any]:
    kind = one_of(values["TYPE"] or ("pool" if evaluated else EXACT), "SAMPLER.TYPE", SAMPLERS)
    if kind == EXACT and evaluated:
        raise ConfigError(
            "value 'exact', but an objective is quality, which needs an evaluation each: expected one of "
            f"{', '.join(SAMPLERS[:-1])}",
            key="SAMPLER.TYPE",
        )
    if kind == "grid" and not space.enumerated:
        size = "ranges of numbers" if space.size is None else f"{space.size:,} members"
        raise ConfigError(
            f"value 'grid': the space has {size}, expected at most NUM_SAMPLES ({space.num_samples:,}) members",
            key="SAMPLER.TYPE",
        )
    least = {"STARTUP": 0, "POPULATION": 2, "DRAWS": 1}
    counts = {name: count(values[name], f"SAMPLER.{name}", low) for name, low in least.items()}
    return {"TYPE": kind, **counts, "WARM": _proxies(values["WARM"], kind)}


def _proxies(names: Any, kind: str) -> list[str]:
    """The zero-cost proxies that a pool sampler starts from."""
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or (names and kind != "pool"):
        raise ConfigError(f"value {names!r}: expected a list of proxies, of SAMPLER pool only", key="SAMPLER.WARM")
    if names:
        from ..objectives.proxies import PROXIES

        names = [one_of(name, f"SAMPLER.WARM[{i}]", tuple(PROXIES)) for i, name in enumerate(names)]
    return list(names)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.+ -]{1,200}", value):
        raise ConfigError(f"value {value!r}: expected up to 200 letters, digits and -_+.", key="NAME")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"value {value!r}: expected a text", key=key)
    return value


def _seconds(value: Any) -> float:
    if not is_number(value) or value < 0:
        raise ConfigError(f"value {value!r}: expected a number of seconds, 0 for no limit", key="TIMEOUT")
    return float(value)
