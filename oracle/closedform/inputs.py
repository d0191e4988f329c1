"""What enters cells of one kind: their parameters, and the tensors at both ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.template import Format, TemplateKey
from oracle.spec import CellSpec, Scalar, Workload

__all__ = ["CellInputs", "Visit", "canonical", "is_static", "key_of", "split_params", "workload_key"]

Ints = NDArray[np.int64]

_STATIC = frozenset({"kernel", "stride", "padding"})  # small integers that decide the structure
_INERT = frozenset({"bn_eps", "bn_momentum", "ln_eps"})  # numbers that nothing counted depends on
_PROBABILITIES = frozenset({"dropout", "drop_connect"})  # of which only matters whether they are 0
_PLAIN = frozenset({bool, float, str})  # types whose values are never symbols
_CERTAIN = 0.5  # stands for all others


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


class Visit(NamedTuple):
    """A cell where it stands in a network: what is asked of the templates."""

    spec: CellSpec
    dims: tuple[int, ...]
    form: Format
    gradient: Format | None
    first: bool


def is_static(name: str, value: Any) -> bool:
    """Whether a parameter decides the structure and is therefore no symbol."""
    if type(value) is int:
        return name in _STATIC
    if name in _STATIC or isinstance(value, (bool, np.bool_)):
        return True
    return not isinstance(value, (int, np.integer, np.ndarray))


def canonical(name: str, value: Any) -> Any:
    """The value that stands in a template's key for all that give the same template; None leaves the name out."""
    if name in _INERT:
        return None
    if name in _PROBABILITIES and isinstance(value, float):
        return _CERTAIN if value else 0.0
    return value


def split_params(
    params: tuple[tuple[str, Scalar], ...],
) -> tuple[tuple[tuple[str, Scalar], ...], dict[str, int]]:
    """The parameters of one cell: the canonical ones that decide the structure, and the integers that are symbols."""
    static: list[tuple[str, Scalar]] = []
    free: dict[str, int] = {}
    for pair in params:
        name, value = pair
        plain = type(value) in _PLAIN  # found out faster than by `is_static`, and so it mostly is
        if not plain and not is_static(name, value):
            free[name] = int(value)
        elif name not in _INERT:
            static.append((name, canonical(name, value)) if name in _PROBABILITIES else pair)
    return tuple(static), free


def key_of(
    inputs: CellInputs, static: tuple[tuple[str, Scalar], ...], pins: tuple[tuple[str, int], ...], workload: Workload
) -> TemplateKey:
    """The key of the template for cells of some static parameters (canonical) and pinned integers."""
    return TemplateKey(inputs.kind, static, pins, inputs.input, inputs.gradient, inputs.first, workload_key(workload))


@lru_cache(maxsize=256)
def workload_key(workload: Workload) -> tuple[tuple[str, str], ...]:
    """All fields of a workload but the batch size, which is a dimension of the input."""
    names = ("dtype", "mode", "runtime", "layout", "causal") + (("optimizer",) if workload.training else ())
    return tuple((name, getattr(workload, name)) for name in names)
