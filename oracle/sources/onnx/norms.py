"""Normalisation, softmax, reductions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from oracle.sources.onnx.real import listed, number
from oracle.sources.onnx.registry import Node, kernel, operator

__all__: list[str] = []


def _product(x: Any, axes: Sequence[int], keep: bool) -> Any:
    """Of several dimensions, which torch has of one."""
    y = reduce(lambda found, axis: found.prod(axis, keepdim=True), axes, x)
    return y if keep else y.squeeze(tuple(axes))


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep),
    "ReduceL1": lambda x, axes, keep: torch.linalg.vector_norm(x, 1, axes, keep),
    "ReduceLogSumExp": torch.logsumexp,
    "ReduceLogSum": lambda x, axes, keep: torch.sum(x, axes, keep).log(),
    "ReduceMax": torch.amax,
    "ReduceMean": torch.mean,
    "ReduceMin": torch.amin,
    "ReduceProd": _product,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": lambda x, axes, keep: torch.sum(x * x, axes, keep),
}


@kernel("BatchNormalization")
def _batch_norm(node: Node, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
    training = bool(node.get("training_mode", 0))
    y = F.batch_norm(x, mean, var, scale, bias, training, 1 - node.get("momentum", 0.9), node.get("epsilon", 1e-5))
    return (y, mean, var) if training else y


@kernel("LayerNormalization")
def _layer_norm(node: Node, x: Any, scale: Any, bias: Any = None) -> Any:
    shape, epsilon = x.shape[node.get("axis", -1) :], node.get("epsilon", 1e-5)
    if len(node.outputs) > 1:  # its statistics, too
        return torch.native_layer_norm(x, shape, scale, bias, epsilon)
    return F.layer_norm(x, shape, scale, bias, epsilon)


@kernel("RMSNormalization", "SimplifiedLayerNormalization")
def _rms_norm(node: Node, x: Any, scale: Any) -> Any:
    return F.rms_norm(x, x.shape[node.get("axis", -1) :], scale, node.get("epsilon", 1e-5))


@kernel("GroupNormalization")
def _group_norm(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    return F.group_norm(x, node.attributes["num_groups"], scale, bias, node.get("epsilon", 1e-5))


@kernel("InstanceNormalization")
def _instance_norm(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


@operator("LRN")
def _local_response_norm(node: Node, x: Any) -> Any:
    words = [node.get(word, default) for word, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))]
    return F.local_response_norm(x, node.attributes["size"], *words)


@operator("LpNormalization")
def _normalized(node: Node, x: Any) -> Any:
    return F.normalize(x, node.get("p", 2), node.get("axis", -1))


@operator("Softmax", "LogSoftmax")
def _softmax(node: Node, x: Any) -> Any:
    run: Any = F.softmax if node.op == "Softmax" else F.log_softmax
    if node.opset >= 13:
        return run(x, dim=node.get("axis", -1))
    axis = node.get("axis", 1) % x.dim()  # older: over all dimensions from the axis on
    return run(x.flatten(axis), dim=-1).view(x.shape)


@operator(*_REDUCTIONS)
def _reduce(node: Node, x: Any, axes: Any = None) -> Any:
    chosen = node.get("axes") if axes is None else listed(axes)
    if not chosen:
        if node.get("noop_with_empty_axes", 0):
            return x
        chosen = range(x.dim())
    return _REDUCTIONS[node.op](x, tuple(chosen), bool(node.get("keepdims", 1)))


@operator("ArgMax", "ArgMin")
def _argument(node: Node, x: Any) -> Any:
    run = torch.argmax if node.op == "ArgMax" else torch.argmin
    return run(x, node.get("axis", 0), bool(node.get("keepdims", 1)))


@operator("CumSum")
def _cumulative(node: Node, x: Any, axis: Any) -> Any:
    return torch.cumsum(x, int(number(axis)))


@operator("TopK")
def _top(node: Node, x: Any, count: Any) -> Any:
    size = int(number(count))
    return torch.topk(x, size, node.get("axis", -1), bool(node.get("largest", 1)), bool(node.get("sorted", 1)))


@operator("Dropout")
def _dropout(node: Node, x: Any, *_: Any) -> Any:
    return x  # a file for inference
