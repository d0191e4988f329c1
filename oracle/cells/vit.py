"""Cells of the vision transformer (arXiv 2010.11929): tokens are (N, seq_len, hidden_dim)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.cells.layers import chain, layer_norm, linear, parameter, uninitialised
from oracle.cells.registry import register_cell
from oracle.errors import ConfigError

__all__ = ["Attention", "ViTEncoder", "ViTHead", "ViTTokenizer"]


@register_cell("vit_tokenizer", role="stem")
class ViTTokenizer(nn.Module):
    """Convolution with bias, one token per pixel of its output, [class token], plus position embedding.

    (N, w_in, H, W) -> (N, seq_len, hidden_dim), where seq_len counts the class token.
    """

    def __init__(
        self,
        w_in: int,
        hidden_dim: int,
        kernel: int,
        stride: int,
        padding: int,
        seq_len: int,
        class_token: bool,
    ) -> None:
        super().__init__()
        self.conv = uninitialised(nn.Conv2d, w_in, hidden_dim, kernel, stride, padding)
        self.class_token = parameter(1, 1, hidden_dim) if class_token else None
        self.pos_embedding = parameter(1, seq_len, hidden_dim)

    def reset_parameters(self) -> None:
        """Draw positions from a truncated normal of deviation 0.02, set the class token to zero."""
        nn.init.trunc_normal_(self.pos_embedding, std=0.02)
        if self.class_token is not None:
            nn.init.zeros_(self.class_token)

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.conv(x).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            tokens = torch.cat((self.class_token.expand(x.shape[0], -1, -1), tokens), dim=1)
        return tokens + self.pos_embedding


class Attention(nn.Module):
    """Multi-head self-attention, query, key and value projected at once; keeps (N, L, hidden_dim)."""

    def __init__(self, hidden_dim: int, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or hidden_dim % num_heads != 0:
            raise ConfigError(f"num_heads={num_heads!r}: expected a divisor of hidden_dim={hidden_dim!r}")
        self.num_heads = num_heads
        self.qkv = linear(hidden_dim, 3 * hidden_dim)
        self.out = linear(hidden_dim, hidden_dim)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, self.num_heads, width // self.num_heads)
        q, k, v = qkv.transpose(1, 3).unbind(2)  # each (N, heads, L, width / heads)
        y = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(y.transpose(1, 2).reshape(n, length, width))
        return out


@register_cell("vit_encoder")
class ViTEncoder(nn.Module):
    """Pre-norm transformer layer: x + attention(norm(x)), then x + mlp(norm(x)) with GELU."""

    def __init__(self, hidden_dim: int, num_heads: int, mlp_dim: int, ln_eps: float) -> None:
        super().__init__()
        self.ln_1 = layer_norm(hidden_dim, ln_eps)
        self.attention = Attention(hidden_dim, num_heads)
        self.ln_2 = layer_norm(hidden_dim, ln_eps)
        self.mlp = chain(up=linear(hidden_dim, mlp_dim), act=nn.GELU(), down=linear(mlp_dim, hidden_dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


@register_cell("vit_head", role="head")
class ViTHead(nn.Module):
    """Layer norm, the class token or the mean over tokens, linear: (N, L, hidden_dim) -> (N, num_classes)."""

    def __init__(self, hidden_dim: int, num_classes: int, class_token: bool, ln_eps: float) -> None:
        super().__init__()
        self.class_token = class_token
        self.ln = layer_norm(hidden_dim, ln_eps)
        self.fc = linear(hidden_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ln(x)
        out: Tensor = self.fc(x.select(1, 0) if self.class_token else x.mean(dim=1))
        return out
