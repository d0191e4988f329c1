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
from optuna.distributions import CategoricalDistribution, IntDistribution

from ..space.samplers import as_column
from .params import Fixed, Parameter, Parameters

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

_LISTED = 100_000  # values of a parameter that are listed
_PARTS = 64  # steps that the range of others has for its neighbours


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
        found = self.parameter.distribution
        if isinstance(found, CategoricalDistribution):
            return len(found.choices)
        return round((found.high - found.low) / self._step) + 1 if self._step else None  # type: ignore[attr-defined]

    @property
    def _step(self) -> float:
        """Between two values; 0 for words and for continuous ranges."""
        found = self.parameter.distribution
        return self.parameter.step or (float(found.step) if isinstance(found, IntDistribution) else 0.0)

    @cached_property
    def _values(self) -> list[Any] | None:
        """What the config has for each place; None where there are too many to list."""
        size = self.size
        if size is None or size > _LISTED:
            return None
        return [self.parameter.decode(self.suggestion(place)) for place in range(size)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {repr(value): place for place, value in enumerate(self._values or [])}

    def suggestion(self, place: float) -> Any:
        """What optuna calls a place."""
        found: Any = self.parameter.distribution
        if self.is_word:
            return found.choices[int(place)]
        if not self._step:
            return float(place)
        value = found.low + int(place) * self._step
        return self.parameter.rounded(value) if self.parameter.step else int(value)

    def place(self, suggestion: Any) -> float:
        """The place of what optuna calls it."""
        found: Any = self.parameter.distribution
        if self.is_word:
            return float(found.choices.index(suggestion))
        return float(round((suggestion - found.low) / self._step)) if self._step else float(suggestion)

    def places(self, column: NDArray[Any]) -> Floats:
        """(n,) where the values of a config's column are."""
        if self.size is None:
            return column.astype(np.float64)
        if self._values is None:
            return np.array([self.place(self.parameter.encode(value)) for value in column.tolist()])
        if self.is_word or column.ndim > 1 or column.dtype.kind not in "if":
            return np.array([self._places[repr(value)] for value in column.tolist()], dtype=np.float64)
        ordered = np.asarray(self._values, dtype=np.float64)  # ascending, as suggestions are
        after = np.clip(np.searchsorted(ordered, column), 1, max(1, len(ordered) - 1))
        nearer = np.abs(column - ordered[after - 1]) <= np.abs(ordered[after % len(ordered)] - column)
        found: Floats = (after - nearer).astype(np.float64)
        return found

    def column(self, places: Floats) -> NDArray[Any]:
        """The values at some places, as a config's column."""
        if self.size is None:
            return places
        if self._values is None:
            return np.array([self.parameter.decode(self.suggestion(place)) for place in places.tolist()])
        values = tuple(tuple(value) if isinstance(value, list) else value for value in self._values)
        return as_column(values)[places.astype(np.int64)]

    def _scaled(self, places: Floats) -> Floats:
        """Numbers as the sampler sees them, on a logarithmic scale where it does."""
        found: Any = self.parameter.distribution
        values = found.low + places * self._step if self._step else places
        return np.log(values) if found.log else values

    def units(self, places: Floats) -> Floats:
        """(n,) places on a scale from 0 to 1, logarithmic where the parameter is; words are their places."""
        if self.is_word:
            return places
        low, high = self._scaled(np.array(self._ends))
        found: Floats = (self._scaled(places) - low) / ((high - low) or 1.0)
        return found

    @property
    def _ends(self) -> tuple[float, float]:
        """The first place and the last."""
        found: Any = self.parameter.distribution
        return (found.low, found.high) if self.size is None else (0.0, float(self.size - 1))

    def moved(self, places: Floats, steps: int) -> Floats:
        """Places so many steps on, and the same where there are none: of words, the others in turn.

        Where there are too many values to list, or infinitely many, a step is a part of the range.
        """
        if self.is_word:
            return (places + steps) % (self.size or 1)
        first, last = self._ends
        if self._values is not None:
            found = places + steps
        else:
            found = self._at(np.clip(self.units(places) + steps / _PARTS, -1.0, 2.0))
        return np.where((found < first) | (found > last), places, found)

    def _at(self, units: Floats) -> Floats:
        """The places of numbers on a scale from 0 to 1."""
        distribution: Any = self.parameter.distribution
        low, high = self._scaled(np.array(self._ends))
        values = low + units * (high - low)
        values = np.exp(values) if distribution.log else values
        if not self._step:
            return np.asarray(values, dtype=np.float64)
        places: Floats = np.rint((values - distribution.low) / self._step)
        return places

    def steps(self, reach: int) -> list[int]:
        """How far its neighbours are."""
        if self.is_word:
            return list(range(1, self.size or 1))
        most = len(self._values) if self._values is not None else _PARTS
        return [sign * 2**k for k in range(reach.bit_length()) if 2**k < most for sign in (1, -1)]


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
        target = np.array(
            [axis.units(np.array([axis.place(suggestions[axis.parameter.name])]))[0] for axis in self.axes],
            dtype=np.float32,
        )
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
            for step in axis.steps(reach):
                moved = axis.moved(places[:, i], step)
                changed = moved != places[:, i]
                other = places[changed].copy()
                other[:, i] = moved[changed]
                found.append(other)
        return np.concatenate(found)
