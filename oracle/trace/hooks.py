"""Forward hooks of a module that is traced: copies run, and nobody sees their side effects.

A hook may change what a module is given or returns, so it has to run. It may as well keep what it sees in a list of
its author's. So a bound method runs on a copy of its object, and a function with copies of the values that it closes
over and of the data that it finds by name in its module. One that cannot be copied, or that fails on tensors without
data, is left out, and the result says so.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

__all__ = ["fill_hook_table", "is_hook_table"]

_FORWARD = ("_forward_hooks", "_forward_pre_hooks")
_SUFFIXES = ("_hooks", "_hooks_with_kwargs", "_hooks_always_called")
_SHARED = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)  # code, which has no state to keep


def is_hook_table(name: str, value: Any) -> bool:
    """Whether an attribute of a module is one of its tables of hooks."""
    return name.endswith(_SUFFIXES) and isinstance(value, dict)


def fill_hook_table(
    name: str, path: str, hooks: Mapping[Any, Any], memo: dict[int, Any], notes: Callable[[str], None]
) -> None:
    """Put copies of hooks into the table that stands for theirs in a deep copy; only forward hooks run.

    Args:
        name: of the attribute that the table is.
        path: of the module that it belongs to, for people.
        hooks: the table.
        memo: of the deep copy, which has a table for it already.
        notes: gets a line on every hook that is left out.
    """
    if not name.startswith(_FORWARD):
        return
    for key, hook in hooks.items():
        if name not in _FORWARD or type(hook).__module__.startswith("torch.nn.utils."):
            memo[id(hooks)][key] = hook  # a flag; or what computes a weight, and has no state but a parameter's name
            continue
        label = f"{getattr(hook, '__name__', type(hook).__name__)} of {path or 'the module'}"
        try:
            memo[id(hooks)][key] = _guarded(_copied(hook, memo), label, notes)
        except Exception as error:  # noqa: BLE001 - whatever copying a stranger's objects raises
            notes(_left_out(label, error))


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if not isinstance(value, types.FunctionType):
        return copy.deepcopy(value, memo)
    if id(value) in memo:
        return memo[id(value)]
    cells = tuple([types.CellType() for _ in value.__closure__ or ()])
    twin = types.FunctionType(value.__code__, _own_globals(value, memo), value.__name__, value.__defaults__, cells)
    memo[id(value)] = twin  # before its cells, one of which may be itself
    twin.__kwdefaults__ = value.__kwdefaults__
    for cell, before in zip(cells, value.__closure__ or (), strict=True):
        try:
            content = before.cell_contents
        except ValueError:  # nothing was assigned yet
            continue
        cell.cell_contents = _copied(content, memo)
    return twin


def _own_globals(function: types.FunctionType, memo: dict[int, Any]) -> dict[str, Any]:
    """What a function finds by name, with copies of the data in it."""
    known = function.__globals__
    data = {
        name: copy.deepcopy(known[name], memo)
        for name in _names(function.__code__)
        if name in known and not name.startswith("__") and not isinstance(known[name], _SHARED)
    }
    return {**known, **data} if data else known


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # of a function within
            found |= _names(constant)
    return found


def _guarded(hook: Callable[..., Any], label: str, notes: Callable[[str], None]) -> Callable[..., Any]:
    def run(module: nn.Module, *args: Any) -> Any:
        try:
            return hook(module, *args)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises
            notes(_left_out(label, error))
            return None

    return run


def _left_out(label: str, error: Exception) -> str:
    return f"forward hook {label} is left out: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
