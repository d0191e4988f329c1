"""A copy of any module on the meta device: same structure, no weights, the original untouched."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from oracle.errors import TraceError
from oracle.trace.conversions import is_wrapped, unwrap

__all__ = ["empty_twin", "to_meta", "twin_on_meta"]

_HOOKS = ("_hooks", "_hooks_with_kwargs", "_hooks_always_called")


def to_meta(tree: Any, memo: dict[int, Any] | None = None) -> Any:
    """Nested inputs with every tensor replaced by an empty one on meta, shared tensors staying shared."""
    memo = {} if memo is None else memo
    if isinstance(tree, torch.Tensor):
        if id(tree) not in memo:
            memo[id(tree)] = empty_twin(tree)
        return memo[id(tree)]
    if isinstance(tree, (list, tuple)):
        items = [to_meta(item, memo) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
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


def twin_on_meta(module: nn.Module) -> nn.Module:
    """A deep copy of a module whose tensors are on meta.

    Only structure is copied: tensors are replaced before the copy looks at their data, so a model of any size costs
    a few kilobytes per layer. Hooks are dropped, for a hook may do anything, but for those by which torch.nn.utils
    computes weights; compiled modules are unwrapped. Quantised weights of torchao become their parts.

    Raises:
        TraceError: a script module, or one that cannot be copied.
    """
    memo: dict[int, Any] = {}
    try:
        _replace(module, memo)
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


def _replace(module: nn.Module, memo: dict[int, Any]) -> None:
    """Tell a deep copy what to put in the place of a module's tensors, hooks and compiled parts."""
    compiled = []
    for child in module.modules():
        if isinstance(child, torch.jit.ScriptModule):
            raise TraceError(
                f"module={type(child).__name__}: script modules cannot be traced; pass the original nn.Module"
            )
        if _unwrapped(child) is not child:
            compiled.append(child)
        for name, value in vars(child).items():
            if name.endswith(_HOOKS) and isinstance(value, dict):
                memo[id(value)] = type(value)(
                    (key, hook) for key, hook in value.items() if type(hook).__module__.startswith("torch.nn.utils.")
                )
            for found in _contents(value):
                if isinstance(found, nn.Module):
                    _replace(found, memo)
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
    if tensor.layout != torch.strided or tensor.is_nested:
        raise TraceError(f"a tensor with layout={tensor.layout} cannot be traced on meta")
    if is_wrapped(tensor):
        data = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")  # its parts come later: `unwrap`
    else:
        data = torch.empty_like(tensor.detach(), device="meta")  # keeps the strides of any dense tensor
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data.requires_grad_(tensor.requires_grad)
