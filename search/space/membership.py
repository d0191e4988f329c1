"""Is a value one that a sampler draws, and a config one of a space?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.families.many import DTYPES, depends

from .samplers import Choice, Number, Sampler, multiples, powers
from .space import Space

Column = NDArray[Any]
Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # relative: 0.1 + 0.2 is three steps of 0.1


class Stray(NamedTuple):
    """A value that no member of a space has.

    Attributes:
        key: dotted.
        value: there.
        expected: what members have, in words.
        excess: how far off, relative to the nearest value that a member may have; 1 where there is no distance.
    """

    key: str
    value: Any
    expected: str
    excess: float


def strays(space: Space, cfg: Mapping[str, Any]) -> Iterator[Stray]:
    """The values of a config that keep it out of a space; the rule about stages is another matter.

    Args:
        space: whose samplers, and whose base for all other keys that its networks depend on, decide.
        cfg: a loaded network config.
    """
    samplers, family = dict(space.samplers), space.base.MODEL.TYPE
    if cfg["MODEL"]["TYPE"] != family:
        yield Stray("MODEL.TYPE", cfg["MODEL"]["TYPE"], family, 1.0)
        return
    for key, sampler in samplers.items():
        value = _at(cfg, key)
        off = float(excess(sampler, _column([value]))[0])
        if off > 0:
            yield Stray(key, value, described(sampler), off)
    fixed = {**space.base["COST"].get("DTYPES", {})}
    for name in sorted({*fixed, *cfg["COST"].get("DTYPES", {})}):
        key = f"{DTYPES}{name}"
        if key not in samplers and _at(cfg, key) != fixed.get(name, ""):
            yield Stray(key, _at(cfg, key), f"{fixed.get(name, '')!r}, as in the base of the space", 1.0)
    for section, values in space.base.items():
        for name, value in values.items() if isinstance(values, Mapping) else ():
            key = f"{section}.{name}"
            if key not in samplers and depends(family, key) and _at(cfg, key) != value:
                yield Stray(key, _at(cfg, key), f"{value!r}, as in the base of the space", 1.0)


def excess(sampler: Sampler, column: Column) -> Floats:
    """(n,) how far each value is from the nearest that a sampler draws, relative to it: 0 for values that it draws.

    Args:
        sampler: of the key.
        column: (n,) values, (n, length) for lists, or objects for lists that differ in length.
    """
    if isinstance(sampler, Number):
        return _number_excess(sampler, column)
    if isinstance(sampler, Choice):
        known = [_plain(value) for value in sampler.values]
        return np.array([0.0 if _plain(value) in known else 1.0 for value in column.tolist()])
    worst = np.zeros(len(column))
    if column.dtype == object:
        lengths = np.array([len(value) if isinstance(value, (list, tuple)) else -1 for value in column])
        right = lengths == len(sampler.items)
        worst[~right] = 1.0
        if right.any():
            worst[right] = excess(sampler, np.array([list(value) for value in column[right]]))
        return worst
    if column.ndim != 2 or column.shape[1] != len(sampler.items):
        return np.ones(len(column))
    for place, item in enumerate(sampler.items):
        worst = np.maximum(worst, excess(item, column[:, place]))
    return worst


def _number_excess(number: Number, column: Column) -> Floats:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):  # a list or a word where a number belongs
        return np.ones(len(column))
    if values.ndim != 1:
        return np.ones(len(column))
    nearest = _nearest(number, values)
    off = np.abs(values - nearest) / np.maximum(np.abs(nearest), 1e-300)
    off = np.where(np.isnan(off), 1.0, off)
    return np.where(off <= _ROUNDING, 0.0, off)


def _nearest(number: Number, values: Floats) -> Floats:
    """The nearest value that a number may have, for each of some."""
    if number.low == number.high:
        return np.full(len(values), float(number.low))
    if number.law == "power2_uniform":
        return _nearest_of(np.ldexp(1.0, np.array(powers(number), dtype=np.int64)), values)
    if not number.step:
        return np.clip(values, number.low, number.high)
    first, last = multiples(number)
    counts = np.clip(np.rint(values / number.step), first, last)
    nearest = counts * number.step
    exponents = powers(number) if number.law == "power2_or_log_uniform" and number.low < number.step else ()
    if exponents:
        small = _nearest_of(np.ldexp(1.0, np.array(exponents, dtype=np.int64)), values)
        nearest = np.where(np.abs(small - values) < np.abs(nearest - values), small, nearest)
    return nearest


def _nearest_of(known: Floats, values: Floats) -> Floats:
    return np.asarray(known[np.abs(values[:, None] - known).argmin(axis=1)])


def described(sampler: Sampler) -> str:
    """What values a sampler draws, in words: `8 to 256 in steps of 8`, `one of 1, 2, 4`."""
    if isinstance(sampler, Number):
        if sampler.low == sampler.high:
            return f"{sampler.low:.10g}"
        ends = f"{sampler.low:.10g} to {sampler.high:.10g}"
        if sampler.law == "power2_uniform":
            return f"a power of two from {ends}"
        below = f", below {sampler.step:.10g} powers of two" if sampler.law == "power2_or_log_uniform" else ""
        return f"{ends} in steps of {sampler.step:.10g}{below}" if sampler.step else ends
    if isinstance(sampler, Choice):
        return f"one of {', '.join(map(str, map(_plain, sampler.values)))}"
    items = list(dict.fromkeys(map(described, sampler.items)))
    return f"{len(sampler.items)} entries, each {items[0]}" if len(items) == 1 else f"[{'; '.join(items)}]"


def _plain(value: Any) -> Any:
    """Lists and tuples alike."""
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _at(cfg: Mapping[str, Any], key: str) -> Any:
    section, name, *inner = key.split(".")
    value = cfg[section][name]
    return value.get(inner[0], "") if inner else value


def _column(values: list[Any]) -> Column:
    """Values as objects, whatever they are."""
    column = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        column[place] = value
    return column
