"""What happens above the dispatcher: framework calls are numbered, fused attention is kept whole.

On meta, `scaled_dot_product_attention` decomposes into matrix products and a softmax that write the S x S
scores, which a fused kernel never does. So the call is caught here and becomes one operator with one backward.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from oracle.optable import FunctionCall
from oracle.trace.callers import RECORDED, found_by_name
from oracle.trace.dims import shapes_of

__all__ = ["CallRecorder"]


class CallRecorder(TorchFunctionMode):
    """Numbers the calls that reach the dispatcher from Python, and catches attention.

    Attributes:
        call: number of the running call (the last one, between calls).
        function: its name, such as `linear` or `adaptive_avg_pool2d`.
        functions: the calls of the forward pass that some counter has a rule for.
    """

    def __init__(self, autocast_dtype: str | None = None) -> None:
        super().__init__()
        self._half = getattr(torch, autocast_dtype) if autocast_dtype else None
        self.call = 0
        self.function = ""
        self.functions: list[FunctionCall] = []
        self._pending: Any = None

    def __torch_function__(
        self, func: Any, types_: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.call, self.function = self.call + 1, "scaled_dot_product_attention"
            return _attend(*args, **kwargs)
        if isinstance(func, types.FunctionType) and func is not self._pending:
            # A function written in Python: look inside it, for what it calls is what the dispatcher is asked for.
            before, self._pending = self._pending, func
            call = self.call + 1
            try:
                with self:
                    out = _without_overrides(func)(*args, **kwargs)
            finally:
                self._pending = before
            if func.__name__ in RECORDED:
                self._record(call, func, "python", args, kwargs, out)
            return out
        self.call, self.function = self.call + 1, getattr(func, "__name__", str(func))
        if self._half is not None:
            args, kwargs = _agreeing(self.function, args, kwargs, self._half)
        call, out = self.call, func(*args, **kwargs)
        if self.function in RECORDED:
            kind = "method" if isinstance(func, types.MethodDescriptorType) else "function"
            self._record(call, func, kind, args, kwargs, out)
        return out

    def _record(self, call: int, func: Any, kind: str, args: Any, kwargs: Any, out: Any) -> None:
        if torch._C._current_autograd_node() is not None:
            return  # a backward pass written in Python
        name = func.__name__.removesuffix("_with_indices")
        by_name = found_by_name(func, name, sys._getframe(2))
        shapes = {key: shapes_of(value) for key, value in kwargs.items()}
        self.functions.append(
            FunctionCall(call, name, kind, by_name, shapes_of(args), shapes, shapes_of(out))
        )


_CONVOLUTIONS = frozenset(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "prelu"})


def _agreeing(name: str, args: Any, kwargs: Any, half: torch.dtype) -> tuple[Any, Any]:
    """Cast what these functions check before they reach the dispatcher, where autocast is applied to the rest."""
    if name in _CONVOLUTIONS and len(args) > 2 and args[2] is not None and args[2].dtype != args[0].dtype:
        return (*args[:2], args[2].to(args[0].dtype), *args[3:]), kwargs
    if name in _RECURRENT:
        return _cast_tree(args, half), _cast_tree(kwargs, half)
    return args, kwargs


def _cast_tree(tree: Any, half: torch.dtype) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.to(half) if tree.dtype == torch.float32 else tree
    if isinstance(tree, (list, tuple)):
        return type(tree)(_cast_tree(item, half) for item in tree)
    if isinstance(tree, dict):
        return {key: _cast_tree(item, half) for key, item in tree.items()}
    return tree


@cache
def _globals_without_overrides(module: str) -> dict[str, Any]:
    namespace = dict(vars(__import__(module, fromlist=["_"])))
    for name in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"):
        if name in namespace:
            namespace[name] = _never
    return namespace


@cache
def _without_overrides(func: types.FunctionType) -> Callable[..., Any]:
    """The same function, but its own check for overrides is off; otherwise it would call us again for ever."""
    if not (func.__module__ or "").startswith("torch.nn.functional"):
        return func
    twin = types.FunctionType(
        func.__code__, _globals_without_overrides(func.__module__), func.__name__, func.__defaults__, func.__closure__
    )
    twin.__kwdefaults__ = func.__kwdefaults__
    return twin


def _never(*_: Any) -> bool:
    return False


@cache
def _library() -> torch.library.Library:
    """Our two attention operators; defined once, at the first attention that is traced."""
    library = torch.library.Library("oracle", "DEF")
    library.define(
        "attention(Tensor q, Tensor k, Tensor v, Tensor? mask, float dropout_p, bool is_causal) -> (Tensor, Tensor)"
    )
    library.define(
        "attention_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor out, Tensor logsumexp, Tensor? mask,"
        " float dropout_p, bool is_causal, bool[4] wanted) -> (Tensor, Tensor, Tensor, Tensor)"
    )
    library.impl("attention", _attention_meta, "Meta")
    library.impl("attention_backward", _attention_backward_meta, "Meta")
    return library


def _attention_meta(q: Any, k: Any, v: Any, mask: Any, dropout_p: float, is_causal: bool) -> Any:
    # Fused kernels return (N, H, L, E) as a view of (N, L, H, E), so that heads merge without a copy.
    n, h, length, _ = q.shape
    out = q.new_empty((n, length, h, v.shape[-1])).transpose(1, 2)
    return out, q.new_empty((n, h, length), dtype=torch.float32)


def _attention_backward_meta(
    grad: Any,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    logsumexp: Any,
    mask: Any,
    dropout_p: float,
    is_causal: bool,
    wanted: list[bool],
) -> Any:
    pairs = zip((q, k, v, mask), wanted, strict=True)
    return tuple(torch.empty_like(tensor) if asked else q.new_empty(0) for tensor, asked in pairs)


class _Attention(torch.autograd.Function):
    """Fused attention: saves its inputs, its output and the log-sum-exp of each row (arXiv 2205.14135)."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, mask: Any, dropout_p: float, is_causal: bool) -> Any:
        out, logsumexp = torch.ops.oracle.attention(q, k, v, mask, dropout_p, is_causal)
        ctx.save_for_backward(q, k, v, out, logsumexp, mask)
        ctx.options = (dropout_p, is_causal)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        q, k, v, out, logsumexp, mask = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:4]
        found = torch.ops.oracle.attention_backward(grads[0], q, k, v, out, logsumexp, mask, *ctx.options, wanted)
        return *(grad if asked else None for grad, asked in zip(found, wanted, strict=True)), None, None


def _attend(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    _library()
    if query.dim() == 4:
        return _Attention.apply(query, key, value, attn_mask, dropout_p, is_causal)
    # Any number of leading dimensions is allowed; a fused kernel wants (batch, heads, length, width).
    lead = query.shape[:-2]
    q, k, v = (_four(tensor) for tensor in (query, key, value))
    mask = None if attn_mask is None or attn_mask.dim() <= 2 else _four(attn_mask)
    return _Attention.apply(q, k, v, attn_mask if mask is None else mask, dropout_p, is_causal).reshape(
        *lead, query.shape[-2], value.shape[-1]
    )


def _four(tensor: Any) -> Any:
    if tensor.dim() < 4:
        return tensor.reshape(*(1,) * (4 - tensor.dim()), *tensor.shape)
    return tensor.flatten(0, tensor.dim() - 4)
