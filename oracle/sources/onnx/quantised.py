"""Quantised operators: conversions, and operators that take integers.

One of the latter (QLinearConv) is its float operator between conversions that never run on their own: what counts is
stated in `oracle.counting.conversions`. Scales and zero points of whole tensors are numbers that kernels hold; those of
a channel or a block of a weight are read with it, zero points of channels apart, which are 0 where weights are
symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from oracle.errors import TraceError
from oracle.sources.onnx.dtypes import dtype_of
from oracle.sources.onnx.registry import OPERATORS, Node, operator
from oracle.trace.conversions import dequantised, quantised, quantised_dynamically

WEIGHTS = {
    "DequantizeLinear": (0,),
    "QuantizeLinear": (0,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "com.microsoft.QGemm": (3, 6),
    "com.microsoft.QAttention": (1, 2),
    "com.microsoft.MatMulNBits": (1,),
    "com.microsoft.MatMulIntegerToFloat": (1,),
    "com.microsoft.DynamicQuantizeMatMul": (1,),
    "com.microsoft.QLinearAdd": (0, 3),
    "com.microsoft.QLinearMul": (0, 3),
}
"""Inputs that are parameters where the file has their content, whatever their type."""

TABLES = {
    "DequantizeLinear": (1, 2),
    "QuantizeLinear": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "ConvInteger": (2, 3),
    "MatMulInteger": (2, 3),
    "com.microsoft.QGemm": (1, 2, 4, 5, 7, 8),
    "com.microsoft.QAttention": (3, 4, 6, 7),
    "com.microsoft.MatMulNBits": (2, 3, 4),
    "com.microsoft.MatMulIntegerToFloat": (2, 3, 4, 5),
    "com.microsoft.DynamicQuantizeMatMul": (2, 3),
}
"""Inputs that are scales, zero points or orders of groups, and no parameters."""


def _floats(x: Any, *scales: Any, inside: bool = True, dtype: torch.dtype = torch.float32) -> Any:
    """A tensor as floats; what is a number is real."""
    if x is None or x.is_floating_point():
        return x
    if not x.is_meta:
        return x.to(dtype)  # what it is does not matter where only shapes do
    several = [scale for scale in scales if scale is not None and scale.is_meta and scale.numel() > 1]
    return dequantised(x, several, dtype, inside=inside)


def _integers(x: Any, dtype: torch.dtype, inside: bool = True) -> Any:
    return quantised(x, dtype, inside=inside) if x.is_meta else x.to(dtype)


def _type_of(zero_point: Any, default: torch.dtype = torch.uint8) -> torch.dtype:
    found: torch.dtype = default if zero_point is None else zero_point.dtype
    return found


@operator("QuantizeLinear")
def _quantize(node: Node, x: Any, scale: Any, zero: Any = None) -> Any:
    number = node.get("output_dtype", 0)
    return _integers(x, dtype_of(number) if number else _type_of(zero), inside=False)


@operator("DequantizeLinear")
def _dequantize(node: Node, x: Any, scale: Any, zero: Any = None) -> Any:
    return _floats(x, scale, inside=False, dtype=scale.dtype)


@operator("DynamicQuantizeLinear")
def _dynamic(node: Node, x: Any) -> Any:
    scale, zero = (torch.empty((), dtype=dtype, device=x.device) for dtype in (x.dtype, torch.uint8))
    return quantised_dynamically(x, torch.uint8), scale, zero


@operator("QLinearConv")
def _conv(node: Node, x: Any, xs: Any, xz: Any, w: Any, ws: Any, wz: Any, ys: Any, yz: Any, b: Any = None) -> Any:
    y = OPERATORS["Conv"](node, _floats(x), _floats(w, ws), _floats(b))
    return _integers(y, _type_of(yz, x.dtype))


@operator("QLinearMatMul")
def _matmul(node: Node, a: Any, _as: Any, az: Any, b: Any, bs: Any, bz: Any, ys: Any, yz: Any) -> Any:
    return _integers(torch.matmul(_floats(a), _floats(b, bs)), _type_of(yz, a.dtype))


@operator("com.microsoft.QGemm")
def _gemm(
    node: Node, a: Any, _as: Any, az: Any, b: Any, bs: Any, bz: Any, c: Any = None, ys: Any = None, yz: Any = None
) -> Any:
    y = OPERATORS["Gemm"](node, _floats(a), _floats(b, bs), _floats(c))
    return y if ys is None else _integers(y, _type_of(yz, a.dtype))


@operator("ConvInteger")
def _conv_integer(node: Node, x: Any, w: Any, xz: Any = None, wz: Any = None) -> Any:
    return _integers(OPERATORS["Conv"](node, _floats(x), _floats(w)), torch.int32)


@operator("MatMulInteger")
def _matmul_integer(node: Node, a: Any, b: Any, az: Any = None, bz: Any = None) -> Any:
    return _integers(torch.matmul(_floats(a), _floats(b)), torch.int32)


@operator("com.microsoft.MatMulIntegerToFloat")
def _matmul_to_float(
    node: Node, a: Any, b: Any, _as: Any, bs: Any, az: Any = None, bz: Any = None, bias: Any = None
) -> Any:
    y = torch.matmul(_floats(a), _floats(b, bs))
    return y if bias is None else y + bias


@operator("com.microsoft.DynamicQuantizeMatMul")
def _dynamic_matmul(node: Node, a: Any, b: Any, bs: Any, bz: Any = None, bias: Any = None) -> Any:
    return _matmul_to_float(node, quantised_dynamically(a, torch.uint8), b, None, bs, None, bz, bias)


@operator("com.microsoft.MatMulNBits")
def _matmul_bits(
    node: Node, a: Any, b: Any, scales: Any, zeros: Any = None, order: Any = None, bias: Any = None
) -> Any:
    """(..., K) -> (..., N); `b` has come as (N, K), see `packed_shape`."""
    return F.linear(a, _floats(b, scales, zeros, dtype=a.dtype), bias)


def packed_shape(node: Node) -> tuple[tuple[int, int], torch.dtype]:
    """Shape and type of a weight that a file holds as bytes: (N, K) elements of as many bits as MatMulNBits says.

    The file fills up the last block of a row, where K is no multiple of the block's size; nobody reads that.

    Raises:
        TraceError: of other than 4 or 8 bits.
    """
    bits = node.get("bits", 4)
    if bits not in (4, 8):
        raise TraceError(f"MatMulNBits {node.name!r}: bits={bits}; expected 4 or 8")
    return (node.attributes["N"], node.attributes["K"]), dtype_of(21 if bits == 4 else 2)


@operator("com.microsoft.QAttention")
def _attention(
    node: Node,
    x: Any,
    w: Any,
    bias: Any,
    xs: Any,
    ws: Any,
    *more: Any,
) -> Any:
    """(batch, length, width) -> (batch, length, width): the three products of an attention, and the attention."""
    if any(item is not None for item in more[3:]):  # after a mask and zero points
        raise TraceError(f"QAttention {node.name!r}: expected none from the past")
    qkv = torch.matmul(_floats(x), _floats(w, ws)) + bias
    q, k, v = (part.unflatten(-1, (node.attributes["num_heads"], -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=bool(node.get("unidirectional", 0)))
    return y.transpose(1, 2).flatten(2)


def _register(name: str, plain: str, tensors: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
    """An operator of com.microsoft on integers: its float operator on those of its inputs that are tensors."""

    @operator(f"com.microsoft.{name}")
    def run(node: Node, *inputs: Any) -> Any:
        found = tensors(inputs)
        floats = [_floats(x) for x in found]
        return _integers(OPERATORS[plain](replace(node, op=plain), *floats), found[0].dtype)


for _name in ("Add", "Mul"):
    _register(f"QLinear{_name}", _name, lambda inputs: (inputs[0], inputs[3]))
for _name in ("Sigmoid", "LeakyRelu", "Softmax", "AveragePool", "GlobalAveragePool"):
    _register(f"QLinear{_name}", _name, lambda inputs: inputs[:1])
_register("QLinearConcat", "Concat", lambda inputs: inputs[2::3])
