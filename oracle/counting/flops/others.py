"""Dropout, scatters, interpolation, weight norm."""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.registry import Work, elements, register_flops
from oracle.optable import Shape, prod


@register_flops("aten.native_dropout")
def _dropout(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.embedding_dense_backward", "aten.index_add", "aten.index_add_", "aten.scatter_add_",
                "aten.scatter_add")  # fmt: skip
def _accumulate(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    added = [shape for shape in rest if isinstance(shape, Shape)]
    return Work(0, prod(added[-1]) if added and len(added[-1]) >= len(x) else prod(x))


@register_flops("aten._embedding_bag", "aten._embedding_bag_forward_only")
def _embedding_bag(weight: Shape, indices: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(indices) * weight[-1])


# Neighbours whose weighted sum a sample is, in interpolation. An antialiased filter has as many or more.
_TAPS = {
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


for _name, _taps in _TAPS.items():
    _register_interpolation(_name, _taps)


@register_flops(
    *(
        f"aten.{name}_backward"
        for name in "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d"
        " _upsample_nearest_exact2d _upsample_nearest_exact3d reflection_pad1d reflection_pad2d reflection_pad3d"
        " replication_pad1d replication_pad2d replication_pad3d unfold index_select".split()
    ),
    "aten.col2im",
)
def _summed_back(grad: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, prod(grad))  # each entry is added where it came from


@register_flops("aten.index_put", "aten.index_put_", "aten._index_put_impl_", "aten._unsafe_index_put")
def _index_put(x: Shape, indices: Any, values: Shape, accumulate: bool = False, *rest: Any, out: Shape) -> Work:
    return Work(0, prod(values) if accumulate else 0)


@register_flops("aten._weight_norm_interface")
def _weight_norm(v: Shape, g: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 3 * prod(v))  # square, sum, scale


@register_flops("aten._weight_norm_interface_backward")
def _weight_norm_backward(grad: Shape, v: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 5 * prod(v))  # product and sum; dv = scale * (grad - v * share)


@register_flops("aten._foreach_norm")
def _foreach_norm(tensors: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 2 * elements(tensors))
