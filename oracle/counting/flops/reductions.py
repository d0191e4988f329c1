"""Softmax, pooling, reductions, losses."""

from __future__ import annotations

import math
from typing import Any

from oracle.counting.flops.pointwise import POINTWISE_FLOPS
from oracle.counting.flops.registry import Dim, Work, elements, register_flops
from oracle.optable import Shape, prod


@register_flops("aten._softmax", "aten._log_softmax", "aten._safe_softmax")
def _softmax(x: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 5 * prod(x))  # max, subtract, exponential, sum, divide (or subtract)


@register_flops("aten._softmax_backward_data", "aten._log_softmax_backward_data")
def _softmax_backward(grad: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 4 * prod(grad))


@register_flops("aten.logsumexp", "aten.logcumsumexp")
def _logsumexp(x: Shape, *rest: Any, out: Shape) -> Work:
    return Work(0, 4 * prod(x))


@register_flops("aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices", "aten.avg_pool2d", "aten.avg_pool3d")
def _pool(x: Shape, kernel: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    result = out if isinstance(out, Shape) else out[0]
    dims = 3 if len(kernel) == 3 else 2
    window = prod(kernel) if len(kernel) == dims else kernel[0] ** dims
    return Work(0, window * prod(result))


@register_flops("aten.avg_pool2d_backward", "aten.avg_pool3d_backward")
def _avg_pool_backward(grad: Shape, x: Shape, kernel: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    dims = 3 if len(kernel) == 3 else 2
    return Work(0, (prod(kernel) if len(kernel) == dims else kernel[0] ** dims) * prod(grad))


@register_flops(
    "aten.max_pool2d_with_indices_backward",
    "aten.max_pool3d_with_indices_backward",
    "aten.adaptive_max_pool2d_backward",
    "aten.adaptive_max_pool3d_backward",
)
def _max_pool_backward(grad: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(grad))


@register_flops(
    "aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d", "aten.adaptive_max_pool2d", "aten.adaptive_max_pool3d"
)
def _adaptive_pool(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, _in_windows(x, out if isinstance(out, Shape) else out[0]))


@register_flops("aten._adaptive_avg_pool2d_backward", "aten._adaptive_avg_pool3d_backward")
def _adaptive_avg_pool_backward(grad: Shape, x: Shape, out: Shape) -> Work:
    return Work(0, _in_windows(x, grad))


def _in_windows(x: Shape, out: Shape) -> Dim:
    """Elements in all windows of an adaptive pool; those in several windows count in each.

    Window i of a dimension spans floor(i * size / count) to ceil((i + 1) * size / count), so two neighbours share an
    element wherever size / count has no whole multiple: at all count - 1 borders but gcd(size, count) - 1.
    """
    planes = len(x) - 2 if len(x) > 3 else 1
    windows = [size + count - math.gcd(size, count) for size, count in zip(x[planes:], out[planes:], strict=True)]
    return prod((*x[:planes], *windows))


@register_flops(
    *(
        f"aten.{name}"
        for name in "mean sum prod amax amin aminmax max min argmax argmin all any nansum cumsum cumprod cummax cummin"
        " count_nonzero nonzero sort topk median nanmedian mode kthvalue".split()
    )
)
def _reduction(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    # A sort compares more than once per element; like torch's tags we call it one operation each.
    other = prod(rest[0]) if rest and isinstance(rest[0], Shape) and len(rest[0]) == len(x) else 0
    return Work(0, prod(x)) if not other else Work(0, elements(out))


@register_flops("aten.bucketize", "aten.searchsorted")
def _search(first: Any, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, prod(out))  # a binary search per value, which like a sort we call one operation


@register_flops("aten.trace")
def _trace(x: Shape, out: Shape) -> Work:
    return Work(0, min(x))


@register_flops("aten.dist")
def _distance(x: Shape, other: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 3 * max(prod(x), prod(other)))  # difference, power, sum


@register_flops("aten.norm", "aten.linalg_vector_norm")
def _norm(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.var", "aten.std", "aten.var_mean", "aten.std_mean")
def _variance(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 4 * prod(x))


@register_flops("aten.nll_loss_forward", "aten.nll_loss2d_forward")
def _nll_loss(x: Shape, target: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(target))  # of each sample, or pixel, the entry of its class


@register_flops("aten.nll_loss_backward", "aten.nll_loss2d_backward")
def _nll_loss_backward(grad: Shape, x: Shape, target: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(target))


@register_flops(
    *(
        f"aten.{name}{suffix}"
        for name in ("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy")
        for suffix in ("", "_backward")
    )
)
def _loss(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 3 * prod(x))


@register_flops("aten.binary_cross_entropy_with_logits")
def _bce_with_logits(
    x: Shape, target: Shape, weight: Shape | None = None, pos_weight: Shape | None = None, *rest: Any, out: Any,
    **kwargs: Any,
) -> Work:  # fmt: skip
    # (1 - y) x - w logsigmoid(x), summed; w = (p - 1) y + 1 where positives weigh p, and a weight per element
    per_element = 3 + POINTWISE_FLOPS["log_sigmoid_forward"] + 1
    per_element += 0 if pos_weight is None else 4
    per_element += 0 if weight is None else 1
    return Work(0, per_element * prod(x))
