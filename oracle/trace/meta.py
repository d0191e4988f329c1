"""A copy of any module on the meta device: same structure, no weights, the original untouched."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from oracle.errors import TraceError

__all__ = ["to_meta", "twin_on_meta"]


def to_meta(tree: Any, memo: dict[int, Any] | None = None) -> Any:
    """Nested inputs with every tensor replaced by an empty one on meta, shared tensors staying shared."""
    memo = {} if memo is None else memo
    if isinstance(tree, torch.Tensor):
        if id(tree) not in memo:
            memo[id(tree)] = _empty_twin(tree)
        return memo[id(tree)]
    if isinstance(tree, (list, tuple)):
        items = [to_meta(item, memo) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return type(tree)({key: to_meta(value, memo) for key, value in tree.items()})
    return tree


def twin_on_meta(module: nn.Module) -> nn.Module:
    """A deep copy of a module whose tensors are on meta.

    Only structure is copied: parameters, buffers and plain tensor attributes are replaced before the copy looks at
    their data, so a model of any size costs a few kilobytes per layer. Hooks are dropped, for a hook may hold
    anything; compiled modules are unwrapped.

    Raises:
        TraceError: a script module, or one that cannot be copied.
    """
    module = getattr(module, "_orig_mod", module)
    if isinstance(module, torch.jit.ScriptModule):
        raise TraceError(f"module={type(module).__name__}: script modules cannot be traced; pass the original nn.Module")
    memo: dict[int, Any] = {}
    for child in module.modules():
        for tensor in [*child._parameters.values(), *child._buffers.values(), *vars(child).values()]:
            if isinstance(tensor, torch.Tensor) and id(tensor) not in memo:
                memo[id(tensor)] = _empty_twin(tensor)
        for name, value in vars(child).items():
            if name.endswith("_hooks") or name.endswith("_hooks_with_kwargs") or name.endswith("_hooks_always_called"):
                memo[id(value)] = type(value)()
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:
        raise TraceError(f"module={type(module).__name__}: its structure cannot be copied: {error}") from error


def _empty_twin(tensor: torch.Tensor) -> torch.Tensor:
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        raise TraceError("the module has uninitialised lazy parameters: run it once on a small input first")
    if tensor.is_sparse or tensor.is_nested:
        raise TraceError(f"a tensor with layout={tensor.layout} cannot be traced on meta")
    data = torch.empty_like(tensor.detach(), device="meta")  # keeps the strides of any dense tensor
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data.requires_grad_(tensor.requires_grad)
