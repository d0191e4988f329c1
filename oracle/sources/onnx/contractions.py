"""Convolutions, matrix products, recurrent layers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from oracle.errors import TraceError
from oracle.sources.onnx.registry import Node, kernel
from oracle.sources.onnx.windows import geometry, padded

__all__: list[str] = []

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_ACTIVATIONS = {"LSTM": {"Sigmoid", "Tanh"}, "GRU": {"Sigmoid", "Tanh"}, "RNN": {"Tanh"}}
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@kernel("Conv")
def _conv(node: Node, x: Any, w: Any, b: Any = None) -> Any:
    shape = geometry(node, x, w.shape[2:])
    x, pads = padded(x, shape)
    run: Any = _CONVOLUTIONS[len(shape.kernel) - 1]
    return run(x, w, b, shape.strides, pads, shape.dilations, node.get("group", 1))


@kernel("ConvTranspose")
def _conv_transpose(node: Node, x: Any, w: Any, b: Any = None) -> Any:
    shape = geometry(node, x, w.shape[2:])
    extra = list(node.get("output_padding", [0] * len(shape.kernel)))
    pads = shape.before
    if shape.before != shape.after:  # what is cut off at the end, torch does not make
        extra = [more + b - a for more, b, a in zip(extra, shape.before, shape.after, strict=True)]
    if node.get("output_shape") or node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or min(extra) < 0:
        raise TraceError(f"ConvTranspose {node.name!r}: expected explicit pads that torch can express")
    run: Any = _TRANSPOSED[len(shape.kernel) - 1]
    return run(x, w, b, shape.strides, pads, extra, node.get("group", 1), shape.dilations)


@kernel("Gemm")
def _gemm(node: Node, a: Any, b: Any, c: Any = None) -> Any:
    a = a.t() if node.get("transA", 0) else a
    b = b.t() if node.get("transB", 0) else b
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if node.get("transB", 0) and alpha == beta == 1.0 and (c is None or c.dim() == 1):
        return F.linear(a, b.t(), c)
    return a @ b * alpha if c is None else torch.addmm(c, a, b, beta=beta, alpha=alpha)


@kernel("MatMul")
def _matmul(node: Node, a: Any, b: Any) -> Any:
    return torch.matmul(a, b)


@kernel("Einsum")
def _einsum(node: Node, *inputs: Any) -> Any:
    return torch.einsum(node.attributes["equation"], *inputs)


@kernel("Attention")
def _attention(node: Node, q: Any, k: Any, v: Any, mask: Any = None, *past: Any) -> Any:
    """ONNX's own, for (batch, heads, length, width), or heads side by side in the last dimension."""
    if any(item is not None for item in past) or node.get("softcap") or len(node.outputs) > 1:
        raise TraceError(f"Attention {node.name!r}: expected nothing from the past, no softcap and one output")
    heads = [node.get(word) for word in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
    if q.dim() == 3:  # (batch, length, heads * width)
        q, k, v = (x.unflatten(-1, (n, -1)).transpose(1, 2) for x, n in zip((q, k, v), heads, strict=True))
    causal = bool(node.get("is_causal", 0)) and mask is None  # a mask takes part in all pairs
    y = F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, enable_gqa=q.shape[1] != k.shape[1])
    return y.transpose(1, 2).flatten(2) if heads[0] else y


@kernel("LSTM", "GRU", "RNN")
def _recurrent(
    node: Node, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None, c: Any = None, *more: Any
) -> Any:
    """(length, batch, width) -> (length, directions, batch, hidden); the order of gates does not matter to cost."""
    directions, hidden = r.shape[0], r.shape[2]
    gates, batch = w.shape[1], x.shape[1]
    activations = {*node.get("activations", _ACTIVATIONS[node.op])}
    usual = activations == _ACTIVATIONS[node.op] or (node.op == "RNN" and activations == {"Relu"})
    if node.get("layout", 0) or not usual or (more and more[-1] is not None):
        raise TraceError(f"{node.op} {node.name!r}: expected the default layout and activations, and no peepholes")
    weights: list[Any] = []
    for way in range(directions):
        weights += [w[way], r[way]]
        weights += [] if b is None else [b[way, :gates], b[way, gates:]]
    state = x.new_empty((directions, batch, hidden)) if h is None else h
    plain = b is not None, 1, 0.0, False, directions == 2, False
    if node.op == "LSTM":
        cell = x.new_empty((directions, batch, hidden)) if c is None else c
        y, h, c = torch.lstm(x, (state, cell), weights, *plain)
    else:
        run = torch.gru if node.op == "GRU" else torch.rnn_tanh if "Tanh" in activations else torch.rnn_relu
        y, h = run(x, state, weights, *plain)
    return y.view(y.shape[0], batch, directions, hidden).transpose(1, 2), h, c
