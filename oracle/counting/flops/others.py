"""Dropout, scatters, interpolation, weight norm; pointwise operators whose count depends on an argument."""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.pointwise import POINTWISE_FLOPS
from oracle.counting.flops.registry import Dim, Work, elements, register_flops
from oracle.optable import Shape, prod


@register_flops("aten.gelu", "aten.gelu_")
def _gelu(x: Shape, *, approximate: str = "none", out: Shape) -> Work:
    # 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))): a tanh of 6, a power, and six others
    return Work(0, (POINTWISE_FLOPS["gelu"] if approximate == "none" else POINTWISE_FLOPS["tanh"] + 7) * prod(x))


@register_flops("aten.gelu_backward")
def _gelu_backward(grad: Shape, x: Shape, *, approximate: str = "none", out: Shape) -> Work:
    # by tanh: the inner polynomial (4) and its derivative (4), tanh (6) and its (2), and 7 that join them
    return Work(0, (POINTWISE_FLOPS["gelu_backward"] if approximate == "none" else 23) * prod(x))


@register_flops("aten.log_sigmoid_forward")
def _log_sigmoid(x: Shape, *, out: Any) -> Work:
    return Work(0, POINTWISE_FLOPS["log_sigmoid_forward"] * prod(x))  # `out` has a buffer for the backward pass as well


@register_flops("aten.clamp", "aten.clamp_")
def _clamp(x: Shape, *limits: Any, out: Shape, **named: Any) -> Work:
    given = [limit for limit in (*limits, *named.values()) if limit is not None]
    return Work(0, len(given) * prod(out))  # a comparison with each


@register_flops("aten.native_dropout")
def _dropout(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.scatter", "aten.scatter_")
def _scatter(
    x: Shape, dim: int, index: Shape, source: Any, *rest: Any, out: Shape, reduce: str | None = None
) -> Work:  # fmt: skip
    return Work(0, 0 if reduce is None else prod(index))


@register_flops("aten.scatter_reduce", "aten.scatter_reduce_")
def _scatter_reduce(x: Shape, dim: int, index: Shape, source: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, prod(index))  # each value is added, multiplied or compared once


@register_flops("aten.embedding_renorm_")
def _embedding_renorm(weight: Shape, indices: Shape, *rest: Any, out: Shape) -> Work:
    return Work(0, 3 * prod(indices) * weight[-1])  # square, sum, scale of each row


@register_flops("aten.embedding_dense_backward", "aten.index_add", "aten.index_add_", "aten.scatter_add_",
                "aten.scatter_add")  # fmt: skip
def _accumulate(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    added = [shape for shape in rest if isinstance(shape, Shape)]
    return Work(0, prod(added[-1]) if added and len(added[-1]) >= len(x) else prod(x))


@register_flops("aten._embedding_bag", "aten._embedding_bag_forward_only")
def _embedding_bag(weight: Shape, indices: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(indices) * weight[-1])


# Neighbours whose weighted sum a sample is, in interpolation. An antialiased filter has as many or more.
TAPS = {
    "upsample_linear1d": 2,
    "upsample_bilinear2d": 4,
    "_upsample_bilinear2d_aa": 4,
    "grid_sampler_2d": 4,
    "upsample_trilinear3d": 8,
    "grid_sampler_3d": 8,
    "upsample_bicubic2d": 16,
    "_upsample_bicubic2d_aa": 16,
}


def _register_interpolation(name: str, taps: int) -> None:
    @register_flops(f"aten.{name}")
    def forward(x: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
        return Work(0, (2 * taps - 1) * prod(out))  # a product each, and the sums between them

    @register_flops(f"aten.{name}_backward")
    def backward(grad: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
        return Work(0, 2 * taps * prod(grad))  # a product each, and a sum where it belongs


for _name, _taps in TAPS.items():
    _register_interpolation(_name, _taps)


@register_flops(
    *(
        f"aten.{name}_backward"
        for name in "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d"
        " _upsample_nearest_exact2d _upsample_nearest_exact3d reflection_pad1d reflection_pad2d reflection_pad3d"
        " replication_pad1d replication_pad2d replication_pad3d unfold index_select gather".split()
    ),
    "aten.col2im",
)
def _summed_back(grad: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, prod(grad))  # each entry is added where it came from


@register_flops("aten.index_put", "aten.index_put_", "aten._index_put_impl_", "aten._unsafe_index_put")
def _index_put(x: Shape, indices: Any, values: Shape, accumulate: bool = False, *rest: Any, out: Shape) -> Work:
    return Work(0, prod(values) if accumulate else 0)


@register_flops("torchvision.roi_align")
def _roi_align(
    x: Shape, boxes: Shape, scale: float, height: Dim, width: Dim, sampling: int = -1, *rest: Any, out: Shape,
    **kwargs: Any,
) -> Work:  # fmt: skip
    # The mean of bilinear samples. Where their number follows the size of each box, we take 2 x 2, as detectors do.
    samples = sampling**2 if sampling > 0 else 4
    return Work(0, prod(out) * samples * (2 * TAPS["grid_sampler_2d"] - 1 + 1))


@register_flops("aten.renorm", "aten.renorm_")
def _renorm(x: Shape, *rest: Any, out: Shape) -> Work:
    return Work(0, 3 * prod(x))  # square, sum, scale


@register_flops("torchvision.nms")
def _nms(boxes: Shape, scores: Shape, threshold: float, out: Shape) -> Work:
    # A sort of the scores, the area of each box (2 differences, a product), and of each pair the overlap: 2 maxima and
    # 2 minima of corners, 2 differences, 2 limits at 0, a product; the union of 2, a quotient, a comparison. Kernels on
    # GPUs compare all pairs; one that skips what is suppressed already computes fewer.
    count = boxes[0]
    return Work(0, (1 + 3) * count + 13 * (count * (count - 1) // 2))


@register_flops("aten.multinomial", "aten.histc")
def _one_each(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, prod(x))  # like a sort, see `oracle.counting.flops.reductions`


@register_flops("aten._weight_norm_interface")
def _weight_norm(v: Shape, g: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 3 * prod(v))  # square, sum, scale


@register_flops("aten._weight_norm_interface_backward")
def _weight_norm_backward(grad: Shape, v: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 5 * prod(v))  # product and sum; dv = scale * (grad - v * share)


@register_flops("aten._foreach_norm")
def _foreach_norm(tensors: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 2 * elements(tensors))
