"""What a convention reports, and what their rules share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from oracle.counting.flops import work_of
from oracle.errors import WorkloadError
from oracle.optable import FunctionCall, ModuleCall, OpTable, Row

__all__ = [
    "Recount",
    "argument",
    "by_type",
    "input_of",
    "macs_of",
    "output_of",
    "parameters_of",
    "refuse",
]

_Rule = TypeVar("_Rule")


@dataclass(frozen=True, slots=True)
class Recount:
    """A tool's figures under our names; None where it reports no such thing.

    Attributes:
        macs: multiply-adds, and whatever else the tool adds to them.
        flops: operations, where the tool does not count in MACs.
        params: elements of parameters.
        activations: elements of the outputs it looks at.
    """

    macs: int | None = None
    flops: int | None = None
    params: int | None = None
    activations: int | None = None


def macs_of(row: Row) -> Any:
    """Multiply-adds of an operator, as we count them ourselves; an expression where the trace was symbolic."""
    work = work_of(row)
    return 0 if work is None else work.macs


def parameters_of(table: OpTable, *, training_only: bool = False) -> int:
    """Elements of all parameters of the module, shared ones once."""
    return sum(
        storage.elements
        for storage in table.storages
        if storage.kind == "parameter" and (storage.requires_grad or not training_only)
    )


def argument(call: FunctionCall, position: int, *names: str) -> Any:
    """An argument by its position, or by one of the names it goes by; None where it was not given."""
    if position < len(call.args):
        return call.args[position]
    return next((call.kwargs[name] for name in names if name in call.kwargs), None)


def by_type(rules: Mapping[tuple[type, ...], _Rule]) -> Mapping[str, _Rule]:
    """Rules of module types by the name that a `ModuleCall` gives the type."""
    return MappingProxyType(
        {f"{kind.__module__}.{kind.__qualname__}": rule for kinds, rule in rules.items() for kind in kinds}
    )


def input_of(convention: str, call: ModuleCall) -> tuple[int, ...]:
    """The first tensor that a module was given by position, which is all that a forward hook is told."""
    if not call.inputs:
        raise refuse(convention, f"module {call.path!r}: it expects a positional tensor")
    return call.inputs[0]


def output_of(convention: str, call: ModuleCall) -> tuple[int, ...]:
    """The first tensor that came out of a module."""
    if call.output is None:
        raise refuse(convention, f"module {call.path!r}: it expects a tensor to come out")
    return call.output


def refuse(convention: str, what: str) -> WorkloadError:
    """The error for a module that the tool itself fails on."""
    return WorkloadError(f"convention={convention!r}: the tool fails on {what}")
