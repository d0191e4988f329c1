"""The cell of DeepSeek-V3.2 and GLM-5: attention over latents of which an indexer chooses some (arXiv 2512.02556).

The indexer has few heads and a cache of one key per token. Of a prompt that is no longer than what a query may choose
every query sees all keys: it runs in the expanded form of `oracle.cells.latent` and makes no scores, as SGLang does;
longer ones and decode steps are absorbed, each query reading the latents it chose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oracle.cells.decoder import _linear
from oracle.cells.functions import index_choice, index_scores, resident, rotary
from oracle.cells.latent import LatentAttention
from oracle.cells.layers import layer_norm
from oracle.cells.registry import register_cell

__all__ = ["SparseAttention"]


@register_cell("decoder_sparse_attention")
class SparseAttention(LatentAttention):
    """`LatentAttention`, to `chosen` keys of each query: keeps (N, L, width).

    Args:
        index_heads, index_dim: of the indexer.
        chosen: keys of a query; all, where it is not absorbed.
        width to ln_eps: as in `LatentAttention`.
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
        index_heads: int,
        index_dim: int,
        chosen: int,
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
        sizes = width, heads, q_rank, kv_rank, nope_dim, rope_dim, v_dim, past, capacity
        super().__init__(*sizes, absorbed, qkv_bias, out_bias, kv_byte, norm, post_norm, ln_eps)
        self.index_heads, self.index_dim, self.chosen = index_heads, index_dim, chosen
        self.index_q = _linear(q_rank or width, index_heads * index_dim, False)
        self.index_k = _linear(width, index_dim, False)
        self.index_norm = layer_norm(index_dim, ln_eps)
        self.index_weights = _linear(width, index_heads, False)

    def _chosen(self, h: Tensor, source: Tensor) -> Tensor | None:
        n, length, _ = h.shape
        made = self.index_k(h)
        key = self.index_norm(made).unsqueeze(2)
        # Without scores only keys are turned; no query stands for these.
        q = key.narrow(2, 0, 0)
        if self.absorbed:
            q = self.index_q(source).view(n, length, self.index_heads, self.index_dim)
        q, key = rotary(q, key, self.rope_dim)
        dtype = torch.float8_e4m3fn if self.kv_byte else None
        cache = resident(key, (n, self.capacity, self.index_dim), dtype, "cache")
        cache.narrow(1, self.past, length).copy_(key.squeeze(2))
        if not self.absorbed:
            resident(made, (self.index_q.weight.numel() + self.index_weights.weight.numel(),), None, "idle")
            return None
        scores = index_scores(q, cache.narrow(1, 0, self.past + length), self.index_weights(h))
        return index_choice(scores, self.chosen)
