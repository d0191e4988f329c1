"""What enters cells of one kind: their parameters, and the tensors at both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.template import Format
from oracle.spec import Scalar

__all__ = ["CellInputs", "is_static", "split_params"]

Ints = NDArray[np.int64]

_STATIC = frozenset({"kernel", "stride", "padding"})  # small integers that decide the structure


@dataclass(frozen=True, slots=True, eq=False)
class CellInputs:
    """What enters cells of one kind.

    Attributes:
        kind, params: as in `oracle.families.population.CellArray`, arrays having one entry per cell.
        dims: dimensions of each input, ints or arrays.
        input, gradient, first: as in `TemplateKey`.
    """

    kind: str
    params: tuple[tuple[str, Scalar | Ints], ...]
    dims: tuple[int | Ints, ...]
    input: Format
    gradient: Format | None = None
    first: bool = False


def is_static(name: str, value: Any) -> bool:
    """Whether a parameter decides the structure and is therefore no symbol."""
    if type(value) is int:
        return name in _STATIC
    if name in _STATIC or isinstance(value, (bool, np.bool_)):
        return True
    return not isinstance(value, (int, np.integer, np.ndarray))


def split_params(
    params: tuple[tuple[str, Scalar], ...],
) -> tuple[tuple[tuple[str, Scalar], ...], dict[str, int]]:
    """The parameters of one cell: those that decide the structure, and the integers that are symbols."""
    static: list[tuple[str, Scalar]] = []
    free: dict[str, int] = {}
    for pair in params:
        name, value = pair
        if type(value) is bool or is_static(name, value):
            static.append(pair)
        else:
            free[name] = int(value)
    return tuple(static), free
