"""The content of real tensors, read while a trace has nothing but shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.errors import TraceError
from oracle.trace import isolated

_LONGEST = 65_536  # numbers that say a shape, pads or axes
_LARGEST = 2**24  # elements of a real tensor: tables of positions, masks


@contextmanager
def computing() -> Iterator[None]:
    """While entered, real tensors are computed on, none of them larger than tables of indices are.

    A file can say `ConstantOfShape` of any size. What an operator would make, meta says first, which takes none.
    """
    with isolated(), torch.no_grad(), _Bounded():
        yield


class _Bounded(TorchDispatchMode):
    """Complains of an operator whose result is too large before it takes the memory."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given, words = pytree.tree_map(_on_meta, (args, kwargs))
        if words.get("device") is not None or not any(isinstance(x, torch.Tensor) for x in pytree.tree_leaves(given)):
            words = {**words, "device": torch.device("meta")}
        try:
            made = func(*given, **words)
        except Exception:  # noqa: BLE001 - its size depends on the data, and is not above that of the data
            made = None
        for tensor in pytree.tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.numel() > _LARGEST:
                raise TraceError(
                    f"{func} would make {tensor.numel():,} numbers of shape arithmetic; expected at most {_LARGEST:,}"
                )
        return func(*args, **kwargs)


def _on_meta(item: Any) -> Any:
    if isinstance(item, torch.Tensor):
        return torch.empty_strided(item.shape, item.stride(), dtype=item.dtype, device="meta")
    return item


def alike(*values: Any) -> list[Any]:
    """Operands of one kernel: beside shapes, real tensors are shapes, too, but for numbers, which stay real."""
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    if all(x.is_meta for x in tensors) or not any(x.is_meta for x in tensors):
        return list(values)
    with isolated():
        real = [isinstance(value, torch.Tensor) and not value.is_meta and value.dim() > 0 for value in values]
        return [_on_meta(value) if own else value for value, own in zip(values, real, strict=True)]


def listed(tensor: Any) -> list[Any]:
    """The elements of a tensor that is shape arithmetic.

    Raises:
        TraceError: they depend on the data.
    """
    if tensor.is_meta:
        raise TraceError("its shapes depend on the data, which a cost from shapes cannot follow")
    if tensor.numel() > _LONGEST:
        raise TraceError(f"{tensor.numel():,} numbers where a shape, pads or axes are; expected at most {_LONGEST:,}")
    with isolated():
        found: list[Any] = tensor.reshape(-1).tolist()
        return found


def number(tensor: Any) -> Any:
    """The only element of such a tensor."""
    return listed(tensor)[0]
