"""Normalisation."""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.registry import Work, register_flops
from oracle.optable import Shape, prod

# Per element: mean 1, centre 1, square 1, sum 1, scale 1; weight and bias 1 each.


def _affine(weight: Any, bias: Any) -> int:
    return (weight is not None) + (bias is not None)


@register_flops("aten.native_batch_norm", "aten._native_batch_norm_legit")
def _batch_norm(x: Shape, weight: Any, bias: Any, mean: Any, var: Any, training: bool, *rest: Any, out: Any) -> Work:
    # With known statistics everything per channel is one scale and one shift.
    return Work(0, prod(x) * (5 + _affine(weight, bias) if training else 2))


@register_flops("aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update")
def _batch_norm_eval(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.native_batch_norm_backward")
def _batch_norm_backward(grad: Shape, x: Shape, *rest: Any, out: Any) -> Work:
    # xhat 2, sums of grad and grad * xhat 3, dx = scale * (grad - a - xhat * b) 4.
    return Work(0, 9 * prod(x))


@register_flops("aten.native_layer_norm")
def _layer_norm(x: Shape, shape: Any, weight: Any, bias: Any, eps: float, out: Any) -> Work:
    return Work(0, prod(x) * (5 + _affine(weight, bias)))


@register_flops("aten.native_layer_norm_backward")
def _layer_norm_backward(
    grad: Shape, x: Shape, shape: Any, mean: Any, rstd: Any, weight: Any, bias: Any, *rest: Any, out: Any
) -> Work:
    # As batch norm's, with grad * weight and the two sums for weight and bias on top.
    return Work(0, prod(x) * (9 + (3 if weight is not None else 0)))


@register_flops("aten.native_group_norm")
def _group_norm(x: Shape, weight: Any, bias: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (5 + _affine(weight, bias)))


@register_flops("aten.native_group_norm_backward")
def _group_norm_backward(grad: Shape, x: Shape, mean: Any, rstd: Any, weight: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (9 + (3 if weight is not None else 0)))


@register_flops("aten._fused_rms_norm", "oracle.rms_norm")
def _rms_norm(x: Shape, shape: Any, weight: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (3 + (weight is not None)))


@register_flops("aten._fused_rms_norm_backward", "oracle.rms_norm_backward")
def _rms_norm_backward(grad: Shape, x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 8 * prod(x))
