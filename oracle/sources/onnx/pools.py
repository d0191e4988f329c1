"""Pooling and resizing."""

from __future__ import annotations

from math import inf
from typing import Any

import torch.nn.functional as F

from oracle.errors import TraceError
from oracle.sources.onnx.real import listed
from oracle.sources.onnx.registry import Node, kernel, operator
from oracle.sources.onnx.windows import geometry, padded

__all__: list[str] = []

_MAX = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
_ADAPTIVE = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
_ADAPTIVE_MAX = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)


@operator("MaxPool")
def _max_pool(node: Node, x: Any) -> Any:
    shape = geometry(node, x, node.attributes["kernel_shape"])
    x, pads = padded(x, shape, -inf)
    run: Any = _MAX[len(shape.kernel) - 1]
    both = len(node.outputs) > 1
    return run(x, shape.kernel, shape.strides, pads, shape.dilations, bool(node.get("ceil_mode", 0)), both)


@operator("AveragePool")
def _average_pool(node: Node, x: Any) -> Any:
    shape = geometry(node, x, node.attributes["kernel_shape"])
    if max(shape.dilations) > 1:
        raise TraceError(f"AveragePool {node.name!r}: torch has none with dilations={shape.dilations}")
    x, pads = padded(x, shape, 0.0)
    run: Any = _AVERAGE[len(shape.kernel) - 1]
    include = bool(node.get("count_include_pad", 0))
    return run(x, shape.kernel, shape.strides, pads, bool(node.get("ceil_mode", 0)), include)


@operator("GlobalAveragePool")
def _global_average(node: Node, x: Any) -> Any:
    return _ADAPTIVE[x.dim() - 3](x, 1)


@operator("GlobalMaxPool")
def _global_max(node: Node, x: Any) -> Any:
    run: Any = _ADAPTIVE_MAX[x.dim() - 3]
    return run(x, 1)


@kernel("GridSample")
def _grid_sample(node: Node, x: Any, grid: Any) -> Any:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(node.get("mode", "bilinear"), node.get("mode", "bilinear"))
    return F.grid_sample(x, grid, mode, node.get("padding_mode", "zeros"), bool(node.get("align_corners", 0)))


@operator("Resize", "Upsample")
def _resize(node: Node, x: Any, *more: Any) -> Any:
    """Spatial dimensions only; `more` is (roi, scales, sizes), or (scales) for Upsample.

    Raises:
        TraceError: neither scales nor sizes, or another dimension changes.
    """
    rest = [None if item is None or not item.numel() else listed(item) for item in more]
    scales = rest[0] if node.op == "Upsample" else rest[1] if len(rest) > 1 else None
    sizes = rest[2] if len(rest) > 2 else None
    given = sizes if sizes is not None else node.get("scales") if scales is None else scales
    if given is None:
        raise TraceError(f"{node.op} {node.name!r}: expected scales or sizes")
    axes = [axis % x.dim() for axis in node.get("axes") or range(x.dim() - len(given), x.dim())]
    full = list(x.shape)
    for axis, value in zip(axes, _sizes(node, [x.shape[axis] for axis in axes], given, sizes is None), strict=True):
        full[axis] = value
    if full[:2] != list(x.shape[:2]):
        raise TraceError(f"{node.op} {node.name!r}: expected batch and channels to stay {tuple(x.shape[:2])}")
    spatial = full[2:]
    mode = node.get("mode", "nearest")
    words = {"linear": ("linear", "bilinear", "trilinear")[x.dim() - 3], "cubic": "bicubic"}
    corners = node.get("coordinate_transformation_mode") == "align_corners"
    if mode == "nearest":
        return F.interpolate(x, spatial, mode="nearest")
    return F.interpolate(x, spatial, mode=words[mode], align_corners=corners)


def _sizes(node: Node, before: list[int], given: list[Any], scaled: bool) -> list[int]:
    """Sizes after resizing, of some dimensions: rounded down of scales, and in proportion where that is asked for."""
    if scaled:
        return [int(size * scale) for size, scale in zip(before, given, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [int(size) for size in given]
    scale = (min if policy == "not_larger" else max)(size / old for size, old in zip(given, before, strict=True))
    return [int(size * scale + 0.5) for size in before]
