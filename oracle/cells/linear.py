"""Cells of decoders of Qwen3-Next's kind: linear attention in most layers, attention with a gate behind it in others.

Gated DeltaNet (arXiv 2412.06464) keeps of a sequence one matrix per head, and of the convolution before it the last
tokens, however many came: no cache that grows. As vLLM and SGLang run it, convolution and rule are a kernel each that
read these states and write them back, in every call: a prompt in chunks of 64 tokens by matrix products, a decode step
in the recurrent form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.cells.decoder import Attention, _linear, _norm
from oracle.cells.functions import causal_conv, delta_rule, resident
from oracle.cells.layers import parameter
from oracle.cells.registry import register_cell
from oracle.spec import DELTA_CHUNK

__all__ = ["GatedAttention", "LinearAttention"]


@register_cell("decoder_linear_attention")
class LinearAttention(nn.Module):
    """x + [norm](gated DeltaNet(norm(x))): keeps (N, L, width).

    Args:
        width: of the tokens.
        heads, key_heads: of values, and of queries and keys, which groups of values share.
        key_dim, value_dim: elements of each.
        kernel: tokens that the convolution sees.
        recurrent: whether tokens are taken one after the other, as in a decode step, and not in chunks.
        norm, post_norm, ln_eps: as in `oracle.cells.decoder.Attention`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        key_heads: int,
        key_dim: int,
        value_dim: int,
        kernel: int,
        recurrent: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        super().__init__()
        self.heads, self.key_heads, self.key_dim, self.value_dim = heads, key_heads, key_dim, value_dim
        self.kernel, self.chunk = kernel, 0 if recurrent else DELTA_CHUNK
        self.channels = 2 * key_heads * key_dim + heads * value_dim
        self.norm = _norm(norm, width, ln_eps)
        self.qkvz = _linear(width, self.channels + heads * value_dim, False)
        self.ba = _linear(width, 2 * heads, False)
        self.conv = parameter(self.channels, kernel)
        self.rate = parameter(heads)
        self.shift = parameter(heads)
        self.value_norm = _norm("rms", value_dim, ln_eps)
        self.out = _linear(heads * value_dim, width, False)
        self.post = _norm(norm, width, ln_eps) if post_norm else None

    def reset_parameters(self) -> None:
        """Draw the convolution from a normal of deviation 0.02; states of all heads forget at the same pace."""
        nn.init.normal_(self.conv, std=0.02)
        nn.init.zeros_(self.rate)
        nn.init.ones_(self.shift)

    def attended(self, h: Tensor) -> Tensor:
        """What the rule makes of normalised tokens."""
        n, length, _ = h.shape
        both = self.qkvz(h)
        state = window = None
        if not self.training:
            state = resident(h, (n, self.heads, self.key_dim, self.value_dim), torch.float32, "cache")
            window = resident(both, (n, self.channels, self.kernel - 1), None, "cache")
        mixed = causal_conv(both.narrow(2, 0, self.channels), self.conv, window)
        z = both.narrow(2, self.channels, self.heads * self.value_dim).view(n, length, self.heads, self.value_dim)
        keys = self.key_heads * self.key_dim
        q, k = (mixed.narrow(2, at, keys).view(n, length, self.key_heads, self.key_dim) for at in (0, keys))
        v = mixed.narrow(2, 2 * keys, self.heads * self.value_dim).view(n, length, self.heads, self.value_dim)
        ba = self.ba(h).view(n, length, 2, self.heads)
        y = self.value_norm(delta_rule(q, k, v, ba, self.rate, self.shift, state, self.chunk)) * F.silu(z)
        out: Tensor = self.out(y.reshape(n, length, self.heads * self.value_dim))
        return out

    def forward(self, x: Tensor) -> Tensor:
        y = self.attended(self.norm(x))
        return x + (y if self.post is None else self.post(y))


@register_cell("decoder_gated_attention")
class GatedAttention(Attention):
    """`Attention` whose result is multiplied by the sigmoid of a gate of its own elements (arXiv 2505.06708).

    The gate is made by the product that makes queries, keys and values.

    Args:
        width to qk_norm, kv_byte to ln_eps: as in `Attention`.
    """

    gated = True

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
        kv_byte: bool,
        norm: str,
        post_norm: bool,
        ln_eps: float,
    ) -> None:
        switches = qkv_bias, out_bias, qk_norm, False, False, kv_byte
        sizes = width, heads, kv_heads, head_dim, rotary, past, capacity, window
        super().__init__(*sizes, *switches, norm, post_norm, ln_eps)
