"""A copy of any module on the meta device: same structure, no weights, the original untouched."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from oracle.errors import TraceError
from oracle.trace.conversions import is_wrapped, unwrap
from oracle.trace.hooks import fill_hook_table, is_hook_table
from oracle.trace.storing import like

__all__ = ["empty_twin", "to_meta", "twin_on_meta"]


def to_meta(tree: Any, memo: dict[int, Any] | None = None) -> Any:
    """Nested inputs with every tensor replaced by an empty one on meta, shared tensors staying shared."""
    memo = {} if memo is None else memo
    if isinstance(tree, torch.Tensor):
        if id(tree) not in memo:
            memo[id(tree)] = empty_twin(tree)
        return memo[id(tree)]
    if isinstance(tree, (list, tuple)):
        return like(tree, [to_meta(item, memo) for item in tree])
    if isinstance(tree, Mapping):
        twin: Any = copy.copy(tree)
        for key, value in tree.items():
            twin[key] = to_meta(value, memo)
        return twin
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        twin = copy.copy(tree)
        for field in dataclasses.fields(tree):
            object.__setattr__(twin, field.name, to_meta(getattr(tree, field.name), memo))
        return twin
    return tree


def twin_on_meta(module: nn.Module, notes: Callable[[str], None] = lambda _: None) -> nn.Module:
    """A deep copy of a module whose tensors are on meta.

    Only structure is copied: tensors are replaced before the copy looks at their data, so a model of any size costs
    a few kilobytes per layer. Forward hooks are copied, see `oracle.trace.hooks`, others dropped; compiled modules are
    unwrapped, and quantised weights of torchao become their parts.

    Args:
        module: any.
        notes: gets a line on every forward hook that is left out, now or when the copy runs.

    Raises:
        TraceError: a script module, or one that cannot be copied.
    """
    memo: dict[int, Any] = {}
    try:
        tables: list[_Hooks] = []
        _replace(module, memo, set(), tables)
        for name, path, hooks in tables:  # now that all tensors have their twins
            fill_hook_table(name, path, hooks, memo, notes)
        twin = copy.deepcopy(_unwrapped(module), memo)
        _unwrap(module, memo)
    except TraceError:
        raise
    except Exception as error:
        raise TraceError(f"module={type(module).__name__}: its structure cannot be copied: {error}") from error
    return twin


def _unwrap(module: nn.Module, memo: Mapping[int, Any]) -> None:
    """Give the copies of modules the parts of their quantised weights."""
    for child in module.modules():
        for name, value in child._parameters.items():
            if value is not None and is_wrapped(value):
                unwrap(memo[id(child)], name, value)


class _Hooks(NamedTuple):
    """A table of hooks: the attribute that it is, the path of its module, and itself."""

    name: str
    path: str
    hooks: dict[Any, Any]


def _replace(module: nn.Module, memo: dict[int, Any], seen: set[int], tables: list[_Hooks]) -> None:
    """Tell a deep copy what to put in the place of a module's tensors, hooks and compiled parts.

    Args:
        module: all modules below it as well.
        memo: of the deep copy; its tables of hooks stay empty.
        seen: modules that were visited.
        tables: gets the tables of hooks.
    """
    compiled = []
    for path, child in module.named_modules():
        if id(child) in seen:
            continue
        seen.add(id(child))
        if isinstance(child, torch.jit.ScriptModule):
            raise TraceError(
                f"module={type(child).__name__}: script modules cannot be traced; pass the original nn.Module"
            )
        if _unwrapped(child) is not child:
            compiled.append(child)
        own = {name: value for name, value in vars(child).items() if name != "_modules"}  # visited as they are
        hooks = [_Hooks(name, path, value) for name, value in own.items() if is_hook_table(name, value)]
        memo.update({id(table.hooks): type(table.hooks)() for table in hooks})
        tables += hooks
        for value in own.values():
            for found in _contents(value):
                if isinstance(found, nn.Module):
                    _replace(found, memo, seen, tables)
                elif id(found) not in memo:
                    memo[id(found)] = empty_twin(found)
    for child in reversed(compiled):
        memo[id(child)] = copy.deepcopy(_unwrapped(child), memo)


def _unwrapped(module: nn.Module) -> nn.Module:
    """The module inside what torch.compile returns."""
    inner = module._modules.get("_orig_mod")
    return module if inner is None else inner


def _contents(value: Any) -> Iterator[Any]:
    """Tensors in a module's attribute, and modules in plain lists, where torch does not look for them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple, set)) or (isinstance(value, dict) and value):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, nn.Module):
                yield item
            else:
                yield from _contents(item)


def empty_twin(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape, strides and type on meta.

    Raises:
        TraceError: a tensor without a shape (a lazy parameter), or one that is sparse or nested.
    """
    if isinstance(tensor, (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)):
        raise TraceError("the module has uninitialised lazy parameters: run it once on a small input first")
    if tensor.is_nested:
        raise TraceError("a nested tensor has no shape to count by; expected a padded one, or a packed sequence")
    if tensor.layout != torch.strided:
        raise TraceError(f"a tensor with layout={tensor.layout} cannot be traced on meta; expected a dense one")
    if is_wrapped(tensor):
        data = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")  # its parts come later: `unwrap`
    else:
        data = torch.empty_like(tensor.detach(), device="meta")  # keeps the strides of any dense tensor
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data.requires_grad_(tensor.requires_grad)
