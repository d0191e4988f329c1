"""What decoders run as one kernel each: caches, attention over them, rotary positions, routers and experts.

Plain PyTorch, so that a cell runs anywhere. A trace sees each call as one operator (`oracle.trace.fused`), as inference
engines run it: vLLM's reshape_and_cache, rotary_embedding, paged attention, FlashMLA, grouped_topk and fused_moe, what
TensorRT-LLM and FlashInfer have for them, causal_conv1d, flash-linear-attention's delta rules, DeepGEMM's mqa_logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

__all__ = [
    "SCORINGS",
    "append_cache",
    "cached_attention",
    "causal_conv",
    "delta_rule",
    "experts",
    "index_choice",
    "index_scores",
    "latent_attention",
    "resident",
    "rotary",
    "routed",
    "sparse_attention",
    "tied_embedding",
    "windowed_attention",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_ROTARY_BASE = 10_000.0
SCORINGS = ("softmax", "softmax_all", "sigmoid")
"""How a router scores: softmax of the chosen alone (Mixtral), of all (DeepSeek-V2), sigmoid and bias (DeepSeek-V3)."""


def _overridable(function: _Function) -> _Function:
    """Let a mode that watches torch's functions (a trace) see the function's calls as one."""

    @wraps(function)
    def call(*args: Any) -> Any:
        tensors = tuple(arg for arg in args if isinstance(arg, Tensor))
        if has_torch_function(tensors):
            return handle_torch_function(call, tensors, *args)
        return function(*args)

    return call  # type: ignore[return-value]


@_overridable
def resident(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None, kind: str) -> Tensor:  # noqa: ARG001
    """Zeros that stand for memory which is there before a call, on the device of a tensor.

    Args:
        like: says the device, and the type where that is floating.
        shape: of the result.
        dtype: of the result; None for that of `like`.
        kind: cache, shared, accumulated or idle: what `oracle.optable.Storage` calls it.
    """
    return like.new_zeros(tuple(shape), dtype=dtype or (like.dtype if like.is_floating_point() else torch.float32))


def tied_embedding(tokens: Tensor, shape: Sequence[int], like: Tensor) -> Tensor:
    """Rows of a table that another cell owns, (N, L) -> (N, L, width), where that cell is not at hand.

    Backward adds the gradient of the table to that of its owner, as autograd does where both are in one network.

    Args:
        tokens: numbers of rows.
        shape: of the table.
        like: a parameter without elements, which says type and device, and which gradients flow to.
    """
    if not torch.is_grad_enabled():
        return F.embedding(tokens, resident(like, shape, None, "shared"))
    out: Tensor = _TiedEmbedding.apply(tokens, tuple(shape), like)  # type: ignore[no-untyped-call]
    return out


class _TiedEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, shape: Sequence[int], like: Tensor) -> Tensor:
        ctx.save_for_backward(tokens)
        ctx.shape = shape
        return F.embedding(tokens, resident(like, shape, None, "shared"))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (tokens,) = ctx.saved_tensors
        own = torch.ops.aten.embedding_dense_backward(grads[0], tokens, ctx.shape[0], -1, False)
        total = resident(grads[0], ctx.shape, None, "accumulated")
        torch.add(resident(grads[0], ctx.shape, None, "shared"), own, out=total)
        return None, None, None


@_overridable
def append_cache(cache: Tensor, k: Tensor, v: Tensor) -> None:
    """Write keys and values, (N, L, heads, width) each, into their places in a cache, (2, N, L, heads, width).

    Or a latent and a key, (N, L, a) and (N, L, b), side by side into one of (N, L, a + b): vLLM's concat_and_cache_mla.
    """
    if cache.dim() == 3:
        cache[..., : k.shape[-1]].copy_(k)
        cache[..., k.shape[-1] :].copy_(v)
        return
    cache[0].copy_(k)
    cache[1].copy_(v)


@_overridable
def cached_attention(q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None, window: int, softcap: bool) -> Tensor:
    """Causal attention, the last query seeing the last key: (N, heads, L, E), (N, groups, S, E), same -> like q.

    Args:
        q, k, v: queries, and keys and values of as many heads or of groups of heads.
        sinks: (heads,) a score that stands beside those of each head's keys, and has no value; None for none.
        window: how many of the latest keys a query sees, its own included; 0 for all.
        softcap: whether scores are capped by 50 tanh(score / 50), as in Gemma 2 (arXiv 2408.00118).
    """
    heads, groups = q.shape[1], k.shape[1]
    k, v = (x.to(q.dtype).repeat_interleave(heads // groups, dim=1) for x in (k, v))
    scores = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
    if softcap:
        scores = 50.0 * torch.tanh(scores / 50.0)
    length, context = scores.shape[-2:]
    ages = torch.arange(context - length, context)[:, None] - torch.arange(context)[None, :]
    hidden = (ages < 0) | (ages >= window) if window else ages < 0
    scores = scores.masked_fill(hidden.to(q.device), float("-inf"))
    if sinks is not None:
        beside = sinks.to(q.dtype)[None, :, None, None].expand(*scores.shape[:-1], 1)
        return F.softmax(torch.cat((scores, beside), dim=-1), dim=-1)[..., :-1] @ v
    return F.softmax(scores, dim=-1) @ v


@_overridable
def windowed_attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention of training, without a cache: (N, heads, L, E), (N, groups, L, E), same -> like q.

    Args:
        q, k, v, window: as in `cached_attention`; the window is one.
    """
    ages = torch.arange(q.shape[2], device=q.device)
    ages = ages[:, None] - ages[None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=(ages >= 0) & (ages < window), enable_gqa=True)


@_overridable
def latent_attention(q: Tensor, latent: Tensor, turned: Tensor, width: int) -> Tensor:
    """Causal attention over latents that all heads share, the last query seeing the last: -> like q.

    What a head sees of a token is the latent itself, both as the key and as the value, and beside it a key that
    positions turn: (arXiv 2405.04434, section 2.1, with the projections of keys and values absorbed).

    Args:
        q: (N, heads, L, a) queries of the latent.
        latent: (N, S, a + b), read once for all heads.
        turned: (N, heads, L, b) queries of the turned key.
        width: of a head before the projections were absorbed, whose root scores are divided by.
    """
    keys = latent.to(q.dtype).unsqueeze(1)
    scores = torch.cat((q, turned.to(q.dtype)), dim=-1) @ keys.transpose(2, 3) * width**-0.5
    length, context = scores.shape[-2:]
    ages = torch.arange(context - length, context)[:, None] - torch.arange(context)[None, :]
    scores = scores.masked_fill((ages < 0).to(q.device), float("-inf"))
    return F.softmax(scores, dim=-1) @ keys[..., : q.shape[-1]]


@_overridable
def sparse_attention(latent: Tensor, ids: Tensor, q: Tensor, turned: Tensor, width: int) -> Tensor:
    """`latent_attention` in which each query sees some keys only (DeepSeek-V3.2: arXiv 2512.02556): -> like q.

    Args:
        latent: (N, S, a + b), of which rows that no query chose are not read.
        ids: (N, L, k) which keys each query chose; those that come after it are not seen.
        q, turned: (N, heads, L, a) and (N, heads, L, b) queries.
        width: as in `latent_attention`.
    """
    n, _, length, rank = q.shape
    chosen = ids.long()
    keys = latent.to(q.dtype)[torch.arange(n, device=q.device)[:, None, None], chosen]
    scores = torch.einsum("nhla,nlka->nhlk", torch.cat((q, turned.to(q.dtype)), dim=-1), keys) * width**-0.5
    at = torch.arange(latent.shape[1] - length, latent.shape[1], device=q.device)
    scores = scores.masked_fill((chosen > at[None, :, None]).unsqueeze(1), float("-inf"))
    return torch.einsum("nhlk,nlka->nhla", F.softmax(scores, dim=-1), keys[..., :rank])


@_overridable
def index_scores(q: Tensor, k: Tensor, weights: Tensor) -> Tensor:
    """How much each query of an indexer is for each key: the weighted sum of its heads' positive products.

    (N, L, heads, D), (N, S, D), (N, L, heads) -> (N, L, S) in float32: arXiv 2512.02556, equation 1.
    """
    each = torch.einsum("nlhd,nsd->nlhs", q.float(), k.float()).relu()
    scores = torch.einsum("nlhs,nlh->nls", each, weights.float())
    length, context = scores.shape[-2:]
    ages = torch.arange(context - length, context)[:, None] - torch.arange(context)[None, :]
    return scores.masked_fill((ages < 0).to(q.device), float("-inf"))


@_overridable
def index_choice(scores: Tensor, chosen: int) -> Tensor:
    """The keys of the highest scores of each query: (N, L, S) -> (N, L, chosen) in int32."""
    return scores.topk(chosen, dim=-1).indices.to(torch.int32)


@_overridable
def causal_conv(x: Tensor, weight: Tensor, state: Tensor | None) -> Tensor:
    """SiLU of a convolution over the latest tokens of each channel alone; a state becomes the last of these.

    Args:
        x: (N, L, channels).
        weight: (channels, k).
        state: (N, channels, k - 1) the tokens before; None for zeros that nobody keeps.
    """
    before = weight.shape[1] - 1
    zeros = x.new_zeros((x.shape[0], x.shape[2], before))
    whole = torch.cat((zeros if state is None else state.to(x.dtype), x.transpose(1, 2)), dim=2)
    if state is not None:
        state.copy_(whole[..., -before:])
    return F.silu(F.conv1d(whole, weight.unsqueeze(1), groups=x.shape[2])).transpose(1, 2)


@_overridable
def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, ba: Tensor, rate: Tensor, shift: Tensor, state: Tensor | None, chunk: int
) -> Tensor:
    """Linear attention by the gated delta rule (arXiv 2412.06464): -> like v.

    Every head of values keeps a matrix S, of which a token forgets a part, corrects what its key reads, and is answered
    by what its query reads, keys and queries being of length 1 and 1 / sqrt(D):

        S <- g S;  S <- S + k (b (v - S^T k))^T;  y = S^T q
        b = sigmoid(ba[0]),  ln g = -exp(rate) softplus(ba[1] + shift)

    Args:
        q, k: (N, L, groups, D) queries and keys, of as many heads or of groups of heads.
        v: (N, L, heads, E) values.
        ba: (N, L, 2, heads) what the two gates are made from.
        rate, shift: (heads,).
        state: (N, heads, D, E) in float32: S before, and after the call; None for zeros that nobody keeps.
        chunk: tokens that are taken at once, as matrix products; 0 for one after the other.
    """
    repeats = v.shape[2] // k.shape[2]
    q, k = (F.normalize(x.float(), dim=-1).repeat_interleave(repeats, dim=2).transpose(1, 2) for x in (q, k))
    values, (b, a) = v.float().transpose(1, 2), ba.float().permute(2, 0, 3, 1)
    q, b = q * q.shape[3] ** -0.5, torch.sigmoid(b)
    decay = -rate.float().exp()[:, None] * F.softplus(a + shift.float()[:, None])
    kept = k.new_zeros((*k.shape[:2], k.shape[3], values.shape[3])) if state is None else state.clone()
    made = []
    for start in range(0, v.shape[1], chunk or 1):
        part = slice(start, start + (chunk or 1))
        y, kept = _delta_chunk(q[:, :, part], k[:, :, part], values[:, :, part], decay[:, :, part], b[:, :, part], kept)
        made.append(y)
    if state is not None:
        state.copy_(kept)
    return torch.cat(made, dim=2).transpose(1, 2).to(v.dtype)


def _delta_chunk(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, b: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """What the tokens of a chunk make, (N, heads, C, E), and the state after it (arXiv 2406.06484, section 3)."""
    total = decay.cumsum(2)
    between = (total.unsqueeze(3) - total.unsqueeze(2)).tril().exp().tril()
    kb, gone = k * b.unsqueeze(3), total.exp().unsqueeze(3)
    system = (kb @ k.transpose(2, 3)) * between
    solved = torch.linalg.solve_triangular(
        system, torch.cat((v * b.unsqueeze(3), kb * gone), dim=3), upper=False, unitriangular=True
    )
    new = solved[..., : v.shape[3]] - solved[..., v.shape[3] :] @ state
    y = (q * gone) @ state + ((q @ k.transpose(2, 3)) * between) @ new
    left = (total[..., -1:] - total).exp().unsqueeze(3)
    return y, state * gone[:, :, -1:] + (k * left).transpose(2, 3) @ new


@_overridable
def rotary(q: Tensor, k: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Turn the first `width` elements of queries and keys, (N, L, heads, E), by their positions (arXiv 2104.09864)."""
    return _turned(q, width), _turned(k, width)


def _turned(x: Tensor, width: int) -> Tensor:
    half = width // 2
    angles = torch.arange(x.shape[1])[:, None] * _ROTARY_BASE ** (-torch.arange(half) / half)
    cos, sin = angles.cos().to(x)[:, None, :], angles.sin().to(x)[:, None, :]
    a, b, rest = x[..., :half], x[..., half:width], x[..., width:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), dim=-1)


@_overridable
def routed(
    logits: Tensor, bias: Tensor | None, chosen: int, groups: int, chosen_groups: int, scoring: str
) -> tuple[Tensor, Tensor]:
    """Which experts each token goes to, and with what weights: (tokens, experts) -> (tokens, chosen) twice.

    Where there are groups, only those of the `chosen_groups` highest are chosen from: a group is as high as the sum of
    its two highest scores (DeepSeek-V3, arXiv 2412.19437), without a bias as its highest (V2, arXiv 2405.04434).

    Args:
        logits: of a router.
        bias: (experts,) is added to scores that are compared, and not to weights; None for none.
        chosen: experts of a token.
        groups, chosen_groups: groups of experts, equally large, and how many a token's are of; 1 for no groups.
        scoring: one of `SCORINGS`.
    """
    scores = torch.sigmoid(logits) if scoring == "sigmoid" else logits
    scores = F.softmax(scores, dim=-1) if scoring == "softmax_all" else scores
    compared = scores if bias is None else scores + bias
    if groups > 1:
        parts = compared.view(*compared.shape[:-1], groups, -1)
        high = parts.topk(min(1 if bias is None else 2, parts.shape[-1]), dim=-1).values.sum(-1)
        out = torch.ones_like(high, dtype=torch.bool).scatter(-1, high.topk(chosen_groups, dim=-1).indices, False)
        compared = parts.masked_fill(out.unsqueeze(-1), float("-inf")).flatten(-2)
    ids = compared.topk(chosen, dim=-1).indices
    weights = scores.gather(-1, ids)
    if scoring == "softmax":
        weights = F.softmax(weights, dim=-1)
    elif scoring == "sigmoid":
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, ids


@_overridable
def experts(x: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor) -> Tensor:
    """Rows through the matrices of the experts that they chose: -> (tokens * chosen, B), sorted by expert.

    Args:
        x: (tokens, A), each to as many experts as it chose, or (tokens * chosen, A), sorted by expert. Of choices that
            some GPUs share out, ids are (rows, 1), those of experts that are not here stand for some that are.
        weight: (experts, A, B).
        bias: (experts, B), or None.
        ids: (tokens, chosen) which experts.
    """
    order = ids.flatten().argsort()
    rows = x if len(x) == len(order) else x[order * len(x) // len(order)]
    of = ids.flatten()[order] % len(weight)
    out = torch.bmm(rows.unsqueeze(1), weight[of]).squeeze(1)
    return out if bias is None else out + bias[of]
