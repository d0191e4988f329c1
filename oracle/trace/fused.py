"""Functions that a device runs as one kernel and that meta takes apart.

On meta, `scaled_dot_product_attention` becomes matrix products and a softmax that write the S x S scores, which a
fused kernel never does; RMS norm becomes six pointwise operators and a mean. Such calls are caught above the
dispatcher, and each becomes one operator with one backward: torch's where that knows meta, else one of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from threading import Lock
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F

from oracle.cells.functions import (
    append_cache,
    cached_attention,
    causal_conv,
    delta_rule,
    experts,
    index_choice,
    index_scores,
    latent_attention,
    resident,
    rotary,
    routed,
    sparse_attention,
    windowed_attention,
)

__all__ = ["fused"]

_DEFINING = Lock()
_SCHEMAS = {
    "attention": "(Tensor q, Tensor k, Tensor v, Tensor? mask, float dropout_p, bool is_causal,"
    " SymInt window) -> (Tensor, Tensor)",
    "attention_backward": "(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor out, Tensor logsumexp, Tensor? mask,"
    " float dropout_p, bool is_causal, SymInt window, bool[4] wanted) -> (Tensor, Tensor, Tensor, Tensor)",
    "rms_norm": "(Tensor x, SymInt[] shape, Tensor? weight) -> (Tensor, Tensor)",
    "rms_norm_backward": "(Tensor grad, Tensor x, SymInt[] shape, Tensor rstd, Tensor? weight, bool[2] wanted)"
    " -> (Tensor, Tensor)",
    "resident": "(Tensor like, SymInt[] shape, ScalarType? dtype, str kind) -> Tensor",
    "append_cache": "(Tensor(a!) cache, Tensor k, Tensor v) -> ()",
    "cached_attention": "(Tensor q, Tensor k, Tensor v, Tensor? sinks, SymInt window, bool softcap) -> Tensor",
    "latent_attention": "(Tensor q, Tensor latent, Tensor turned, SymInt width) -> Tensor",
    "sparse_attention": "(Tensor latent, Tensor ids, Tensor q, Tensor turned, SymInt width) -> Tensor",
    "index_scores": "(Tensor q, Tensor k, Tensor weights) -> Tensor",
    "index_choice": "(Tensor scores, SymInt chosen) -> Tensor",
    "causal_conv": "(Tensor x, Tensor weight, Tensor(a!)? state) -> Tensor",
    "causal_conv_backward": "(Tensor grad, Tensor x, Tensor weight, bool[2] wanted) -> (Tensor, Tensor)",
    "delta_rule": "(Tensor q, Tensor k, Tensor v, Tensor ba, Tensor rate, Tensor shift, Tensor(a!)? state, int chunk)"
    " -> (Tensor, Tensor)",
    "delta_rule_backward": "(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor ba, Tensor rate, Tensor shift,"
    " Tensor inverse, int chunk, bool[6] wanted) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    "rotary": "(Tensor q, Tensor k, SymInt width) -> (Tensor, Tensor)",
    "routed": "(Tensor logits, Tensor? bias, SymInt chosen, SymInt groups, SymInt chosen_groups, str scoring)"
    " -> (Tensor, Tensor)",
    "routed_backward": "(Tensor grad, Tensor logits, Tensor ids, str scoring) -> Tensor",
    "experts": "(Tensor x, Tensor weight, Tensor? bias, Tensor ids) -> Tensor",
    "experts_backward": "(Tensor grad, Tensor x, Tensor weight, Tensor? bias, Tensor ids, bool[3] wanted)"
    " -> (Tensor, Tensor, Tensor)",
}


def fused(func: Callable[..., Any]) -> Callable[..., Any]:
    """What to call in the place of a framework function: mostly the function itself."""
    return _stand_ins().get(func, func)


@cache
def _stand_ins() -> dict[Callable[..., Any], Callable[..., Any]]:
    found: dict[Callable[..., Any], Callable[..., Any]] = {F.scaled_dot_product_attention: _attend}
    if hasattr(torch, "rms_norm"):
        found[torch.rms_norm] = _rms_norm
    found[torch.dropout] = _dropout
    plain: tuple[Callable[..., Any], ...] = (resident, append_cache, cached_attention, latent_attention)
    plain += (sparse_attention, index_scores, index_choice)
    for function in plain:
        found[function] = _operator(function.__name__)
    found[windowed_attention] = _windowed_attend
    found[causal_conv] = _CausalConv.apply
    found[delta_rule] = _DeltaRule.apply
    found[rotary] = _Rotary.apply
    found[routed] = _Routed.apply
    found[experts] = _Experts.apply
    found[torch._nested_tensor_from_mask_left_aligned] = _no
    found[torch.Tensor.__bool__] = _truth
    for name in ("softmax", "log_softmax"):
        for func in (getattr(torch, name), getattr(torch.Tensor, name)):
            found[func] = _softmax(func, getattr(torch, f"_{name}"))
    return found


def _operators() -> Any:
    """Our operators in torch's registry; defined once, when the first is needed."""
    with _DEFINING:
        _library()
    return torch.ops.oracle


@cache
def _library() -> torch.library.Library:
    library = torch.library.Library("oracle", "DEF")
    results: tuple[Callable[..., Any], ...] = (
        _attention_results,
        _attention_gradients,
        _rms_norm_results,
        _rms_norm_gradients,
    )
    results += (_resident_results, _no_results, _cached_attention_results, _latent_attention_results)
    results += (_sparse_attention_results, _index_scores_results, _index_choice_results, _causal_conv_results)
    results += (_causal_conv_gradients, _delta_rule_results, _delta_rule_gradients)
    results += (_rotary_results, _routed_results, _routed_gradients, _experts_results, _experts_gradients)
    for (name, schema), result in zip(_SCHEMAS.items(), results, strict=True):
        library.define(name + schema)
        library.impl(name, result, "Meta")
    return library


# -- attention -----------------------------------------------------------------------------------------------


def _attention_results(q: Any, k: Any, v: Any, mask: Any, dropout_p: float, is_causal: bool, window: Any) -> Any:
    # Fused kernels return (N, H, L, E) as a view of (N, L, H, E), so that heads merge without a copy.
    n, h, length, _ = q.shape
    out = q.new_empty((n, length, h, v.shape[-1])).transpose(1, 2)
    return out, q.new_empty((n, h, length), dtype=torch.float32)


def _attention_gradients(
    grad: Any,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    logsumexp: Any,
    mask: Any,
    dropout_p: float,
    is_causal: bool,
    window: Any,
    wanted: list[bool],
) -> Any:
    return _like_wanted((q, k, v, mask), wanted, q)


def _like_wanted(tensors: Any, wanted: Any, any_tensor: Any) -> Any:
    pairs = zip(tensors, wanted, strict=True)
    return tuple(torch.empty_like(tensor) if requested else any_tensor.new_empty(0) for tensor, requested in pairs)


def _none_unless(wanted: Any, found: Any) -> tuple[Any, ...]:
    return tuple(grad if requested else None for grad, requested in zip(found, wanted, strict=True))


class _Attention(torch.autograd.Function):
    """Fused attention: saves its inputs, its output and the log-sum-exp of each row (arXiv 2205.14135)."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, mask: Any, dropout_p: float, is_causal: bool, window: Any) -> Any:
        out, logsumexp = _operators().attention(q, k, v, mask, dropout_p, is_causal, window)
        ctx.save_for_backward(q, k, v, out, logsumexp, mask)
        ctx.options = (dropout_p, is_causal, window)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        q, k, v, out, logsumexp, mask = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:4]
        found = _operators().attention_backward(grads[0], q, k, v, out, logsumexp, mask, *ctx.options, wanted)
        return *_none_unless(wanted, found), None, None, None


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
    """`scaled_dot_product_attention`: (..., L, E), (..., S, E), (..., S, V) -> (..., L, V).

    Fused kernels take (batch, heads, length, width) and nothing else: with other ranks torch writes the scores, in
    float32 where the inputs are halves (ATen/native/transformers/sdp_utils_cpp.h, attention.cpp), and so do we.
    """
    if query.dim() != 4:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2] or (is_causal and attn_mask is not None):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (query, key, value))
        raise RuntimeError(f"no attention of query, key and value {shapes} with a mask and is_causal={is_causal}")
    if not enable_gqa and query.shape[:-2] != key.shape[:-2]:
        lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        query = query.expand(*lead, *query.shape[-2:])
    return _Attention.apply(query, key, value, attn_mask, dropout_p, is_causal, 0)


def _windowed_attend(q: Any, k: Any, v: Any, window: Any) -> Any:
    return _Attention.apply(q, k, v, None, 0.0, True, window)


# -- RMS norm ------------------------------------------------------------------------------------------------


def _rms_norm_results(x: Any, shape: Any, weight: Any) -> Any:
    statistics = (*x.shape[: x.dim() - len(shape)], *(1,) * len(shape))
    return torch.empty_like(x), x.new_empty(statistics, dtype=torch.float32)


def _rms_norm_gradients(grad: Any, x: Any, shape: Any, rstd: Any, weight: Any, wanted: list[bool]) -> Any:
    return _like_wanted((x, weight), wanted, x)


class _RMSNorm(torch.autograd.Function):
    """RMS norm (arXiv 1910.07467): saves its input, its weight and the reciprocal root of each mean square."""

    @staticmethod
    def forward(ctx: Any, x: Any, shape: Any, weight: Any) -> Any:
        out, rstd = _operators().rms_norm(x, shape, weight)
        ctx.save_for_backward(x, rstd, weight)
        ctx.shape = shape
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, rstd, weight = ctx.saved_tensors
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[2])
        found = _operators().rms_norm_backward(grads[0], x, ctx.shape, rstd, weight, wanted)
        dx, dweight = _none_unless(wanted, found)
        return dx, None, dweight


def _rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:  # noqa: A002 torch's name
    if tuple(input.shape[input.dim() - len(normalized_shape) :]) != tuple(normalized_shape) or (
        weight is not None and weight.dtype != input.dtype
    ):
        return torch.rms_norm(input, normalized_shape, weight, eps)  # takes it apart, or says what is wrong
    return _RMSNorm.apply(input, normalized_shape, weight)


# -- what decoders run: `oracle.cells.functions` ----------------------------------------------------------------


def _operator(name: str) -> Callable[..., Any]:
    """Our operator of a name, looked up when it is called."""

    def call(*args: Any) -> Any:
        return getattr(_operators(), name)(*args)

    return call


def _resident_results(like: Any, shape: Any, dtype: Any, kind: str) -> Any:
    return like.new_empty(shape, dtype=dtype or (like.dtype if like.is_floating_point() else torch.float32))


def _no_results(*_: Any) -> None:
    return None


def _cached_attention_results(q: Any, k: Any, v: Any, sinks: Any, window: Any, softcap: bool) -> Any:
    n, h, length, _ = q.shape
    return q.new_empty((n, length, h, v.shape[-1])).transpose(1, 2)


def _latent_attention_results(q: Any, latent: Any, turned: Any, full: Any) -> Any:
    n, h, length, width = q.shape
    return q.new_empty((n, length, h, width)).transpose(1, 2)


def _sparse_attention_results(latent: Any, ids: Any, q: Any, turned: Any, full: Any) -> Any:
    return _latent_attention_results(q, latent, turned, full)


def _index_scores_results(q: Any, k: Any, weights: Any) -> Any:
    return q.new_empty((q.shape[0], q.shape[1], k.shape[1]), dtype=torch.float32)


def _index_choice_results(scores: Any, chosen: Any) -> Any:
    return scores.new_empty((*scores.shape[:2], chosen), dtype=torch.int32)


def _causal_conv_results(x: Any, weight: Any, state: Any) -> Any:
    return x.new_empty(x.shape)


def _causal_conv_gradients(grad: Any, x: Any, weight: Any, wanted: list[bool]) -> Any:
    return _like_wanted((x, weight), wanted, x)


class _CausalConv(torch.autograd.Function):
    """A convolution with its activation: saves what it reads, and computes what the activation takes anew."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, state: Any) -> Any:
        ctx.save_for_backward(x, weight)
        return _operators().causal_conv(x, weight, state)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        wanted = ctx.needs_input_grad[:2]
        found = _operators().causal_conv_backward(grads[0], *ctx.saved_tensors, wanted)
        return *_none_unless(wanted, found), None


def _delta_rule_results(q: Any, k: Any, v: Any, ba: Any, rate: Any, shift: Any, state: Any, chunk: int) -> Any:
    # What training keeps beside its inputs: of each chunk and head the inverse that its tokens are corrected by.
    return v.new_empty(v.shape), v.new_empty((*v.shape[:3], chunk) if state is None else 0)


def _delta_rule_gradients(
    grad: Any, q: Any, k: Any, v: Any, ba: Any, rate: Any, shift: Any, inverse: Any, chunk: int, wanted: list[bool]
) -> Any:
    return _like_wanted((q, k, v, ba, rate, shift), wanted, q)


class _DeltaRule(torch.autograd.Function):
    """The gated delta rule: saves its inputs, and an inverse per chunk (flash-linear-attention, `gated_delta_rule`)."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, ba: Any, rate: Any, shift: Any, state: Any, chunk: int) -> Any:
        out, inverse = _operators().delta_rule(q, k, v, ba, rate, shift, state, chunk)
        ctx.save_for_backward(q, k, v, ba, rate, shift, inverse)
        ctx.chunk = chunk
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        wanted = ctx.needs_input_grad[:6]
        found = _operators().delta_rule_backward(grads[0], *ctx.saved_tensors, ctx.chunk, wanted)
        return *_none_unless(wanted, found), None, None


class _Rotary(torch.autograd.Function):
    """Positions that turn queries and keys; gradients are turned back."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, width: Any) -> Any:
        ctx.width = width
        return _operators().rotary(q, k, width)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return *_operators().rotary(*grads, ctx.width), None


class _Routed(torch.autograd.Function):
    """The choice of experts: saves the router's scores, and which are chosen."""

    @staticmethod
    def forward(ctx: Any, logits: Any, bias: Any, chosen: Any, groups: Any, chosen_groups: Any, scoring: str) -> Any:
        weights, ids = _operators().routed(logits, bias, chosen, groups, chosen_groups, scoring)
        ctx.save_for_backward(logits, ids)
        ctx.scoring = scoring
        ctx.mark_non_differentiable(ids)
        return weights, ids

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _operators().routed_backward(grads[0], *ctx.saved_tensors, ctx.scoring), None, None, None, None, None


class _Experts(torch.autograd.Function):
    """Products of all experts: saves the rows, the weights, and which row is whose."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, ids: Any) -> Any:
        ctx.save_for_backward(x, weight, bias, ids)
        return _operators().experts(x, weight, bias, ids)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        wanted = ctx.needs_input_grad[:3]
        found = _operators().experts_backward(grads[0], *ctx.saved_tensors, wanted)
        return *_none_unless(wanted, found), None


def _experts_gradients(grad: Any, x: Any, weight: Any, bias: Any, ids: Any, wanted: list[bool]) -> Any:
    return _like_wanted((x, weight, bias), wanted, x)


def _rotary_results(q: Any, k: Any, width: Any) -> Any:
    return q.new_empty(q.shape), k.new_empty(k.shape)


def _routed_results(logits: Any, bias: Any, chosen: Any, groups: Any, chosen_groups: Any, scoring: str) -> Any:
    shape = logits.shape[0], chosen
    return logits.new_empty(shape), logits.new_empty(shape, dtype=torch.int64)


def _routed_gradients(grad: Any, logits: Any, ids: Any, scoring: str) -> Any:
    return torch.empty_like(logits)


def _experts_results(x: Any, weight: Any, bias: Any, ids: Any) -> Any:
    return x.new_empty((ids.shape[0] * ids.shape[1], weight.shape[2]))


# -- questions about data that only decide between equal ways ------------------------------------------------


def _no(*_: Any) -> bool:
    """To nn.TransformerEncoder, whether padding may be left out: the cost of every token is counted."""
    return False


def _truth(tensor: Any) -> bool:
    """To torch's own transformer layers, whether a mask is the causal one: it is counted as any other mask."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("oracle.", "torch.utils", "torch.overr")
    ):
        frame = frame.f_back
    return False if frame is not None and frame.f_code.co_name == "_detect_is_causal_mask" else bool(tensor)


# -- dropout -------------------------------------------------------------------------------------------------


def _dropout(input: Any, p: float, train: bool) -> Any:  # noqa: A002 torch's name
    """Outside of CUDA, torch draws the mask, scales it and multiplies by it, in a kernel each."""
    if train and 0 < p < 1 and input.is_floating_point():
        return torch.native_dropout(input, p, train)[0]
    return torch.dropout(input, p, train)


# -- softmax -------------------------------------------------------------------------------------------------


def _softmax(func: Callable[..., Any], kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`func`, but where it is told to answer float16 in float32, `kernel` does both at once, as on CUDA."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and set(kwargs) == {"dim", "dtype"}:
            args, kwargs = (args[0], kwargs["dim"]), {"dtype": kwargs["dtype"]}
        if len(args) == 2 and list(kwargs) == ["dtype"] and isinstance(args[1], int):
            x, dim = args
            if x.dtype == torch.float16 and kwargs["dtype"] == torch.float32:
                return kernel(x, dim, True)
        return func(*args, **kwargs)

    return stand_in
