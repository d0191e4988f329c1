"""What enters cells of one kind: their parameters, and the tensors at both ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.library import code_of, is_ours
from oracle.closedform.template import Format, TemplateKey
from oracle.errors import OracleError
from oracle.spec import GENERIC, CellSpec, Scalar, Workload

__all__ = ["CellInputs", "Visit", "check_image", "is_static", "key_of", "split_params", "statics_of", "workload_key"]

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
    """A cell where it stands in a network: what the templates answer for."""

    spec: CellSpec
    dims: tuple[int, ...]
    form: Format
    gradient: Format | None
    first: bool


def check_image(workload: Workload, dims: Sequence[Any]) -> None:
    """Refuse what no closed form tells: where strides of a dimension of size 1 decide what a backward pass copies.

    Args:
        workload: what runs.
        dims: of a tensor between cells, numbers or arrays.

    Raises:
        OracleError: in training with channels last, an image of one pixel in one direction only.
    """
    if workload.training and workload.layout == "nhwc" and len(dims) == 4 and np.any((dims[2] == 1) != (dims[3] == 1)):
        raise OracleError(
            "layout='nhwc', mode='training': an image of one pixel in one direction only has no closed form; "
            "oracle.profile(oracle.build(spec), image) traces it"
        )


def is_static(name: str, value: Any) -> bool:
    """Whether a parameter decides the structure and is therefore no symbol."""
    if type(value) is int:
        return name in _STATIC
    if name in _STATIC or isinstance(value, (bool, np.bool_)):
        return True
    return not isinstance(value, (int, np.integer, np.ndarray))


def split_params(
    kind: str, params: tuple[tuple[str, Scalar], ...]
) -> tuple[tuple[tuple[str, Scalar], ...], dict[str, int]]:
    """The parameters of one cell: those that decide the structure, as in its key, and the integers that are symbols."""
    static: list[tuple[str, Any]] = []
    free: dict[str, int] = {}
    for pair in params:
        name, value = pair
        if type(value) in _PLAIN or is_static(name, value):  # the former is found out faster, and mostly holds
            static.append(pair)
        else:
            free[name] = int(value)
    return statics_of(kind, tuple([name for name, _ in params]), static), free


def statics_of(kind: str, names: tuple[str, ...], static: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Scalar], ...]:
    """What of the parameters that decide a cell's structure stands in its key.

    Of our own cells we know what nothing depends on. Of others the key says which parameters were given at all, and
    what their code was.

    Args:
        kind: of the cell.
        names: of all its parameters.
        static: those that decide the structure.
    """
    if not is_ours(kind, names):
        return (*static, ("", f"{' '.join(names)} {code_of(kind)}"))
    kept = [(name, value) for name, value in static if name not in _INERT]
    return tuple([(n, (_CERTAIN if v else 0.0) if n in _PROBABILITIES else v) for n, v in kept])


def key_of(
    inputs: CellInputs, static: tuple[tuple[str, Scalar], ...], pins: tuple[tuple[str, int], ...], workload: Workload
) -> TemplateKey:
    """The key of the template for cells of some static parameters (canonical) and pinned integers."""
    return TemplateKey(inputs.kind, static, pins, inputs.input, inputs.gradient, inputs.first, workload_key(workload))


@lru_cache(maxsize=256)
def workload_key(workload: Workload) -> tuple[tuple[str, str], ...]:
    """The fields of a workload that decide what is counted, but the batch size, which is a dimension of the input."""
    names = ("dtype", "mode", "runtime", "layout", "causal") + (("optimizer",) if workload.training else ())
    names += ("weights",) if workload.weights else ()
    names += ("engine",) if workload.engine != GENERIC else ()
    return tuple((name, getattr(workload, name)) for name in names)
