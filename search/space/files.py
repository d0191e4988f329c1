"""Space files: found by path or shipped name, read, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from yacs.config import CfgNode

from oracle._files import is_file
from oracle.config import cfg_from_dict, load_cfg, to_yaml
from oracle.config.files import layers, locate
from oracle.errors import ConfigError
from oracle.families import FAMILIES
from oracle.families._checks import choice
from oracle.families.many import DTYPES, depends

from .checks import count, fields
from .expressions import limits_of_texts, texts_of
from .limits import Limit
from .parse_limits import limits_of, num_stages_of
from .parse_samplers import samplers_of
from .samplers import Sampler
from .space import Space

SECTIONS = ("SETUP", "LAUNCH", "COLLECT", "ANALYZE", "ROOT_DIR", "NAME", "DESC", "NUM_PROC")
SETUP = {
    "NUM_CONFIGS": 0,
    "NUM_SAMPLES": 1_000_000,
    "CHUNK_SIZE": 5_000,
    "RNG_SEED": 0,
    "BASE_CFG": {},
    "SAMPLERS": {},
    "CONSTRAINTS": {},
}
CONSTRAINTS = ("CX", "LIMITS", "REGNET")
_MAX_CHUNK = 1_000_000
"""Candidates of a chunk, which is in memory whole: measured, about 2 kB each in a space of five knobs a block."""

_Made = TypeVar("_Made")


def load_space(source: str | Path) -> Space:
    """Load a design space from a YAML file, or by the name of a shipped one.

    Args:
        source: path, or a name that `oracle-search spaces` lists.

    Raises:
        ConfigError: anything wrong with it; it names file, dotted key, value and what was expected.

    Examples:
        >>> from oracle.search import load_space
        >>> space = load_space("regnetx")
        >>> len(space.samplers), space.base.MODEL.TYPE
        (6, 'regnet')
    """
    return from_file(source, "spaces", _united, space_of)


def from_file(
    source: str | Path,
    kind: str,
    united: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
    made: Callable[[dict[str, Any], str, Path], _Made],
) -> _Made:
    """What is made of a YAML file and of the files that it is based on.

    Args:
        source: path, or shipped name.
        kind: the directory below `configs` where names are looked up.
        united: a file's values over those of its base.
        made: what the values, the file's stem and its directory make.

    Raises:
        ConfigError: as `made`, the file named; and no such file, or broken YAML.
    """
    path = locate(source, kind)
    values: dict[str, Any] = {}
    for _, layer in layers(path):
        values = united(values, layer)
    try:
        return made(values, path.stem, path.parent)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{error.key}: "), key=error.key, file=str(path)) from None


def space_of(
    values: Mapping[str, Any], name: str = "", directory: Path | None = None, devices: Collection[str] = ()
) -> Space:
    """Make a design space of nested mappings, as a file states them.

    Args:
        values: with a section SETUP.
        name: for results.
        directory: where a relative path in BASE_CFG starts. Default: the working directory.
        devices: names that limits may use beside those of the shipped devices.

    Raises:
        ConfigError: as `oracle.search.load_space`.

    Examples:
        >>> from oracle.search import space_of
        >>> depths = {"TYPE": "grid_sampler", "RANGE": [10, 20], "STEP": 2}
        >>> space_of({"SETUP": {"BASE_CFG": "RegNetX-400MF", "SAMPLERS": {"REGNET.DEPTH": depths}}}).size
        6
    """
    if not isinstance(values, Mapping) or "SETUP" not in values:
        raise ConfigError("expected a section SETUP")
    fields(dict.fromkeys(values), "", SECTIONS)
    setup = SETUP | fields(values["SETUP"], "SETUP", SETUP)
    base = _base(setup["BASE_CFG"], directory or Path())
    samplers = samplers_of(setup["SAMPLERS"])
    _check_keys(_family(base), samplers)
    constraints = fields(setup["CONSTRAINTS"], "SETUP.CONSTRAINTS", CONSTRAINTS)
    stages = num_stages_of(constraints.get("REGNET", {}))
    plain = {key: value for key, value in setup.items() if key != "BASE_CFG"}
    plain["BASE_CFG"] = yaml.safe_load(to_yaml(base, cost=True)) or {}
    return Space(
        name=name,
        base=base,
        samplers=tuple(samplers.items()),
        limits=_limits(constraints, devices),
        num_stages=stages if base.MODEL.TYPE == "regnet" else None,
        num_configs=count(setup["NUM_CONFIGS"], "SETUP.NUM_CONFIGS", 0),
        num_samples=count(setup["NUM_SAMPLES"], "SETUP.NUM_SAMPLES", 1),
        chunk_size=_chunk_size(setup["CHUNK_SIZE"]),
        seed=count(setup["RNG_SEED"], "SETUP.RNG_SEED", 0),
        setup=plain,
    )


def _limits(constraints: Mapping[str, Any], devices: Collection[str]) -> tuple[Limit, ...]:
    """Those of CX, as pycls writes them, and those in words."""
    key = "SETUP.CONSTRAINTS.LIMITS"
    return limits_of_texts(constraints.get("LIMITS", []), limits_of(constraints.get("CX", {})), devices, key)


def limited(space: Space, texts: Sequence[str], devices: Collection[str] = ()) -> Space:
    """A space with further limits.

    Args:
        space: with those it has.
        texts: in words, see `search.space.expressions`.
        devices: names that are known beside those of the shipped devices.

    Raises:
        ConfigError: what is no limit, or none that anything can obey beside the others.
    """
    if not texts:
        return space
    limits = limits_of_texts(texts, space.limits, devices, "limits")
    before = space.setup["CONSTRAINTS"]
    stated = [*texts_of(before.get("LIMITS", []), "LIMITS"), *texts_of(texts, "limits")]
    return replace(space, limits=limits, setup={**space.setup, "CONSTRAINTS": {**before, "LIMITS": stated}})


def _chunk_size(value: Any) -> int:
    """How many candidates a chunk has.

    Raises:
        ConfigError: no count, or more than memory holds.
    """
    size = count(value, "SETUP.CHUNK_SIZE", 1)
    if size > _MAX_CHUNK:
        raise ConfigError(
            f"value {value!r}: expected at most {_MAX_CHUNK:,} candidates, for a chunk is in memory as a whole (about "
            f"{2 * size / 1e6:,.0f} GB here); NUM_SAMPLES may be larger",
            key="SETUP.CHUNK_SIZE",
        )
    return size


def _united(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one, the new values winning; samplers are replaced whole."""
    united = dict(old)
    for key, value in new.items():
        before = united.get(key)
        join = isinstance(before, Mapping) and isinstance(value, Mapping) and "TYPE" not in value
        united[key] = _united(before, value) if join else value  # type: ignore[arg-type]
    return united


def _base(value: Any, directory: Path) -> CfgNode:
    key = "SETUP.BASE_CFG"
    if not isinstance(value, (Mapping, str)):
        raise ConfigError(f"value {value!r}: expected a network config, a path, or a shipped name", key=key)
    try:
        if isinstance(value, Mapping):
            return cfg_from_dict(value)
        beside = directory / value
        return load_cfg(beside if is_file(beside) else value)
    except ConfigError as error:
        raise ConfigError(str(error), key=key) from None


def _family(base: CfgNode) -> str:
    try:
        return choice("MODEL.TYPE", base.MODEL.TYPE, tuple(FAMILIES))
    except ConfigError as error:
        raise ConfigError(str(error), key="SETUP.BASE_CFG") from None


def _check_keys(family: str, samplers: Mapping[str, Sampler]) -> None:
    """Refuse keys of other families and of the workload, but for types of stages; a space has one family."""
    for key in samplers:
        section = key.split(".", 1)[0]
        if key.startswith(DTYPES):
            continue
        foreign = section in (own.section for own in FAMILIES.values()) and not depends(family, key)
        if foreign or section == "COST" or key == "MODEL.TYPE":
            raise ConfigError(
                f"does not change a {family} network; expected a key of {FAMILIES[family].section}, MODEL or TRAIN, "
                f"or {DTYPES}s3, say",
                key=f"SETUP.SAMPLERS.{key}",
            )
