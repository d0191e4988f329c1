"""The type that a module's tensors are stored in: which it is, and another one on meta."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

__all__ = [
    "converted",
    "is_plain",
    "like",
    "stored_dtype",
    "stored_dtypes",
    "stored_in",
    "tensors_in",
    "tensors_within",
]


def stored_dtypes(tree: Any) -> dict[str, int]:
    """Floating-point types of a module's parameters, or of nested tensors -> how many elements are of each."""
    found: Counter[str] = Counter()
    for tensor in tree.parameters() if isinstance(tree, nn.Module) else tensors_in(tree):
        if tensor.is_floating_point():
            found[_word(tensor)] += 0 if nn.parameter.is_lazy(tensor) else tensor.numel()
    return dict(found)


def stored_dtype(tree: Any) -> str:
    """The one of most elements, float32 where there are none."""
    known = stored_dtypes(tree)
    return max(known, key=known.__getitem__, default="float32")


def stored_in(module: nn.Module, dtype: str) -> nn.Module:
    """The module, which is on meta, with its floating-point parameters and buffers in a type, as `Module.to` has it.

    They are replaced rather than converted: `Module.to` cannot swap the data of symbolic parameters.
    """
    known: dict[int, Any] = {}  # shared tensors stay shared
    for child in module.modules():
        for tensors in (child._parameters, child._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.is_floating_point() and _word(tensor) != dtype:
                    if id(tensor) not in known:
                        data = torch.empty_like(tensor, dtype=getattr(torch, dtype), requires_grad=False)
                        known[id(tensor)] = (
                            nn.Parameter(data, requires_grad=tensor.requires_grad)
                            if isinstance(tensor, nn.Parameter)
                            else data
                        )
                    tensors[name] = known[id(tensor)]
    return module


def converted(tree: Any, dtype: str) -> Any:
    """Nested inputs on meta with floating-point tensors in a type, shapes and strides as they are."""
    if isinstance(tree, torch.Tensor):
        if not tree.is_floating_point():
            return tree
        return torch.empty_like(tree, dtype=getattr(torch, dtype)).requires_grad_(tree.requires_grad)
    if isinstance(tree, (list, tuple)):
        return like(tree, [converted(item, dtype) for item in tree])
    if isinstance(tree, Mapping):
        return {key: converted(value, dtype) for key, value in tree.items()}
    return tree


def like(tree: Any, items: list[Any]) -> Any:
    """A list, tuple or named tuple of other items; the lengths of packed sequences stay, for torch looks at them."""
    if isinstance(tree, PackedSequence):
        return PackedSequence(items[0], tree.batch_sizes, *items[2:])
    return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)


def tensors_in(tree: Any) -> Iterator[Any]:
    """Tensors in nested values, also those of dataclasses and mappings that models return."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from tensors_in(item)
    elif isinstance(tree, (list, tuple, set)):
        for item in tree:
            yield from tensors_in(item)
    elif hasattr(tree, "__dataclass_fields__"):
        for name in tree.__dataclass_fields__:
            yield from tensors_in(getattr(tree, name))


def tensors_within(tree: Any, depth: int = 4) -> Iterator[Any]:
    """As `tensors_in`, and those in the attributes of other objects, and of objects in these."""
    yield from tensors_in(tree)
    if not depth or isinstance(tree, (torch.Tensor, nn.Module, type)):
        return
    if isinstance(tree, (Mapping, list, tuple, set)):
        inner = list(tree.values() if isinstance(tree, Mapping) else tree)
    else:
        inner = list(getattr(tree, "__dict__", {}).values())
        yield from tensors_in(inner)
    for item in inner:
        if not isinstance(item, torch.Tensor):
            yield from tensors_within(item, depth - 1)


def is_plain(tree: Any) -> bool:
    """Whether all of what a module returned is seen: tensors, and numbers and texts, in containers that are known."""
    if isinstance(tree, Mapping):
        return all(map(is_plain, tree.values()))
    if isinstance(tree, (list, tuple, set)):
        return all(map(is_plain, tree))
    if hasattr(tree, "__dataclass_fields__"):
        return all(is_plain(getattr(tree, name)) for name in tree.__dataclass_fields__)
    return tree is None or isinstance(tree, (torch.Tensor, bool, int, float, complex, str, bytes, torch.dtype))


def _word(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
