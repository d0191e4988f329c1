"""Config -> cells for a million candidates: columns of config values in, a `Population` out.

Each vectorised family has a file here, the twin of the scalar one and equal to it in every network and in every
reason why there is none. Families without a twin go candidate by candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import ConfigError
from oracle.families import FAMILIES, to_spec
from oracle.families._checks import choice
from oracle.families.many import anynet, effnet, regnet
from oracle.families.many.groups import groups, overlaid
from oracle.families.many.rows import Rows
from oracle.families.population import CellArray, Population

__all__ = ["SECTIONS", "TWINS", "depends", "population_of"]

Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

# The section that a family reads, and the keys beside it.
SECTIONS = {"anynet": "ANYNET", "effnet": "EN", "regnet": "REGNET", "resnet": "RESNET", "vit": "VIT"}
_COMMON = frozenset(
    "MODEL.TYPE MODEL.DEPTH MODEL.NUM_CLASSES MODEL.ACTIVATION_FUN MODEL.ACTIVATION_INPLACE MODEL.SCALING_TYPE "
    "MODEL.SCALING_FACTOR BN.EPS BN.MOM LN.EPS TRAIN.IM_SIZE TRAIN.DATASET".split()
)

# Each twin, and the columns it reads as arrays; candidates are grouped by the values of all others.
_SHARED = frozenset({"MODEL.NUM_CLASSES", "TRAIN.IM_SIZE"})
TWINS: dict[str, tuple[Callable[[Rows], Population], frozenset[str]]] = {
    "anynet": (anynet.population, anynet.COLUMNS | _SHARED),
    "effnet": (effnet.population, effnet.COLUMNS | _SHARED),
    "regnet": (regnet.population, regnet.COLUMNS | _SHARED),
}


def population_of(cfg: Any, columns: Columns) -> tuple[Population, Ints, dict[str, int]]:
    """The networks that columns of config values describe.

    Args:
        cfg: a loaded config; keys without a column have its value. MODEL.SCALING_TYPE makes it slow.
        columns: dotted key -> (n,) values of the key's type, or (n, length) for a list; an object array for lists
            that differ in length. Keys that no network depends on are ignored.

    Returns:
        population: the candidates with which there is a network, in order.
        rows: their positions in the columns, ascending.
        rejected: dotted key -> how many candidates it makes impossible; the key is the one that
            `oracle.families.to_spec` would name.

    Raises:
        ConfigError: columns that differ in length.
    """
    size = _size(columns)
    parts: list[tuple[Population, Ints]] = []
    rejected: Counter[str] = Counter()
    for same_type, chosen, rest in groups(columns, np.arange(size), columns.keys() & {"MODEL.TYPE"}):
        base = overlaid(cfg, chosen)
        try:
            family = choice("MODEL.TYPE", base.MODEL.TYPE, tuple(FAMILIES))
        except ConfigError as error:
            rejected[error.key] += len(same_type)
            continue
        vectors = TWINS[family][1] if family in TWINS else frozenset()
        read = {key: rest[key] for key in rest if depends(family, key)}
        fixed = [key for key, column in read.items() if key not in vectors or column.dtype == object]
        if family not in TWINS:
            fixed = []
        for rows, values, varying in groups(read, same_type, fixed):
            population, kept, reasons = _draft(overlaid(base, values), varying, len(rows))
            parts.append((population, rows[kept]))
            rejected.update(reasons)
    kept = np.sort(np.concatenate([rows for _, rows in parts])) if parts else np.zeros(0, dtype=np.int64)
    return _merged(parts, kept), kept, dict(rejected)


def depends(family: str, key: str) -> bool:
    """Whether the networks of a family depend on a dotted key."""
    return key in _COMMON or key.split(".")[0] == SECTIONS[family]


def _size(columns: Columns) -> int:
    sizes = {key: len(column) for key, column in columns.items()}
    if len(set(sizes.values())) != 1:
        raise ConfigError(f"columns of lengths {sizes}: expected one length, and a column at least")
    return next(iter(sizes.values()))


def _draft(cfg: Any, columns: Columns, size: int) -> tuple[Population, Ints, Mapping[str, int]]:
    """The networks of one group, by the family's twin if it has one; rows as positions in the group."""
    if cfg.MODEL.SCALING_TYPE or cfg.MODEL.TYPE not in TWINS:
        return _one_by_one(cfg, columns, size)
    rows = Rows(cfg, columns, size)
    population = Population(size, (), ())
    try:
        population = TWINS[cfg.MODEL.TYPE][0](rows)
    except ConfigError as error:  # about a value that all rows share
        rows.reject(error.key, rows.everyone)
    counts = np.bincount(rows.reason, minlength=1)
    kept = rows.everyone if counts[0] == size else np.flatnonzero(rows.reason == 0)
    rejected = {rows.keys[code]: int(counts[code]) for code in np.flatnonzero(counts[1:]) + 1}
    return population if len(kept) == size else population.take(kept), kept, rejected


def _one_by_one(cfg: Any, columns: Columns, size: int) -> tuple[Population, Ints, Mapping[str, int]]:
    specs, kept, rejected = [], [], Counter[str]()
    for row in range(size):
        try:
            specs.append(to_spec(overlaid(cfg, {key: column[row] for key, column in columns.items()})))
        except ConfigError as error:
            rejected[error.key] += 1
        else:
            kept.append(row)
    return Population.of(specs), np.array(kept, dtype=np.int64), rejected


def _merged(parts: list[tuple[Population, Ints]], rows: Ints) -> Population:
    """One population of several; `rows` are the positions of all their candidates, ascending."""
    parts = [(population, own) for population, own in parts if population.size]
    if len(parts) <= 1:
        return parts[0][0] if parts else Population(0, (), ())
    homes = [np.searchsorted(rows, own) for _, own in parts]
    places: list[tuple[CellArray, ...]] = []
    for place in zip_longest(*(population.places for population, _ in parts), fillvalue=()):
        places.append(
            tuple(
                CellArray(group.kind, group.params, home[group.rows], group.counts)
                for home, cells in zip(homes, place, strict=True)
                for group in cells
            )
        )
    dims = zip(*(population.input_shape for population, _ in parts), strict=True)
    return Population(len(rows), tuple(_dimension(dim, homes, len(rows)) for dim in dims), tuple(places))


def _dimension(values: tuple[int | Ints, ...], homes: list[Ints], size: int) -> int | Ints:
    column = np.empty(size, dtype=np.int64)
    for value, home in zip(values, homes, strict=True):
        column[home] = value
    return int(column[0]) if (column == column[0]).all() else column
