"""Cells of decoders of DeepSeek's kind: attention over latents, and experts whose router scores and groups otherwise.

Multi-head latent attention (DeepSeek-V2: arXiv 2405.04434, section 2.1) caches of a token one vector, from which the
keys and values of all heads are made, and one key beside that positions turn. As vLLM, SGLang and TensorRT-LLM run it:

* a prompt, and training, in the expanded form: keys and values of every head, of the tokens before the call as well,
  are made from latents by a product, and attention is that of plain heads;
* a decode step in the absorbed form: that product is taken on the side of the query and of the result, one matrix per
  head, and attention is over the latents themselves, which all heads share.

Both give the same numbers; a head's turned elements stand first here, the plain ones after them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.cells.decoder import Experts, _gated, _linear, _norm
from oracle.cells.functions import (
    SCORINGS,
    append_cache,
    cached_attention,
    experts,
    latent_attention,
    resident,
    rotary,
    routed,
    sparse_attention,
)
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError

__all__ = ["LatentAttention", "RoutedExperts", "Shard"]


@register_cell("decoder_latent_attention")
class LatentAttention(nn.Module):
    """x + [norm](latent attention(norm(x))): keeps (N, L, width).

    Args:
        width: of the tokens.
        heads: of queries, keys and values.
        q_rank: of the latent that queries are made from; 0 for none.
        kv_rank: of the latent that keys and values are made from.
        nope_dim, rope_dim, v_dim: elements of a head's key that positions leave alone and that they turn, the latter
            shared by all heads; elements of a value.
        past, capacity: tokens before those of the call, and that the cache has memory for.
        absorbed: whether keys and values are never made, see the module.
        qkv_bias, out_bias: whether the projections from and to the tokens have biases.
        kv_byte: whether the cache holds a byte per element.
        norm, post_norm, ln_eps: as in `oracle.cells.decoder.Attention`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        q_rank: int,
        kv_rank: int,
        nope_dim: int,
        rope_dim: int,
        v_dim: int,
        past: int,
        capacity: int,
        absorbed: bool,
        qkv_bias: bool,
        out_bias: bool,
        kv_byte: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        self.heads, self.q_rank, self.kv_rank = heads, q_rank, kv_rank
        self.nope_dim, self.rope_dim, self.v_dim = nope_dim, rope_dim, v_dim
        self.past, self.capacity, self.absorbed, self.kv_byte = past, capacity, absorbed, kv_byte
        self.norm = _norm(norm, width, ln_eps)
        self.down = _linear(width, q_rank + kv_rank + rope_dim, qkv_bias)
        self.q_norm = _norm("rms", q_rank, ln_eps) if q_rank else None
        self.q = _linear(q_rank or width, heads * (rope_dim + nope_dim), False)
        self.kv_norm = _norm("rms", kv_rank, ln_eps)
        self.kv = _linear(kv_rank, heads * (nope_dim + v_dim), False)
        self.out = _linear(heads * v_dim, width, out_bias)
        self.post = _norm(norm, width, ln_eps) if post_norm else None

    def attended(self, h: Tensor) -> Tensor:
        """What attention makes of normalised tokens."""
        n, length, _ = h.shape
        down = self.down(h)
        source = h if self.q_norm is None else self.q_norm(down.narrow(-1, 0, self.q_rank))
        q = self.q(source).view(n, length, self.heads, self.rope_dim + self.nope_dim)
        latent = self.kv_norm(down.narrow(-1, self.q_rank, self.kv_rank))
        key = down.narrow(-1, self.q_rank + self.kv_rank, self.rope_dim)
        q, turned = rotary(q, key.unsqueeze(2), self.rope_dim)
        key = turned.squeeze(2)
        if self.training:
            k, v = self._expanded(latent, key)
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            y = self._cached(q, latent.to(q.dtype), key, self._chosen(h, source))
        out: Tensor = self.out(y.transpose(1, 2).reshape(n, length, self.heads * self.v_dim))
        return out

    def _expanded(self, latent: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (N, S, heads, rope + nope) and values (N, S, heads, v)."""
        n, seen, _ = latent.shape
        both = self.kv(latent).view(n, seen, self.heads, self.nope_dim + self.v_dim)
        shared = key.unsqueeze(2).expand(n, seen, self.heads, self.rope_dim)
        k = torch.cat((shared, both.narrow(3, 0, self.nope_dim)), dim=3)
        return k, both.narrow(3, self.nope_dim, self.v_dim)

    def _chosen(self, h: Tensor, source: Tensor) -> Tensor | None:  # noqa: ARG002 - of those that choose
        """The keys that each query sees, of tokens and of what queries are made from; None for all before it."""
        return None

    def _cached(self, q: Tensor, latent: Tensor, key: Tensor, ids: Tensor | None) -> Tensor:
        n, length = q.shape[:2]
        dtype = torch.float8_e4m3fn if self.kv_byte else None
        cache = resident(latent, (n, self.capacity, self.kv_rank + self.rope_dim), dtype, "cache")
        append_cache(cache.narrow(1, self.past, length), latent, key)
        seen = cache.narrow(1, 0, self.past + length)
        if self.absorbed:
            return self._absorbed(q, seen, ids)
        if self.past:
            seen = seen.to(latent.dtype)
            latent, key = seen.narrow(2, 0, self.kv_rank), seen.narrow(2, self.kv_rank, self.rope_dim)
        k, v = self._expanded(latent, key)
        return cached_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), None, 0, False)

    def _absorbed(self, q: Tensor, seen: Tensor, ids: Tensor | None) -> Tensor:
        """(N, heads, L, v) of queries (N, L, heads, rope + nope) and latents (N, S, kv_rank + rope)."""
        n, length = q.shape[:2]
        both = self.kv.weight.view(self.heads, self.nope_dim + self.v_dim, self.kv_rank)
        plain = q.narrow(3, self.rope_dim, self.nope_dim).reshape(n * length, self.heads, self.nope_dim)
        absorbed = torch.bmm(plain.transpose(0, 1), both.narrow(1, 0, self.nope_dim))
        absorbed = absorbed.view(self.heads, n, length, self.kv_rank).transpose(0, 1)
        turned = q.narrow(3, 0, self.rope_dim).transpose(1, 2)
        width = self.nope_dim + self.rope_dim
        if ids is None:
            y = latent_attention(absorbed, seen, turned, width)
        else:
            y = sparse_attention(seen, ids, absorbed, turned, width)
        y = y.transpose(1, 2).reshape(n * length, self.heads, self.kv_rank).transpose(0, 1)
        values = torch.bmm(y, both.narrow(1, self.nope_dim, self.v_dim).transpose(1, 2))
        return values.view(self.heads, n, length, self.v_dim).transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attended(self.norm(x))
        return x + (y if self.post is None else self.post(y))


@register_cell("decoder_routed_experts")
class RoutedExperts(Experts):
    """x + [norm](mixture of experts(norm(x))): `Experts` whose router is one kernel.

    Args:
        width, ff: of the tokens, and within an expert.
        experts, chosen: how many there are, and how many a token goes to.
        groups, chosen_groups: groups of experts, and how many of them a token's are of; 1 for no groups.
        scoring: one of `oracle.cells.functions.SCORINGS`; with a sigmoid, a bias of each expert joins the comparison.
        shares: GPUs that share the experts out (expert parallel); this one has its part of them, and of their rows.
        shared, shared_gate, activation, mlp_bias, norm, post_norm, ln_eps: as in `Experts`.
    """

    correction: Tensor

    def __init__(
        self,
        width: int,
        ff: int,
        experts: int,
        chosen: int,
        groups: int,
        chosen_groups: int,
        scoring: str,
        shares: int,
        shared: int,
        shared_gate: bool,
        activation: str,
        mlp_bias: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        if scoring not in SCORINGS:
            raise ConfigError(f"scoring={scoring!r}: expected one of {', '.join(SCORINGS)}")
        common = (shared, shared_gate, activation, mlp_bias, norm, post_norm, ln_eps)
        super().__init__(width, ff, experts // shares, chosen, *common)
        self.router = _linear(width, experts, mlp_bias)
        self.groups, self.chosen_groups, self.scoring, self.shares = groups, chosen_groups, scoring, shares
        if scoring == "sigmoid":
            self.register_buffer("correction", torch.empty(experts, device="meta"))

    def reset_parameters(self) -> None:
        """As those of `Experts`; the bias of scores is zero, too."""
        super().reset_parameters()
        if self.scoring == "sigmoid":
            nn.init.zeros_(self.correction)

    def mixed(self, h: Tensor) -> Tensor:
        """What the experts of this GPU make of normalised tokens, (tokens, width)."""
        bias = self.correction if self.scoring == "sigmoid" else None
        weights, ids = routed(self.router(h), bias, self.chosen, self.groups, self.chosen_groups, self.scoring)
        out = self._summed(h, weights, ids) if self.shares == 1 else self._part(h, weights, ids)
        if self.shared is not None:
            common = self.shared.transformed(h)
            out = out + (common if self.gate is None else common * torch.sigmoid(self.gate(h)))
        return out

    def _through(self, rows: Tensor, ids: Tensor) -> Tensor:
        up = experts(rows, self.up, self.up_bias, ids)
        inner = _gated(self.activation, up.narrow(-1, 0, self.ff), up.narrow(-1, self.ff, self.ff))
        return experts(inner, self.down, self.down_bias, ids)

    def _summed(self, h: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        rows = self._through(h, ids).view(h.shape[0], self.chosen, self.width)
        out: Tensor = (rows * weights.unsqueeze(-1)).sum(1)
        return out

    def _part(self, h: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        """As many rows as come here on average; which they are decides no cost."""
        rows = (h.shape[0] * self.chosen + self.shares - 1) // self.shares
        own = ids.flatten().narrow(0, 0, rows)
        made = self._through(h, own.unsqueeze(1)) * weights.flatten().narrow(0, 0, rows).unsqueeze(1)
        return torch.zeros_like(h).index_add(0, own % h.shape[0], made)


@register_cell("decoder_shard", role="shard")
class Shard(nn.Module):
    """Nothing: says that the cells after it are one GPU's of several, see `oracle.families.sharding`.

    Args:
        tp, pp, ep: how many share layers, and how many are in a row; how many share experts out.
    """

    def __init__(self, tp: int, pp: int, ep: int) -> None:
        super().__init__()
        self.tp, self.pp, self.ep = tp, pp, ep

    def forward(self, x: Tensor) -> Tensor:
        return x
