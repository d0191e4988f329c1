"""Conversions to integers and back as operators of ours, and weights of torchao in their place.

What counts of them is stated in `oracle.counting.conversions`: those inside of an operator never run on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from oracle.errors import TraceError

__all__ = ["dequantised", "is_wrapped", "quantised", "quantised_dynamically", "unwrap"]

_DEFINING = Lock()
_SCHEMAS = {
    "quantize": "(Tensor x, ScalarType dtype) -> Tensor",
    "quantize_inside": "(Tensor x, ScalarType dtype) -> Tensor",
    "quantize_dynamic": "(Tensor x, ScalarType dtype) -> Tensor",
    "dequantize": "(Tensor x, Tensor[] scales, ScalarType dtype) -> Tensor",
    "dequantize_inside": "(Tensor x, Tensor[] scales, ScalarType dtype) -> Tensor",
}


@cache
def _library() -> torch.library.Library:
    library = torch.library.Library("oracle", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        library.define(name + schema)
        library.impl(name, _converted, "CompositeExplicitAutograd")
    return library


def _converted(x: Any, *more: Any) -> Any:
    return torch.empty_like(x, dtype=more[-1])


def _operator(name: str) -> Any:
    with _DEFINING:
        _library()
    return getattr(torch.ops.oracle, name)


def quantised(x: Any, dtype: torch.dtype, *, inside: bool) -> Any:
    """Integers of floats.

    Args:
        x: on meta.
        dtype: of the integers.
        inside: whether it is part of an operator.
    """
    return _operator("quantize_inside" if inside else "quantize")(x, dtype)


def dequantised(x: Any, scales: Sequence[Any], dtype: torch.dtype, *, inside: bool) -> Any:
    """Floats of integers; `scales` are those that are read from memory."""
    return _operator("dequantize_inside" if inside else "dequantize")(x, list(scales), dtype)


def quantised_dynamically(x: Any, dtype: torch.dtype) -> Any:
    """Integers of floats, whose scale takes a look at all of them first."""
    torch.aminmax(x)
    return _operator("quantize_dynamic")(x, dtype)


# -- torchao ---------------------------------------------------------------------------------------------------------


def is_wrapped(tensor: torch.Tensor) -> bool:
    """Whether a tensor consists of others, as torchao's do (`__tensor_flatten__` of torch's tensor subclasses)."""
    return bool(is_traceable_wrapper_subclass(tensor))


def unwrap(module: nn.Module, name: str, weight: torch.Tensor) -> None:
    """Put the parts of a quantised weight in its place: each forward pass dequantises it inside of its operator.

    Args:
        module: a copy on meta, which is changed.
        name: of the parameter.
        weight: the wrapped tensor.

    Raises:
        TraceError: parts that are no quantised tensor.
    """
    parts = list(_leaves(weight))
    data = max(parts, key=lambda part: part.numel() * part.element_size())
    scales = [part for part in parts if part is not data and part.is_floating_point() and part.numel() > 1]
    integers = torch.empty(weight.shape, dtype=_stored(weight, data), device="meta")
    del module._parameters[name]  # as torch.nn.utils.parametrize does
    module.register_parameter(f"{name}_quantised", nn.Parameter(integers, requires_grad=False))
    names = [f"{name}_scale{number or ''}" for number in range(len(scales))]
    for own, scale in zip(names, scales, strict=True):
        module.register_buffer(own, torch.empty(scale.shape, dtype=scale.dtype, device="meta"))
    dtype = weight.dtype
    setattr(module, name, torch.empty(weight.shape, dtype=dtype, device="meta"))  # for who looks before it is made
    dynamic = isinstance(module, nn.Linear) and getattr(weight, "act_quant_kwargs", None) is not None

    def prepare(owner: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        found = [getattr(owner, own) for own in names]
        setattr(owner, name, dequantised(getattr(owner, f"{name}_quantised"), found, dtype, inside=True))
        if not dynamic:
            return inputs
        x = quantised_dynamically(inputs[0], data.dtype)
        return dequantised(x, [], inputs[0].dtype, inside=True), *inputs[1:]

    module.register_forward_pre_hook(prepare)


def _leaves(tensor: Any) -> list[torch.Tensor]:
    if not is_wrapped(tensor):
        return [tensor]
    names, _ = tensor.__tensor_flatten__()
    return [leaf for name in names for leaf in _leaves(getattr(tensor, name))]


def _stored(weight: torch.Tensor, data: torch.Tensor) -> Any:
    """How the elements of a weight are stored, as torch's type: one by one, or in four bits each."""
    if data.numel() == weight.numel():
        return data.dtype
    if data.numel() * data.element_size() * 2 == weight.numel():
        return getattr(torch, "uint4")  # noqa: B009 - torch makes it at import
    raise TraceError(
        f"{type(weight).__name__}: {data.numel()} {data.dtype} for {weight.numel()} elements; expected 8 or 4 bits each"
    )
