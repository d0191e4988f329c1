"""Which torch functions each ONNX operator stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from oracle.errors import OracleError
from oracle.sources.onnx.real import alike


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph, as operators see it.

    Attributes:
        op: its operator, with its domain if that is not ONNX's own.
        name: its own.
        attributes: by name; tensors are torch's.
        inputs, outputs: names of values; "" for one left out.
        module: dotted path of the module that it stands in, as far as its name or metadata say.
        opset: version of its domain.
    """

    op: str
    name: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    module: str
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)


Operator = Callable[..., Any]
"""(node, *inputs) -> one tensor, or a tuple of them; an input left out is None."""

OPERATORS: dict[str, Operator] = {}


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Register what some ONNX operators do.

    Raises:
        OracleError: a name that is taken.
    """

    def register(function: Operator) -> Operator:
        for name in names:
            if name in OPERATORS:
                raise OracleError(f"the ONNX operator {name} is registered twice")
            OPERATORS[name] = function
        return function

    return register


def kernel(*names: str) -> Callable[[Operator], Operator]:
    """Register operators that compute on all of their inputs and read none for its content: see `alike`."""

    def register(function: Operator) -> Operator:
        @wraps(function)
        def run(node: Node, *inputs: Any) -> Any:
            return function(node, *alike(*inputs))

        return operator(*names)(run)

    return register
