"""Config -> cells for a million candidates: columns of config values in, a `Population` out.

Each vectorised family has a file here, the twin of the scalar one: equal to it in every network, and in every
reason why there is none. It has `population(rows)` and `COLUMNS`, the keys that it reads as arrays. Families
without a twin go candidate by candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import ConfigError
from oracle.families import FAMILIES, to_spec
from oracle.families._checks import choice
from oracle.families.many.groups import groups, overlaid
from oracle.families.many.rows import Rows
from oracle.families.population import Population, joined
from oracle.spec import NetSpec

__all__ = ["DTYPES", "depends", "population_of"]

Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

DTYPES = "COST.DTYPES."
"""What keys begin with that say the type of a stage; networks of every family depend on them."""

_MODEL = "DEPTH NUM_CLASSES ACTIVATION_FUN ACTIVATION_INPLACE SCALING_TYPE SCALING_FACTOR".split()
_COMMON = frozenset({f"MODEL.{name}" for name in _MODEL})
_COMMON |= {"BN.EPS", "BN.MOM", "LN.EPS", "TRAIN.IM_SIZE", "TRAIN.DATASET"}
_SHARED = frozenset({"MODEL.NUM_CLASSES", "TRAIN.IM_SIZE"})  # what every twin reads as columns


def population_of(
    cfg: Any, columns: Columns, num_stages: tuple[int, int] | None = None
) -> tuple[Population, Ints, dict[str, int]]:
    """The networks that columns of config values describe, all of one family.

    Args:
        cfg: a loaded config; keys without a column have its value. MODEL.SCALING_TYPE makes it slow.
        columns: dotted key -> (n,) values of the key's type, or (n, length) for a list; an object array for
            lists that differ in length; `COST.DTYPES.s3` -> the types of a stage. Keys that no network of the
            family depends on are ignored.
        num_stages: fewest and most stages of a RegNet, which then skips no width level either; to break this
            counts as REGNET.NUM_STAGES.

    Returns:
        population: the candidates with which there is a network, in order.
        rows: their positions in the columns, ascending.
        rejected: dotted key -> how many candidates it makes impossible; the key is the one that
            `oracle.families.to_spec` would name.

    Raises:
        ConfigError: an unknown family, or columns that differ in length.
    """
    size = _size(columns)
    family = choice("MODEL.TYPE", cfg.MODEL.TYPE, FAMILIES)
    if not size:
        return Population(0, (), ()), np.arange(0), {}
    dtypes = {**cfg.COST.get("DTYPES", {})}
    dtypes |= {key.removeprefix(DTYPES): column for key, column in columns.items() if key.startswith(DTYPES)}
    if dtypes:
        plain = {key: column for key, column in columns.items() if not key.startswith(DTYPES)}
        everyone = plain or {"": np.zeros(size)}
        population, kept, rejected = _population(cfg, family, everyone, size, num_stages)
        return replace(population, dtypes=_taken(dtypes, kept)), kept, rejected
    return _population(cfg, family, columns, size, num_stages)


def _taken(dtypes: Mapping[str, Any], rows: Ints) -> tuple[tuple[str, Any], ...]:
    """What `Population.dtypes` is of some candidates."""
    own = {name: value[rows] if isinstance(value, np.ndarray) else str(value) for name, value in dtypes.items()}
    return tuple(sorted(own.items()))


def _population(
    cfg: Any, family: str, columns: Columns, size: int, num_stages: tuple[int, int] | None
) -> tuple[Population, Ints, dict[str, int]]:
    """What `population_of` finds, without types by stage."""
    read = {key: column for key, column in columns.items() if depends(family, key)}
    fixed = [key for key, column in read.items() if not _mixes(family, key, column)]
    parts: list[tuple[Population, Ints]] = []
    rejected: Counter[str] = Counter()
    for own, values, varying in groups(read, size, fixed):
        rows = Rows(overlaid(cfg, values), varying, len(own), num_stages)
        parts.append((_draft(rows, varying), own[rows.kept]))
        rejected.update(rows.rejected)
    kept = np.sort(np.concatenate([own for _, own in parts])) if len(parts) > 1 else parts[0][1]
    return joined(parts, kept), kept, dict(rejected)


def depends(family: str, key: str) -> bool:
    """Whether the networks of a family depend on a dotted key."""
    return key in _COMMON or key.startswith((f"{FAMILIES[family].section}.", DTYPES))


def _mixes(family: str, key: str, column: NDArray[Any]) -> bool:
    """Whether candidates with different values in a column can be worked on together."""
    twin = FAMILIES[family].columns
    return twin is None or (column.dtype != object and (key in _SHARED or key in twin().keys))


def _size(columns: Columns) -> int:
    sizes = {key: len(column) for key, column in columns.items()}
    if "MODEL.TYPE" in sizes or len(set(sizes.values())) != 1:
        raise ConfigError(f"columns of lengths {sizes}: expected one length, a column, and one family")
    return next(iter(sizes.values()))


def _draft(rows: Rows, columns: Columns) -> Population:
    """The networks of one group, by the family's twin if it has one; `rows` notes why some have none."""
    family = rows.cfg.MODEL.TYPE
    twin = FAMILIES[family].columns
    if rows.cfg.MODEL.SCALING_TYPE or twin is None:
        if rows.num_stages and family == "regnet":
            from oracle.families.many import regnet

            regnet.stages_of(rows)
        return Population.of(filter(None, (_alone(rows, columns, row) for row in rows.kept)))
    try:
        population = twin().population(rows)
    except ConfigError as error:  # about a value that all rows share
        rows.reject(error.key, rows.everyone)
        return Population(0, (), ())
    return population.take(rows.kept) if rows.reason.any() else population


def _alone(rows: Rows, columns: Columns, row: Any) -> NetSpec | None:
    """One network by its family's scalar way, None if there is none."""
    try:
        view = overlaid(rows.cfg, {key: column[row] for key, column in columns.items()})
        return to_spec(overlaid(view, {"COST.DTYPES": {}}))  # which all of a population have as columns
    except ConfigError as error:
        rows.reject(error.key, np.array([row]))
        return None
