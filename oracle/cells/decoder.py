"""Cells of a decoder: token numbers (N, L) in, scores of the next token (N, vocabulary) out, (N, L, width) between.

In inference a layer appends the keys and values of its tokens to a cache, and attends over that: all `past + L` tokens
of a sequence, or the latest of a window. The projections of queries, keys and values are one product, and so are gate
and up projection, as engines load them. In training there is no cache.

A layer is `x + attention(norm(x))`, then `x + mlp(norm(x))`; the two are cells of their own as well, for layers of
which pruning took the other half.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.cells.functions import (
    append_cache,
    cached_attention,
    experts,
    resident,
    rotary,
    tied_embedding,
    windowed_attention,
)
from oracle.cells.layers import layer_norm, parameter, uninitialised
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError

__all__ = [
    "Attention",
    "DecoderEmbedding",
    "DecoderHead",
    "DecoderLayer",
    "ExpertLayer",
    "Experts",
    "Mlp",
    "ParallelLayer",
]

_CLAMPED = "silu_clamped"
_ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu", _CLAMPED)
_NORMS = ("layer", "rms")
_CAP = 30.0  # of Gemma's scores; no count depends on it, nor on gpt-oss's two
_LIMIT, _SLOPE = 7.0, 1.702


def _norm(kind: str, width: int, eps: float) -> nn.Module:
    if kind not in _NORMS:
        raise ConfigError(f"norm={kind!r}: expected one of {', '.join(_NORMS)}")
    return layer_norm(width, eps) if kind == "layer" else uninitialised(nn.RMSNorm, (width,), eps=eps)


def _linear(w_in: int, w_out: int, bias: bool) -> nn.Linear:
    return uninitialised(nn.Linear, w_in, w_out, bias=bias)


def _activated(kind: str, x: Tensor) -> Tensor:
    if kind == "silu":
        return F.silu(x)
    return F.relu(x) if kind == "relu" else F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


def _gated(kind: str, gate: Tensor, up: Tensor) -> Tensor:
    """What a gate lets through (arXiv 2002.05202); `silu_clamped` is gpt-oss's, of clamped numbers and with a shift."""
    if kind == _CLAMPED:
        gate, up = gate.clamp(max=_LIMIT), up.clamp(-_LIMIT, _LIMIT)
        return (up + 1.0) * (gate * torch.sigmoid(gate * _SLOPE))
    return _activated(kind, gate) * up


def _checked(activation: str, gated: bool = True) -> str:
    known = [name for name in _ACTIVATIONS if gated or name != _CLAMPED]
    if activation not in known:
        raise ConfigError(f"activation={activation!r}: expected one of {', '.join(known)}")
    return activation


@register_cell("decoder_embedding", role="stem")
class DecoderEmbedding(nn.Module):
    """Token numbers (N, L) -> (N, L, width): a row of the table each, [times sqrt(width)], [plus its position's].

    Args:
        vocab, width: rows of the table, and their length.
        tied: whether the table is that of the head, which counts it; `oracle.build` joins the two.
        scaled: whether rows are multiplied by sqrt(width), as Gemma's are.
        positions: rows of a learned table of positions; 0 for none.
        past: tokens of each sequence that came before.
    """

    scale: Tensor

    def __init__(self, vocab: int, width: int, tied: bool, scaled: bool, positions: int, past: int) -> None:
        super().__init__()
        self.table_shape = vocab, width
        self.past = past
        self.owner: tuple[Any, ...] = ()
        self.tied = tied
        self.tokens = None if tied else uninitialised(nn.Embedding, vocab, width)
        self.positions = uninitialised(nn.Embedding, positions, width) if positions else None
        self.like = parameter(0) if tied else None
        if scaled:
            self.register_buffer("scale", torch.empty((), device="meta"), persistent=False)
        self.scaled = scaled

    def tie(self, head: DecoderHead) -> None:
        """Take the table of a head, in whatever type and on whatever device it is by then."""
        self.owner = (head,)  # in a tuple, so that it is no child

    def reset_parameters(self) -> None:
        """Set the scale."""
        if self.scaled:
            self.scale.fill_(float(self.table_shape[1]) ** 0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.like is not None and not self.owner:
            x = tied_embedding(tokens, self.table_shape, self.like)
        else:
            x = F.embedding(tokens, self.owner[0].proj.weight if self.tokens is None else self.tokens.weight)
        if self.scaled:
            x = x * self.scale
        if self.positions is not None:
            x = x + self.positions.weight.narrow(0, self.past, tokens.shape[1])
        return x


@register_cell("decoder_attention")
class Attention(nn.Module):
    """x + [norm](attention(norm(x))): keeps (N, L, width).

    Args:
        width: of the tokens.
        heads, kv_heads, head_dim: of queries, of keys and values, and elements of each.
        rotary: elements of a head that rotary positions turn; 0 for none.
        past: tokens before those of the call that attention sees.
        capacity: tokens that the cache has memory for.
        window: how many of the latest tokens a token sees, its own included; 0 for all.
        qkv_bias, out_bias: whether the projections have biases.
        qk_norm: whether queries and keys are normalised, head by head (RMS).
        sinks: whether each head has a learned score beside those of its keys (gpt-oss).
        softcap: whether scores are capped (Gemma 2).
        kv_byte: whether the cache holds a byte per element, float8 or int8; if not, the type that is computed in.
        norm: layer or rms.
        post_norm: whether what is added is normalised as well (Gemma 2 and 3).
        ln_eps: of the norms.
    """

    gated = False  # whether a gate comes before queries, keys and values, as in `oracle.cells.linear`

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        rotary: int,
        past: int,
        capacity: int,
        window: int,
        qkv_bias: bool,
        out_bias: bool,
        qk_norm: bool,
        sinks: bool,
        softcap: bool,
        kv_byte: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
        own_norm: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.rotary, self.past, self.capacity, self.window = rotary, past, capacity, window
        self.softcap, self.kv_byte = softcap, kv_byte
        self.norm = _norm(norm, width, ln_eps) if own_norm else None
        self.qkv = _linear(width, ((1 + self.gated) * heads + 2 * kv_heads) * head_dim, qkv_bias)
        self.q_norm = _norm("rms", head_dim, ln_eps) if qk_norm else None
        self.k_norm = _norm("rms", head_dim, ln_eps) if qk_norm else None
        self.sinks = parameter(heads) if sinks else None
        self.out = _linear(heads * head_dim, width, out_bias)
        self.post = _norm(norm, width, ln_eps) if post_norm else None

    def reset_parameters(self) -> None:
        """Set the sinks to zero."""
        if self.sinks is not None:
            nn.init.zeros_(self.sinks)

    def attended(self, h: Tensor) -> Tensor:
        """What attention makes of normalised tokens."""
        n, length, _ = h.shape
        qkv, gate, width = self.qkv(h), None, self.heads * self.head_dim
        if self.gated:
            gate, qkv = qkv.narrow(2, 0, width), qkv.narrow(2, width, width + 2 * self.kv_heads * self.head_dim)
        qkv = qkv.view(n, length, self.heads + 2 * self.kv_heads, self.head_dim)
        q = qkv.narrow(2, 0, self.heads)
        k = qkv.narrow(2, self.heads, self.kv_heads)
        v = qkv.narrow(2, self.heads + self.kv_heads, self.kv_heads)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.rotary:
            q, k = rotary(q, k, self.rotary)
        y = self._trained(q, k, v) if self.training else self._cached(q, k, v)
        y = y.transpose(1, 2).reshape(n, length, width)
        out: Tensor = self.out(y if gate is None else y * torch.sigmoid(gate))
        return out

    def _trained(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if self.window:
            return windowed_attention(q, k, v, self.window)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def _cached(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        n, length = q.shape[:2]
        dtype = torch.float8_e4m3fn if self.kv_byte else None
        q = q.to(v.dtype)  # where autocast leaves a norm's result in float32
        cache = resident(v, (2, n, self.capacity, self.kv_heads, self.head_dim), dtype, "cache")
        append_cache(cache.narrow(2, self.past, length), k, v)
        keys, values = cache.narrow(2, 0, self.past + length).transpose(2, 3).unbind(0)
        return cached_attention(q.transpose(1, 2), keys, values, self.sinks, self.window, self.softcap)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attended(x if self.norm is None else self.norm(x))
        return x + (y if self.post is None else self.post(y))


@register_cell("decoder_mlp")
class Mlp(nn.Module):
    """x + [norm](down(act(up(norm(x))))), or of act(gate(norm(x))) * up(norm(x)): keeps (N, L, width).

    Args:
        width, ff: of the tokens, and between the two products.
        activation: gelu, gelu_tanh, relu or silu; of a gate also silu_clamped, as gpt-oss has it.
        gated: whether the activation is of a gate that multiplies (arXiv 2002.05202).
        mlp_bias: whether the products have biases.
        norm, post_norm, ln_eps: as in `Attention`.
    """

    def __init__(
        self,
        width: int,
        ff: int,
        activation: str,
        gated: bool,
        mlp_bias: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
        own_norm: bool = True,
    ) -> None:
        super().__init__()
        self.ff, self.activation, self.gated = ff, _checked(activation, gated), gated
        self.norm = _norm(norm, width, ln_eps) if own_norm else None
        self.up = _linear(width, 2 * ff if gated else ff, mlp_bias)
        self.down = _linear(ff, width, mlp_bias)
        self.post = _norm(norm, width, ln_eps) if post_norm else None

    def transformed(self, h: Tensor) -> Tensor:
        """What the products make of normalised tokens."""
        h = self.up(h)
        if self.gated:
            h = _gated(self.activation, h.narrow(-1, 0, self.ff), h.narrow(-1, self.ff, self.ff))
        else:
            h = _activated(self.activation, h)
        out: Tensor = self.down(h)
        return out

    def forward(self, x: Tensor) -> Tensor:
        y = self.transformed(x if self.norm is None else self.norm(x))
        return x + (y if self.post is None else self.post(y))


@register_cell("decoder_experts")
class Experts(nn.Module):
    """x + [norm](mixture of experts(norm(x))): keeps (N, L, width).

    A token goes to the `chosen` experts of the highest scores, gated as in `Mlp`; the sum of theirs is weighted by
    the softmax of these scores. Rows of tokens are sorted by expert, and products of all experts are one kernel.

    Args:
        width, ff: of the tokens, and within an expert.
        experts, chosen: how many there are, and how many a token goes to.
        shared: width of an expert that all tokens go to; 0 for none.
        shared_gate: whether what that makes is multiplied by a learned number per token (Qwen 2).
        activation: as in `Mlp`.
        mlp_bias: whether the router and the experts have biases (gpt-oss).
        norm, post_norm, ln_eps: as in `Attention`.
    """

    def __init__(
        self,
        width: int,
        ff: int,
        experts: int,
        chosen: int,
        shared: int,
        shared_gate: bool,
        activation: str,
        mlp_bias: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        self.width, self.ff, self.chosen, self.activation = width, ff, chosen, _checked(activation)
        self.norm = _norm(norm, width, ln_eps)
        self.router = _linear(width, experts, mlp_bias)
        self.up = parameter(experts, width, 2 * ff)
        self.up_bias = parameter(experts, 2 * ff) if mlp_bias else None
        self.down = parameter(experts, ff, width)
        self.down_bias = parameter(experts, width) if mlp_bias else None
        self.shared = Mlp(width, shared, activation, True, False, norm, False, ln_eps, False) if shared else None
        self.gate = _linear(width, 1, False) if shared_gate else None
        self.post = _norm(norm, width, ln_eps) if post_norm else None

    def reset_parameters(self) -> None:
        """Draw the experts from a normal of deviation 0.02, and set biases to zero."""
        for own in (self.up, self.down):
            nn.init.normal_(own, std=0.02)
        for bias in (self.up_bias, self.down_bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def mixed(self, h: Tensor) -> Tensor:
        """What the experts make of normalised tokens, (tokens, width)."""
        scores, ids = torch.topk(self.router(h), self.chosen)
        weights = F.softmax(scores, dim=-1)
        up = experts(h, self.up, self.up_bias, ids)
        inner = _gated(self.activation, up.narrow(-1, 0, self.ff), up.narrow(-1, self.ff, self.ff))
        rows = experts(inner, self.down, self.down_bias, ids).view(h.shape[0], self.chosen, self.width)
        out: Tensor = (rows * weights.unsqueeze(-1)).sum(1)
        if self.shared is not None:
            common = self.shared.transformed(h)
            out = out + (common if self.gate is None else common * torch.sigmoid(self.gate(h)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        y = self.mixed(self.norm(x).view(n * length, width)).view(n, length, width)
        return x + (y if self.post is None else self.post(y))


@register_cell("decoder_layer")
class DecoderLayer(nn.Module):
    """`Attention`, then `Mlp`; arguments as theirs."""

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        rotary: int,
        past: int,
        capacity: int,
        window: int,
        ff: int,
        qkv_bias: bool,
        out_bias: bool,
        qk_norm: bool,
        sinks: bool,
        softcap: bool,
        kv_byte: bool,
        activation: str,
        gated: bool,
        mlp_bias: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        ends = norm, post_norm, ln_eps
        switches = qkv_bias, out_bias, qk_norm, sinks, softcap, kv_byte
        self.attention = Attention(width, heads, kv_heads, head_dim, rotary, past, capacity, window, *switches, *ends)
        self.mlp = Mlp(width, ff, activation, gated, mlp_bias, *ends)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.attention(x))
        return out


@register_cell("decoder_expert_layer")
class ExpertLayer(nn.Module):
    """`Attention`, then `Experts`; arguments as theirs."""

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        rotary: int,
        past: int,
        capacity: int,
        window: int,
        ff: int,
        experts: int,
        chosen: int,
        shared: int,
        qkv_bias: bool,
        out_bias: bool,
        qk_norm: bool,
        sinks: bool,
        softcap: bool,
        kv_byte: bool,
        shared_gate: bool,
        activation: str,
        mlp_bias: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        ends = norm, post_norm, ln_eps
        switches = qkv_bias, out_bias, qk_norm, sinks, softcap, kv_byte
        self.attention = Attention(width, heads, kv_heads, head_dim, rotary, past, capacity, window, *switches, *ends)
        self.experts = Experts(width, ff, experts, chosen, shared, shared_gate, activation, mlp_bias, *ends)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.experts(self.attention(x))
        return out


@register_cell("decoder_parallel_layer")
class ParallelLayer(nn.Module):
    """x + attention(norm(x)) + mlp(norm(x)), the norms being one or two (GPT-J, GPT-NeoX, Phi 2).

    Args:
        two_norms: whether the two halves have a norm each.
        width to ln_eps: as in `DecoderLayer`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        rotary: int,
        past: int,
        capacity: int,
        window: int,
        ff: int,
        qkv_bias: bool,
        out_bias: bool,
        qk_norm: bool,
        kv_byte: bool,
        activation: str,
        gated: bool,
        mlp_bias: bool,
        norm: str,
        two_norms: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        switches = qkv_bias, out_bias, qk_norm, False, False, kv_byte
        self.norm = _norm(norm, width, ln_eps)
        self.attention = Attention(
            width, heads, kv_heads, head_dim, rotary, past, capacity, window, *switches, norm, False, ln_eps, False
        )
        self.mlp_norm = _norm(norm, width, ln_eps) if two_norms else None
        self.mlp = Mlp(width, ff, activation, gated, mlp_bias, norm, False, ln_eps, False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        attended = self.attention.attended(h)
        return x + attended + self.mlp.transformed(h if self.mlp_norm is None else self.mlp_norm(x))


@register_cell("decoder_head", role="head")
class DecoderHead(nn.Module):
    """Norm, and scores: (N, L, width) -> (N, vocab) of the last token, (N, L, vocab) of all; training: (N * L, vocab).

    Args:
        width, vocab: of the tokens and of the scores.
        last: whether only the last token of a sequence has scores, as when a prompt is processed.
        head_bias: whether the product has a bias.
        softcap: whether scores are capped by c * tanh(score / c) (Gemma 2).
        norm, ln_eps: as in `Attention`.
    """

    def __init__(
        self, width: int, vocab: int, last: bool, head_bias: bool, softcap: bool, norm: str, ln_eps: float
    ) -> None:
        super().__init__()
        self.last, self.softcap = last, softcap
        self.norm = _norm(norm, width, ln_eps)
        self.proj = _linear(width, vocab, head_bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        if self.training:
            x = x.reshape(x.shape[0] * x.shape[1], x.shape[2])
        elif self.last:
            x = x.select(1, -1)
        scores: Tensor = self.proj(x)
        return torch.tanh(scores / _CAP) * _CAP if self.softcap else scores
