"""Chains of many candidates, put together cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import CellArray, Population
from oracle.spec import Scalar

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StageRows:
    """One stage of the candidates at some positions; the others are a number per position, or one for all."""

    at: Ints
    depth: Any
    width: Any
    stride: Any
    bot_mul: Any = 1.0
    group_w: Any = 1


class ChainBuilder:
    """Places of a population, from the stem to the head."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._places: list[tuple[CellArray, ...]] = []

    def add(self, kind: str, at: Ints, counts: Any = 1, **params: Scalar | Ints) -> None:
        """Cells of the candidates `at` at a new place; all of them share plain counts and parameters."""
        if len(at):
            many = counts if isinstance(counts, np.ndarray) else np.full(len(at), counts, dtype=np.int64)
            self._places.append((CellArray(kind, tuple(params.items()), at, many),))

    def population(self, input_shape: tuple[int | Ints, ...]) -> Population:
        """The finished population."""
        return Population(self._size, input_shape, tuple(self._places))


def replaced(values: Any, at: Ints, new: Any, size: int) -> Any:
    """The column of `size`, new values at some positions."""
    if len(at) == size:
        return new
    column = np.array(np.broadcast_to(values, size), dtype=np.int64)
    column[at] = new
    return column
