"""An ONNX graph as a module on meta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from oracle.errors import OracleError, TraceError
from oracle.sources.onnx import (  # noqa: F401 - they register operators
    contractions,
    norms,
    pointwise,
    pools,
    quantised,
    shaping,
)
from oracle.sources.onnx.real import computing
from oracle.sources.onnx.registry import OPERATORS, Node
from oracle.sources.onnx.unknown import run_unknown
from oracle.sources.places import held, last_uses, place_of, put

_REAL = frozenset({"Constant", "ConstantOfShape", "Range", "Shape", "Size"})  # they answer with real numbers


@dataclass(frozen=True, slots=True)
class Output:
    """What is stated of a value: its ONNX type, and its dimensions, each a size, a name, or None."""

    dtype: int
    dims: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph without weights.

    Attributes:
        nodes: in the order of execution.
        inputs, outputs: names of values.
        dims: per input, its dimensions.
        real: initialisers that shape arithmetic needs, with their content.
        stated: what the file and shape inference say of values.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dims: tuple[tuple[int | str | None, ...], ...]
    real: Mapping[str, torch.Tensor]
    stated: Mapping[str, Output]


class OnnxNet(nn.Module):
    """A graph that runs; its weights are shapes on meta.

    Args:
        graph: the graph.
        weights: name -> an nn.Parameter, or a tensor that is a buffer.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._graph = graph
        self._paths = {name: put(self, name.strip("./").replace("/", "."), tensor) for name, tensor in weights.items()}
        for node in graph.nodes:
            place_of(self, node.module)
        self._last = last_uses([(node.inputs, node.outputs) for node in graph.nodes], graph.outputs)

    def forward(self, *inputs: Any) -> list[Any]:
        """The graph's outputs."""
        graph = self._graph
        env: dict[str, Any] = {**graph.real, **held(self, self._paths), **dict(zip(graph.inputs, inputs, strict=True))}
        sizes = {
            name: size
            for given, dims in zip(inputs, graph.dims, strict=True)
            for name, size in zip(dims, given.shape, strict=True)
            if isinstance(name, str)
        }
        del inputs
        for node, done in zip(graph.nodes, self._last, strict=True):
            place = place_of(self, node.module)
            given = _values(env, node.inputs)
            found = self._run(node, given, sizes) if place is self else place(self._run, (node, given, sizes), {})
            env.update(zip(node.outputs, found if isinstance(found, (list, tuple)) else (found,), strict=False))
            del given, found
            for name in done:
                env.pop(name, None)
        return _values(env, graph.outputs)

    def _run(self, node: Node, given: Sequence[Any], sizes: Mapping[str, int]) -> Any:
        function = OPERATORS.get(node.op)
        if function is None:
            outputs = [self._shape_of(node, name, sizes) for name in node.outputs if name]
            present = [item for item in given if item is not None]
            return run_unknown(node.op, present, [shape for shape, _ in outputs], [dtype for _, dtype in outputs])
        tensors = [item for item in given if item is not None]
        try:
            if node.op in _REAL or (tensors and not any(item.is_meta for item in tensors)):
                with computing():
                    return function(node, *given)
            return function(node, *given)
        except OracleError as error:
            raise TraceError(f"{node.op} {node.name!r}: {error}") from error
        except Exception as error:
            raise TraceError(f"{node.op} {node.name!r}: {type(error).__name__}: {error}") from error

    def _shape_of(self, node: Node, name: str, sizes: Mapping[str, int]) -> tuple[list[int], int]:
        """What comes out of an operator without a counterpart in torch."""
        stated = self._graph.stated.get(name)
        shape = [sizes.get(dim) if isinstance(dim, str) else dim for dim in stated.dims] if stated else [None]
        if stated is None or None in shape:
            raise TraceError(
                f"operator={node.op} ({node.name!r}) has no counterpart in torch, and the file does not say the shape "
                f"of {name!r}; state it as value_info"
            )
        return [int(size) for size in shape if size is not None], stated.dtype


def _values(env: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """Values by name; None for one left out.

    Raises:
        TraceError: one that its operator has in ONNX and does not make here, such as the mask of a dropout.
    """
    absent = [name for name in names if name and name not in env]
    if absent:
        raise TraceError(f"value={absent[0]!r} of the ONNX file: no operator makes it, as far as torch has it")
    return [env[name] if name else None for name in names]
