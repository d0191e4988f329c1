"""The members of a space as points: every parameter a number, thousands of members a matrix.

A parameter with finitely many values is the place of its value among them, one with a continuous range the value
itself. So a neighbour is a place more or less, and how far two members are apart is a sum over columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ..space.samplers import as_column
from .params import Fixed, Parameter, Parameters

__all__ = ["Grid"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

_PARTS = 64  # steps that the range of a continuous parameter has for its neighbours


@dataclass(frozen=True, eq=False)
class Axis:
    """One parameter.

    Attributes:
        parameter: of optuna.
    """

    parameter: Parameter

    @property
    def is_word(self) -> bool:
        """Whether values are just different, and not near or far."""
        return isinstance(self.parameter.distribution, CategoricalDistribution)

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuous range."""
        match self.parameter.distribution:
            case CategoricalDistribution(choices=choices):
                return len(choices)
            case IntDistribution(low=low, high=high, step=step):
                return (high - low) // step + 1
        return None

    @cached_property
    def _suggestions(self) -> list[Any]:
        found = self.parameter.distribution
        if isinstance(found, CategoricalDistribution):
            return list(found.choices)
        return list(range(found.low, found.high + 1, found.step)) if isinstance(found, IntDistribution) else []

    @cached_property
    def values(self) -> list[Any]:
        """What the config has for each place."""
        return [self.parameter.decode(suggestion) for suggestion in self._suggestions]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {repr(value): place for place, value in enumerate(self.values)}

    @cached_property
    def _units(self) -> Floats:
        place = self.parameter.place
        return np.array([place(suggestion) for suggestion in self._suggestions], dtype=np.float64)

    def places(self, column: NDArray[Any]) -> Floats:
        """(n,) where the values of a config's column are."""
        if not self._suggestions:
            return column.astype(np.float64)
        if column.ndim == 1 and column.dtype.kind in "if" and not self.is_word:
            ordered = np.asarray(self.values, dtype=np.float64)  # ascending, as suggestions are
            after = np.clip(np.searchsorted(ordered, column), 1, max(1, len(ordered) - 1))
            nearer = np.abs(column - ordered[after - 1]) <= np.abs(ordered[after % len(ordered)] - column)
            return (after - nearer).astype(np.float64)
        return np.array([self._places[repr(value)] for value in column.tolist()], dtype=np.float64)

    def column(self, places: Floats) -> NDArray[Any]:
        """The values at some places, as a config's column."""
        if not self._suggestions:
            return places
        values = tuple(tuple(value) if isinstance(value, list) else value for value in self.values)
        return as_column(values)[places.astype(np.int64)]

    def suggestion(self, place: float) -> Any:
        """What optuna calls a place."""
        return self._suggestions[int(place)] if self._suggestions else float(place)

    def place(self, suggestion: Any) -> float:
        """The place of what optuna calls it."""
        match self.parameter.distribution:
            case IntDistribution(low=low, step=step):
                return float((suggestion - low) // step)
            case CategoricalDistribution(choices=choices):
                return float(choices.index(suggestion))
        return float(suggestion)

    def units(self, places: Floats) -> Floats:
        """(n,) places on a scale from 0 to 1, logarithmic where the parameter is; words are their places."""
        if self.is_word:
            return places
        if self._suggestions:
            return self._units[places.astype(np.int64)]
        found = self.parameter.distribution
        low, high, scaled = self._ends
        return (scaled(places) - low) / ((high - low) or 1.0) if isinstance(found, FloatDistribution) else places

    @property
    def _ends(self) -> tuple[float, float, Any]:
        found = self.parameter.distribution
        scaled = np.log if found.log else np.asarray  # type: ignore[attr-defined]
        return float(scaled(found.low)), float(scaled(found.high)), scaled  # type: ignore[attr-defined]

    def unit(self, suggestion: Any) -> float:
        """A suggestion as `units` has it."""
        return self.place(suggestion) if self.is_word else self.parameter.place(suggestion)

    def moved(self, places: Floats, steps: int) -> Floats:
        """Places so many steps on, and the same where there are none: of words, the others in turn."""
        size = self.size
        if self.is_word and size:
            return (places + steps) % size
        if size:
            found = places + steps
            return np.where((found < 0) | (found >= size), places, found)
        low, high, scaled = self._ends
        found = scaled(places) + (high - low) / _PARTS * steps
        found = np.exp(found) if scaled is np.log else found
        distribution: Any = self.parameter.distribution
        return np.where((found < distribution.low) | (found > distribution.high), places, found)


@dataclass(frozen=True, eq=False)
class Grid:
    """All parameters of a space.

    Attributes:
        parameters: of the space.
        axes: one per parameter, in their order.
    """

    parameters: Parameters
    axes: tuple[Axis, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(map(Axis, self.parameters)))

    @property
    def size(self) -> int | None:
        """How many combinations there are; None where a range is continuous."""
        sizes = [axis.size for axis in self.axes]
        return prod(size for size in sizes if size) if all(sizes) else None

    def places(self, columns: Mapping[str, NDArray[Any]]) -> Floats:
        """(n, parameters) places of the members that columns of config values describe."""
        found, axes = [], iter(self.axes)
        for key, held in self.parameters.keys.items():
            if isinstance(held, tuple):
                for entry, item in enumerate(held):
                    if isinstance(item, Parameter):
                        found.append(next(axes).places(columns[key][:, entry]))
            elif isinstance(held, Parameter):
                found.append(next(axes).places(columns[key]))
        size = len(next(iter(columns.values())))
        return np.stack(found, axis=1) if found else np.zeros((size, 0))

    def columns(self, places: Floats) -> Columns:
        """Dotted key -> (n,) config values at some places, as `Space.sample` has them."""
        parts = iter(zip(self.axes, places.T, strict=True))

        def column(held: Any) -> NDArray[Any]:
            if isinstance(held, Fixed):
                value = tuple(held.value) if isinstance(held.value, list) else held.value
                return as_column((value,))[np.zeros(len(places), dtype=np.int64)]
            axis, own = next(parts)
            return axis.column(own)

        return {
            key: np.stack([column(item) for item in held], axis=1) if isinstance(held, tuple) else column(held)
            for key, held in self.parameters.keys.items()
        }

    def suggestions(self, places: Floats) -> dict[str, Any]:
        """A trial's `params` at (parameters,) places."""
        return {axis.parameter.name: axis.suggestion(place) for axis, place in zip(self.axes, places, strict=True)}

    def place(self, params: Mapping[str, Any]) -> list[float]:
        """The place of a trial's `params`."""
        return [axis.place(params[axis.parameter.name]) for axis in self.axes]

    def units(self, places: Floats) -> NDArray[np.float32]:
        """(n, parameters) places on a scale from 0 to 1."""
        columns = [axis.units(own) for axis, own in zip(self.axes, places.T, strict=True)]
        return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros(places.shape, dtype=np.float32)

    def distances(self, units: NDArray[np.float32], suggestions: Mapping[str, Any]) -> NDArray[np.float32]:
        """(n,) squared distances of members to a trial's `params`; words differ, which is 1, or do not."""
        target = np.array([axis.unit(suggestions[axis.parameter.name]) for axis in self.axes], dtype=np.float32)
        words = np.array([axis.is_word for axis in self.axes], dtype=bool)
        away = units - target
        squares = np.where(words, (away != 0).astype(np.float32), away * away)
        found: NDArray[np.float32] = squares.sum(axis=1)
        return found

    def neighbours(self, places: Floats, reach: int = 1) -> Floats:
        """(m, parameters) places that differ from one of (n, parameters) in one parameter.

        Args:
            places: of members.
            reach: numbers move by 1, 2, 4, ... steps up to it, up and down; words change to every other one.
        """
        found = [places[:0]]
        for i, axis in enumerate(self.axes):
            if axis.is_word:
                steps = list(range(1, axis.size or 1))
            else:
                sizes = [2**k for k in range(reach.bit_length()) if 2**k < (axis.size or _PARTS)]
                steps = [sign * size for size in sizes for sign in (1, -1)]
            for step in steps:
                moved = axis.moved(places[:, i], step)
                changed = moved != places[:, i]
                other = places[changed].copy()
                other[:, i] = moved[changed]
                found.append(other)
        return np.concatenate(found)
