"""Tables made by hand, and the kernels of small modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from oracle.counting import KernelCount, count
from oracle.optable import OpTable, Row, Shape, Storage, Use, Value
from oracle.spec import Workload
from oracle.trace import trace_module


class Graph:
    """Builds a table row by row; every tensor is one-dimensional and float32."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.values: list[Value] = []
        self.storages: list[Storage] = []

    def given(self, kind: str, size: int) -> Use:
        """Memory that is there before the call."""
        self.storages.append(Storage(size, "float32", kind))
        self.values.append(Value(len(self.storages) - 1, -1))
        return self._use(size)

    def row(
        self, op_class: str, reads: list[Use], size: int, name: str = "", cell: int = 0, phase: str = "forward"
    ) -> Use:
        """An operator that makes a new tensor."""
        self.storages.append(Storage(size, "float32", "activation"))
        self.values.append(Value(len(self.storages) - 1, len(self.rows)))
        return self._append(op_class, reads, self._use(size), name, cell, phase)

    def in_place(
        self, op_class: str, reads: list[Use], on: Use, size: int, name: str = "", phase: str = "forward"
    ) -> Use:
        """An operator that changes the first `size` elements of a tensor; returns the whole of it."""
        storage = self.values[on.value].storage
        whole = self.storages[storage].elements
        base = on.value if size != whole else -1
        self.values.append(Value(storage, len(self.rows), base))
        self._append(op_class, reads, self._use(size), name, 0, phase)
        return self._use(whole)

    def table(self, *outputs: Use) -> OpTable:
        values = frozenset(use.value for use in outputs)
        return OpTable(tuple(self.rows), tuple(self.values), tuple(self.storages), values, ())

    def _use(self, size: int) -> Use:
        return Use(len(self.values) - 1, (size,), (1,), 0, "float32")

    def _append(self, op_class: str, reads: list[Use], write: Use, name: str, cell: int, phase: str) -> Use:
        shapes = tuple(Shape(use.shape) for use in reads)
        name = name or f"aten.{op_class}{len(self.rows)}"
        self.rows.append(
            Row(name, op_class, "", phase, cell, 0, "", shapes, {}, Shape(write.shape), tuple(reads), (write,), False)
        )
        return write


@pytest.fixture
def graph() -> Graph:
    return Graph()


Kernels = Callable[..., tuple[KernelCount, ...]]


@pytest.fixture
def kernels_of_module() -> Kernels:
    """The counted kernels of a module: (module, *shapes, runtime=..., dtype=..., mode=...)."""

    def kernels(module: nn.Module, *shapes: tuple[int, ...], **workload: Any) -> tuple[KernelCount, ...]:
        inputs = tuple(torch.empty(shape, device="meta") for shape in shapes)
        made = Workload(**workload)
        return count(trace_module(module, inputs, {}, made), made).kernels

    return kernels
