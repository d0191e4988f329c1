"""Shapes of the results of the commonest operators, without torch's own meta functions.

Those of convolution and batch norm are written in Python and cost as much as all the rest of a trace (and import
sympy and torch._dynamo, more than a second). Tests hold these twins equal to torch's in shape, stride and dtype;
the strides of a convolution to those of a real one, for on meta, torch does not know which backend will choose.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["SHORTCUTS"]


def _convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: Any,
) -> Any:
    batched = x.dim() == weight.dim()
    spatial = x.shape[2:] if batched else x.shape[1:]
    kernel = weight.shape[2:]
    count = len(kernel)
    stride, padding, dilation, extra = (_each(value, count) for value in (stride, padding, dilation, output_padding))
    if transposed:
        sizes = [
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, k, s, p, d, e in zip(spatial, kernel, stride, padding, dilation, extra, strict=True)
        ]
        channels = weight.shape[1] * groups
    else:
        sizes = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
        ]
        channels = weight.shape[0]
    shape = (x.shape[0], channels, *sizes) if batched else (channels, *sizes)
    return _empty(x, shape, _channels_last(x) or _channels_last(weight))


def _convolution_checked(*args: Any) -> Any:
    x, weight, groups, transposed = args[0], args[1], args[8], args[6]
    channels = x.shape[1 if x.dim() == weight.dim() else 0]
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != expected:
        raise RuntimeError(
            f"expected input with {expected} channels for weight of size {tuple(weight.shape)}, got {channels}"
        )
    if not _is_usual(x):
        return NotImplemented
    out = _convolution(*args)
    if any(size <= 0 for size in out.shape[2:]):
        raise RuntimeError(f"the kernel {tuple(weight.shape[2:])} does not fit the input {tuple(x.shape)}")
    return out


def _convolution_backward(grad: Any, x: Any, weight: Any, bias_sizes: Any, *options: Any) -> Any:
    if not _is_usual(x):
        return NotImplemented
    mask = options[-1]
    layout = _channels_last(x) or _channels_last(weight)
    dx = _empty(grad, x.shape, layout) if mask[0] else None
    dw = _empty(grad, weight.shape, layout) if mask[1] else None
    return dx, dw, grad.new_empty(bias_sizes) if mask[2] else None


def _native_batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float
) -> Any:
    for given in (weight, bias, mean, var):
        if given is not None and given.shape[0] != x.shape[1]:
            raise RuntimeError(f"batch norm of {given.shape[0]} channels cannot take an input with {x.shape[1]}")
    if not _is_usual(x):
        return NotImplemented
    saved = x.shape[1] if training else 0
    dtype = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    return _like(x), x.new_empty(saved, dtype=dtype), x.new_empty(saved, dtype=dtype)


def _native_batch_norm_backward(
    grad: Any, x: Any, weight: Any, mean: Any, var: Any, saved: Any, saved_inv: Any, train: bool, eps: float, mask: Any
) -> Any:
    if not _is_usual(x):
        return NotImplemented
    dtype = weight.dtype if weight is not None else x.dtype
    channels = x.shape[1]
    return (
        _like(x) if mask[0] else None,
        x.new_empty(channels, dtype=dtype) if mask[1] else None,
        x.new_empty(channels, dtype=dtype) if mask[2] else None,
    )


def _binary(x: Any, other: Any, *_: Any, **options: Any) -> Any:
    """Result of a pointwise operator of two tensors of one dtype, one of them of the result's shape."""
    if not isinstance(x, torch.Tensor) or options.get("out") is not None:
        return NotImplemented
    if not isinstance(other, torch.Tensor):
        return _like(x) if x.is_floating_point() and not isinstance(other, complex) else NotImplemented
    if x.dtype != other.dtype or x.dim() != other.dim():
        return NotImplemented
    if x.shape == other.shape:
        return _like(x) if x.stride() == other.stride() else NotImplemented
    if all(b in (1, a) for a, b in zip(x.shape, other.shape, strict=True)):
        return _like(x)
    return NotImplemented


def _max_pool(
    x: Any, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil_mode: bool = False
) -> Any:
    if ceil_mode or x.dim() != 4 or not _is_usual(x):
        return NotImplemented
    options = (_each(value, 2) for value in (kernel, stride or kernel, padding, dilation))
    sizes = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(x.shape[2:], *options, strict=True)]
    if any(size <= 0 for size in sizes):
        return NotImplemented  # torch says what is wrong
    out = _empty(x, (*x.shape[:2], *sizes), _channels_last(x))
    return out, torch.empty_strided(out.shape, out.stride(), dtype=torch.int64, device=out.device)


def _addmm(bias: Any, a: Any, b: Any, **__: Any) -> Any:
    fits = a.shape[1] == b.shape[0] and a.dtype == b.dtype == bias.dtype
    if not fits or bias.dim() != 1 or bias.shape[0] != b.shape[1]:
        return NotImplemented  # torch says what is wrong
    return torch.empty((a.shape[0], b.shape[1]), dtype=a.dtype, device=a.device)


def _each_like(tensors: Any, *_: Any, **__: Any) -> Any:
    return [_like(tensor) for tensor in tensors] if all(map(_is_usual, tensors)) else NotImplemented


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _mean(x: Any, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if not dims or not (dtype or x.dtype).is_floating_point:
        return NotImplemented  # the mean of everything, or of integers, which torch refuses
    rank = x.dim()
    gone = {dim % rank for dim in dims if -rank <= dim < rank}
    if len(gone) < len(dims):
        return NotImplemented  # torch says which dimension there is not, or comes twice
    shape = [1 if index in gone else size for index, size in enumerate(x.shape) if keepdim or index not in gone]
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device)


def _softmax(x: Any, dim: int, half_to_float: bool) -> Any:
    rank = max(x.dim(), 1)
    if not -rank <= dim < rank:  # on meta, torch takes any
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    return NotImplemented if half_to_float else torch.empty(x.shape, dtype=x.dtype, device=x.device)


def _like_first(x: Any, *_: Any, **__: Any) -> Any:
    return _like(x)


def _first(x: Any, *_: Any, **__: Any) -> Any:
    return x


def _binary_in_place(x: Any, other: Any, *rest: Any, **options: Any) -> Any:
    out = _binary(x, other, *rest, **options)
    return NotImplemented if out is NotImplemented else x


def _like(x: Any) -> Any:
    """The result of a pointwise operator, for tensors that have the usual orders."""
    return _empty(x, x.shape, _channels_last(x)) if _is_usual(x) else NotImplemented


def _is_usual(x: Any) -> bool:
    return bool(x.is_contiguous()) or _channels_last(x)


def _empty(x: Any, shape: Any, channels_last: bool) -> Any:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)


def _channels_last(x: Any) -> bool:
    """Whether an image is in channels last, and not contiguous as well."""
    return x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _each(value: Any, count: int) -> Any:
    return value if len(value) == count else list(value) * count


def _grouped_mm(a: Any, b: Any, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Any:
    """Products of groups of rows, of columns or of parts of the inner dimension; torch's own takes halves only."""
    sizes: tuple[Any, ...]
    if a.dim() == b.dim() == 2:
        sizes = (offs.shape[0], a.shape[0], b.shape[1])
    elif a.dim() == b.dim():
        sizes = (a.shape[0], a.shape[1], b.shape[2])
    else:
        sizes = (a.shape[-2], b.shape[-1])
    return a.new_empty(sizes, dtype=out_dtype or a.dtype)


_UNARY = ("relu", "sigmoid", "silu", "gelu", "hardswish", "hardsigmoid")

SHORTCUTS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {
        "aten.convolution": _convolution_checked,
        "aten.convolution_backward": _convolution_backward,
        "aten.native_batch_norm": _native_batch_norm,
        "aten.native_batch_norm_backward": _native_batch_norm_backward,
        "aten.max_pool2d_with_indices": _max_pool,
        "aten.mean": _mean,
        **{f"aten._{name}": _softmax for name in ("softmax", "log_softmax")},
        **{f"aten._foreach_{name}": _each_like for name in ("add", "sqrt")},
        **{f"aten._foreach_{name}_": _nothing for name in ("add", "mul", "div", "lerp", "addcmul", "addcdiv")},
        "aten.addmm": _addmm,
        "aten._grouped_mm": _grouped_mm,
        **{f"aten.{name}": _binary for name in ("add", "sub", "mul", "div")},
        **{f"aten.{name}_": _binary_in_place for name in ("add", "sub", "mul", "div")},
        **{f"aten.{name}_backward": _binary for name in ("threshold", "sigmoid", "silu", "gelu")},
        **{f"aten.{name}": _like_first for name in _UNARY},
        **{f"aten.{name}_": _first for name in _UNARY},
    }
)
"""Operator -> a function of its arguments that returns empty results, or NotImplemented to ask torch."""
