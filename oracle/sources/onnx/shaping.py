"""Operators that move or make tensors and compute nothing."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from oracle.errors import TraceError
from oracle.sources.onnx.dtypes import dtype_of
from oracle.sources.onnx.real import alike, listed, number
from oracle.sources.onnx.registry import Node, kernel, operator
from oracle.trace import isolated

__all__: list[str] = []

_MOST_TAKEN = 2**20
_MOST_DIMS = 64  # torch's own limit


@operator("Identity")
def _identity(node: Node, x: Any) -> Any:
    return x


@operator("Constant")
def _constant(node: Node) -> Any:
    for word in ("value", "value_int", "value_float", "value_ints", "value_floats"):
        if word in node.attributes:
            value = node.attributes[word]
            return value if isinstance(value, torch.Tensor) else torch.tensor(value)
    return None


@operator("ConstantOfShape")
def _filled(node: Node, shape: Any) -> Any:
    value = node.get("value")
    value = torch.zeros(1) if value is None else value
    return torch.full(listed(shape), number(value), dtype=value.dtype)


@operator("Shape")
def _shape(node: Node, x: Any) -> Any:
    return torch.tensor(list(x.shape)[node.get("start", 0) : node.get("end", x.dim())], dtype=torch.int64)


@operator("Size")
def _size(node: Node, x: Any) -> Any:
    return torch.tensor(x.numel(), dtype=torch.int64)


@operator("Range")
def _range(node: Node, start: Any, stop: Any, step: Any) -> Any:
    return torch.arange(number(start), number(stop), number(step), dtype=start.dtype)


@operator("Reshape")
def _reshape(node: Node, x: Any, shape: Any) -> Any:
    sizes = [int(size) for size in listed(shape)]
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


@operator("Flatten")
def _flatten(node: Node, x: Any) -> Any:
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return torch.flatten(x, 1) if axis == 1 else x.reshape(prod(x.shape[:axis]), -1)


@operator("Transpose")
def _transpose(node: Node, x: Any) -> Any:
    return x.permute(node.get("perm") or tuple(reversed(range(x.dim()))))


@operator("Squeeze")
def _squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    chosen = node.get("axes") if axes is None else listed(axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


@operator("Unsqueeze")
def _unsqueeze(node: Node, x: Any, axes: Any = None) -> Any:
    chosen = node.get("axes") if axes is None else listed(axes)
    rank = x.dim() + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def _concat(node: Node, *inputs: Any) -> Any:
    return torch.cat(alike(*(x for x in inputs if x.shape != (0,))) or list(inputs[:1]), node.attributes["axis"])


@operator("Split")
def _split(node: Node, x: Any, sizes: Any = None) -> Any:
    axis = node.get("axis", 0)
    chosen = node.get("split") if sizes is None else listed(sizes)
    if chosen is None:
        chosen = -(-x.shape[axis] // len(node.outputs))
    return torch.split(x, chosen, axis)


@operator("Slice")
def _slice(node: Node, x: Any, *edges: Any) -> Any:
    words = ("starts", "ends", "axes", "steps")
    given = [listed(edge) if edge is not None else None for edge in edges]
    chosen: Any = (*given, *(None,) * (4 - len(given))) if edges else [node.get(word) for word in words]
    starts, ends, axes, steps = chosen
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = axes[i] if axes else i, steps[i] if steps else 1
        if step < 0:  # backwards: as many elements as ONNX takes, which is all that matters to cost
            taken = range(x.shape[axis])[start : end if end > -(2**31) else None : step]
            if len(taken) > _MOST_TAKEN:
                raise TraceError(f"{len(taken):,} entries taken backwards: expected at most {_MOST_TAKEN:,}")
            x = x.index_select(axis, torch.tensor(list(taken), device=x.device))
        else:
            index = [slice(None)] * x.dim()
            index[axis] = slice(start, end, step)
            x = x[tuple(index)]
    return x


@operator("Gather")
def _gather(node: Node, x: Any, index: Any) -> Any:
    axis = node.get("axis", 0)
    if not index.is_meta and not index.dim():
        return x.select(axis, int(number(index)))
    if index.is_meta:
        x, index = alike(x, index)
    if axis == 0 and x.dim() == 2 and index.is_meta:
        return F.embedding(index, x)
    if not index.is_meta:  # from the end, which torch does not take
        with isolated():
            index = torch.where(index < 0, index + x.shape[axis], index)
    return x.index_select(axis, index.reshape(-1)).unflatten(axis, index.shape)


@kernel("GatherND")
def _gather_nd(node: Node, x: Any, index: Any) -> Any:
    if node.get("batch_dims", 0):
        raise TraceError(f"GatherND {node.name!r}: expected batch_dims=0")
    return x[_indices(index)]


@kernel("ScatterND")
def _scatter_nd(node: Node, x: Any, index: Any, updates: Any) -> Any:
    return torch.index_put(x, _indices(index), updates, node.get("reduction", "none") == "add")


def _indices(index: Any) -> tuple[Any, ...]:
    """The index of each dimension, from a tensor of indices."""
    if index.shape[-1] > _MOST_DIMS:
        raise TraceError(f"an index of {index.shape[-1]} dimensions: expected at most {_MOST_DIMS}")
    return tuple(index.unbind(-1))


@kernel("GatherElements")
def _gather_elements(node: Node, x: Any, index: Any) -> Any:
    return torch.gather(x, node.get("axis", 0), index)


@kernel("ScatterElements", "Scatter")
def _scatter_elements(node: Node, x: Any, index: Any, updates: Any) -> Any:
    how = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}.get(node.get("reduction", "none"))
    if how is None:
        return torch.scatter(x, node.get("axis", 0), index, updates)
    return torch.scatter_reduce(x, node.get("axis", 0), index, updates, how)


@operator("OneHot")
def _one_hot(node: Node, index: Any, depth: Any, values: Any) -> Any:
    axis = node.get("axis", -1) % (index.dim() + 1)
    shape = (*index.shape[:axis], int(number(depth)), *index.shape[axis:])
    return torch.zeros(shape, dtype=values.dtype, device=index.device).scatter(axis, index.long().unsqueeze(axis), 1)


@operator("Expand")
def _expand(node: Node, x: Any, shape: Any) -> Any:
    return x.expand(torch.broadcast_shapes(x.shape, listed(shape)))


@operator("Tile")
def _tile(node: Node, x: Any, repeats: Any) -> Any:
    return x.repeat(listed(repeats))


@operator("Pad")
def _pad(node: Node, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    sizes = node.get("pads") if pads is None else listed(pads)
    chosen = list(range(x.dim())) if axes is None else [int(axis) % x.dim() for axis in listed(axes)]
    by_axis = {axis: (sizes[i], sizes[i + len(chosen)]) for i, axis in enumerate(chosen)}
    flat = [size for axis in reversed(range(x.dim())) for size in by_axis.get(axis, (0, 0))]
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    mode = {"edge": "replicate", "wrap": "circular"}.get(node.get("mode", "constant"), node.get("mode", "constant"))
    return F.pad(x, flat, mode)


@operator("DepthToSpace")
def _depth_to_space(node: Node, x: Any) -> Any:
    return F.pixel_shuffle(x, node.attributes["blocksize"])


@operator("SpaceToDepth")
def _space_to_depth(node: Node, x: Any) -> Any:
    return F.pixel_unshuffle(x, node.attributes["blocksize"])


@operator("Trilu")
def _triangle(node: Node, x: Any, diagonal: Any = None) -> Any:
    return (torch.triu if node.get("upper", 1) else torch.tril)(x, 0 if diagonal is None else int(number(diagonal)))


@operator("CastLike")
def _cast_like(node: Node, x: Any, other: Any) -> Any:
    return x.to(other.dtype)


@operator("EyeLike")
def _eye_like(node: Node, x: Any) -> Any:
    return torch.eye(*x.shape, dtype=dtype_of(node.attributes["dtype"]) if node.get("dtype") else x.dtype)
