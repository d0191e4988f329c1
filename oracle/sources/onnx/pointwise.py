"""Activations, arithmetic, comparisons, casts."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from oracle.sources.onnx.dtypes import dtype_of
from oracle.sources.onnx.real import alike, number
from oracle.sources.onnx.registry import Node, kernel, operator

__all__: list[str] = []

_UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": torch.abs, "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin, "Asinh": torch.asinh,
    "Atan": torch.atan, "Atanh": torch.atanh, "BitwiseNot": torch.bitwise_not, "Ceil": torch.ceil, "Cos": torch.cos,
    "Cosh": torch.cosh, "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor, "HardSwish": F.hardswish,
    "IsInf": torch.isinf, "IsNaN": torch.isnan, "Log": torch.log, "Mish": F.mish, "Neg": torch.neg,
    "Not": torch.logical_not, "Reciprocal": torch.reciprocal, "Relu": torch.relu, "Round": torch.round,
    "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin, "Sinh": torch.sinh, "Softplus": F.softplus,
    "Softsign": F.softsign, "Sqrt": torch.sqrt, "Tan": torch.tan, "Tanh": torch.tanh,
}  # fmt: skip
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": torch.add, "And": torch.logical_and, "BitwiseAnd": torch.bitwise_and, "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor, "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge,
    "Less": torch.lt, "LessOrEqual": torch.le, "Mul": torch.mul, "Or": torch.logical_or, "Pow": torch.pow,
    "Sub": torch.sub, "Xor": torch.logical_xor,
}  # fmt: skip
_LOGICAL = frozenset({"And", "Or", "Xor"})  # which torch has for tensors only
_SEVERAL: dict[str, Callable[[Any, Any], Any]] = {"Max": torch.maximum, "Min": torch.minimum, "Sum": torch.add}


@operator(*_UNARY)
def _unary(node: Node, x: Any) -> Any:
    return _UNARY[node.op](x)


@operator(*_BINARY)
def _binary(node: Node, a: Any, b: Any) -> Any:
    run, (a, b) = _BINARY[node.op], alike(a, b if node.op in _LOGICAL else _number(b))
    found = run(a, b)
    return found.to(a.dtype) if node.op == "Pow" else found  # ONNX keeps integers


@operator("Div")
def _div(node: Node, a: Any, b: Any) -> Any:
    whole = not a.is_floating_point() and not b.is_floating_point()
    a, b = alike(a, _number(b))
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


@kernel(*_SEVERAL)
def _several(node: Node, *inputs: Any) -> Any:
    return reduce(_SEVERAL[node.op], inputs)


@operator("Clip")
def _clip(node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    edges = [node.get(word) if edge is None else _number(edge) for word, edge in (("min", low), ("max", high))]
    if edges == [0.0, 6.0]:
        return F.relu6(x)
    return x if edges == [None, None] else torch.clamp(x, *edges)


@operator("Gelu")
def _gelu(node: Node, x: Any) -> Any:
    return F.gelu(x, approximate=node.get("approximate", "none"))


@operator("HardSigmoid")
def _hard_sigmoid(node: Node, x: Any) -> Any:
    return F.hardsigmoid(x)


@operator("LeakyRelu")
def _leaky(node: Node, x: Any) -> Any:
    return F.leaky_relu(x, node.get("alpha", 0.01))


@operator("Elu", "Celu", "Selu")
def _elu(node: Node, x: Any) -> Any:
    return F.selu(x) if node.op == "Selu" else F.celu(x) if node.op == "Celu" else F.elu(x, node.get("alpha", 1.0))


@operator("Swish")
def _swish(node: Node, x: Any) -> Any:
    alpha = node.get("alpha", 1.0)
    return F.silu(x) if alpha == 1.0 else x * torch.sigmoid(alpha * x)


@operator("ThresholdedRelu")
def _thresholded(node: Node, x: Any) -> Any:
    return F.threshold(x, node.get("alpha", 1.0), 0.0)


@kernel("Mean")
def _mean(node: Node, *inputs: Any) -> Any:
    return reduce(torch.add, inputs) / len(inputs)


@kernel("PRelu")
def _prelu(node: Node, x: Any, slope: Any) -> Any:
    if slope.numel() == 1 or slope.shape == (x.shape[1], *(1,) * (x.dim() - 2)):
        return F.prelu(x, slope.reshape(-1))
    return torch.where(x < 0, x * slope, x)


@kernel("Where")
def _where(node: Node, condition: Any, a: Any, b: Any) -> Any:
    return torch.where(condition, a, b)


@operator("Cast")
def _cast(node: Node, x: Any) -> Any:
    return x.to(dtype_of(node.attributes["to"]))


@kernel("Mod")
def _mod(node: Node, a: Any, b: Any) -> Any:
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


def _number(value: Any) -> Any:
    """A real tensor of one element as the number it is, which no kernel reads from memory."""
    real = isinstance(value, torch.Tensor) and not value.is_meta and value.numel() == 1
    return number(value) if real else value
