"""The table of cells: from a kind to its module."""

from __future__ import annotations

import hashlib
import inspect
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TypeVar

from torch import nn

from oracle.errors import ConfigError, OracleError
from oracle.spec import LOSS, CellSpec

__all__ = [
    "ROLES",
    "cell_arguments",
    "cell_kinds",
    "cell_role",
    "code_digest",
    "make_cell",
    "own_arguments",
    "register_cell",
]

ROLES = ("stem", "block", "head", "shard")

_Factory = TypeVar("_Factory", bound=Callable[..., nn.Module])


@dataclass(frozen=True, slots=True)
class _Entry:
    factory: Callable[..., nn.Module]
    role: str


_CELLS: dict[str, _Entry] = {}
_OF_INPUT = re.compile(r"d[0-9]+")  # what closed forms call the dimensions of a cell's input
_PROCESS = secrets.token_bytes(16)


def register_cell(kind: str, *, role: str = "block") -> Callable[[_Factory], _Factory]:
    """Register the module class, or the function that returns a module, of a kind of cell. A decorator.

    Its parameters are those of the spec, by name. It makes its tensors on the meta device without initialising them
    (`oracle.cells.layers` does), and leaves integers alone, so that the same code runs on symbols: no `math`, no
    `int()`, no branch on a width that the block does not define.

    Args:
        kind: as in `CellSpec.kind`.
        role: stem, block or head; decides how `oracle.build` names the cell.

    Raises:
        OracleError: the kind is taken, there is no such role, or a parameter has the name of a dimension of the input.

    Examples:
        >>> import oracle
        >>> from torch import nn
        >>> @oracle.register_cell("doc_linear")
        ... def doc_linear(width):
        ...     return nn.Linear(width, width, device="meta")
        >>> net = oracle.NetSpec((oracle.CellSpec.make("doc_linear", width=64),), input_shape=(64,))
        >>> oracle.score(net, batch_size=2).macs
        8192
    """
    if role not in ROLES:
        raise OracleError(f"role={role!r} of cell kind={kind!r}: expected one of {', '.join(ROLES)}")

    def register(factory: _Factory) -> _Factory:
        taken = [name for name in _parameters(factory) if _OF_INPUT.fullmatch(name)]
        if taken:
            raise OracleError(f"cell kind={kind!r}: parameter {taken[0]}: d0, d1, ... are dimensions of the input")
        if kind in _CELLS:
            raise OracleError(f"cell kind={kind!r} is already registered, to {_CELLS[kind].factory!r}")
        _CELLS[kind] = _Entry(factory, role)
        return factory

    return register


def cell_kinds() -> tuple[str, ...]:
    """The registered kinds, sorted."""
    return tuple(sorted(_CELLS))


def cell_role(kind: str) -> str:
    """The role of a kind in a network: stem, block or head. An unknown kind raises ConfigError."""
    return _entry(kind).role


def cell_arguments(kind: str) -> tuple[str, ...]:
    """The parameter names of a kind, in order. An unknown kind raises ConfigError."""
    return tuple(_parameters(_entry(kind).factory))


def own_arguments(kind: str) -> tuple[str, ...] | None:
    """The names of the parameters that every cell of a kind states; None for a kind that does not ship with the oracle.

    Those with a default are between cells of ours, such as a layer and its halves.
    """
    if kind == LOSS.kind:
        return ()
    entry = _CELLS.get(kind)
    if entry is None or not entry.factory.__module__.startswith(f"{__package__}."):
        return None
    return tuple(name for name, needed in _parameters(entry.factory).items() if needed)


def code_digest(kind: str) -> str:
    """A hash of the file that a kind's factory stands in; where there is none to read, one of this process alone."""
    entry = _CELLS.get(kind)
    if entry is None:
        return ""
    try:
        code = Path(inspect.getsourcefile(entry.factory) or "").read_bytes()
    except (OSError, TypeError):
        code = _PROCESS
    return hashlib.sha256(code).hexdigest()[:16]


def make_cell(spec: CellSpec) -> nn.Module:
    """The module a cell stands for: on the meta device, uninitialised, in training mode.

    Raises:
        ConfigError: unknown kind, missing or unexpected parameter, or a value that torch refuses
            (such as groups that do not divide the width).
    """
    entry, kwargs = _entry(spec.kind), spec.kwargs
    parameters = _parameters(entry.factory)
    faults = {
        "missing": [name for name, needed in parameters.items() if needed and name not in kwargs],
        "unexpected": [name for name in kwargs if name not in parameters],
    }
    if any(faults.values()):
        complaint = "; ".join(f"{what} {', '.join(names)}" for what, names in faults.items() if names)
        raise ConfigError(f"cell kind={spec.kind!r}: {complaint}; expected the parameters {', '.join(parameters)}")
    try:
        return entry.factory(**kwargs)
    except OracleError:
        raise
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in spec.params)
        raise ConfigError(f"cell {spec.kind}({given}): {error}") from error


def _entry(kind: str) -> _Entry:
    if kind not in _CELLS:
        close = get_close_matches(kind, _CELLS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"cell kind={kind!r}: expected one of {', '.join(cell_kinds())}{hint}")
    return _CELLS[kind]


@cache
def _parameters(factory: Callable[..., nn.Module]) -> dict[str, bool]:
    """Name of every parameter -> whether it has no default."""
    return {name: p.default is p.empty for name, p in inspect.signature(factory).parameters.items()}
