"""Counting a chain of cells: each distinct cell is traced once, ever, and the sums are those of the whole.

The trace of a cell is keyed by its spec, the tensor that enters it, the gradient that enters it from behind, and
what of the workload matters to a trace. Tests hold the sum over cells equal to a trace of the whole module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from oracle.build import build, cell_names
from oracle.cells import make_cell
from oracle.counting import KernelCount, TableCount, count
from oracle.counting.memory import CellMemory, PeakMemory, chain_peak, measure
from oracle.errors import OracleError
from oracle.optable import OpTable, prod
from oracle.spec import CellSpec, NetSpec, Workload
from oracle.trace import Trace, isolated, trace

__all__ = [
    "LOSS",
    "CellCount",
    "NetCount",
    "TensorSpec",
    "count_cell",
    "count_net",
    "count_table",
    "run_cell",
    "trace_cell",
    "trace_whole",
    "tracing_part",
]

LOSS = CellSpec("cross_entropy", ())
"""The cell that training appends to every network."""


class TensorSpec(NamedTuple):
    """A tensor without content."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, tensor: Any) -> TensorSpec:
        """The spec of a tensor."""
        return cls(tuple(tensor.shape), tuple(tensor.stride()), str(tensor.dtype).removeprefix("torch."))

    def empty(self, requires_grad: bool = False) -> Any:
        """An empty tensor of this spec on meta."""
        dtype = getattr(torch, self.dtype)
        return torch.empty_strided(self.shape, self.stride, dtype=dtype, device="meta", requires_grad=requires_grad)


class TracedCell(NamedTuple):
    """A cell's table, and the tensors that leave it at both ends."""

    table: OpTable
    output: TensorSpec
    input_gradient: TensorSpec | None


class CellCount(NamedTuple):
    """Counts of one cell."""

    counts: TableCount
    memory: CellMemory
    table: OpTable


@dataclass(frozen=True, slots=True)
class NetCount:
    """Counts of a network: its kernels in order of execution, with full module paths, and its sums."""

    kernels: tuple[KernelCount, ...]
    params: int
    activations: int
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    memory: PeakMemory
    tables: tuple[OpTable, ...]


@lru_cache(maxsize=1024)
def count_net(net: NetSpec, workload: Workload) -> NetCount:
    """Count a network cell by cell.

    Raises:
        OracleError: a cell that cannot be built or traced.
    """
    names = [*cell_names(net), "loss"] if workload.training else list(cell_names(net))
    cells = list(_count_cells(net, workload))
    kernels = [
        kernel._replace(
            cell=index, module=".".join(filter(None, (name, kernel.module))) if kernel.module != "loss" else name
        )
        for index, (name, cell) in enumerate(zip(names, cells, strict=True))
        for kernel in cell.counts.kernels
    ]
    return NetCount(
        tuple(sorted(kernels, key=_execution_order)),
        sum(cell.counts.params for cell in cells),
        sum(cell.counts.activations for cell in cells),
        tuple(sorted({name for cell in cells for name in cell.counts.unknown})),
        _add(cell.counts.coverage for cell in cells),
        chain_peak([cell.memory for cell in cells]),
        tuple(cell.table for cell in cells),
    )


def count_table(table: OpTable, workload: Workload) -> NetCount:
    """Count one table on its own, such as that of any module."""
    counts = count(table, workload)
    memory = chain_peak([measure(counts.lifetimes, counts.sizes)])
    return NetCount(
        counts.kernels, counts.params, counts.activations, counts.unknown, counts.coverage, memory, (table,)
    )


def trace_whole(net: NetSpec, workload: Workload) -> OpTable:
    """Trace the whole module at once, with the cells marked: what the sum over cells must equal."""
    cell_of = {name: index for index, name in enumerate(cell_names(net))}
    loss = _cross_entropy if workload.training else None
    with isolated():
        module = _float32(build(net)).train(workload.training)
        return trace(module, (_input_of(net, workload).empty(),), {}, workload, loss=loss, cell_of=cell_of).table


def count_cell(
    cell: CellSpec, x: TensorSpec, gradient: TensorSpec | None, first: bool, workload: Workload
) -> CellCount:
    """Count one cell; see `trace_cell` for the arguments."""
    return _count_cell(cell, x, gradient, first, workload.with_(batch_size=1))


@lru_cache(maxsize=8192)
def _count_cell(
    cell: CellSpec, x: TensorSpec, gradient: TensorSpec | None, first: bool, workload: Workload
) -> CellCount:
    table = trace_cell(cell, x, gradient, first, workload).table
    counts = count(table, workload)
    return CellCount(counts, measure(counts.lifetimes, counts.sizes), table)


def trace_cell(
    cell: CellSpec, x: TensorSpec, gradient: TensorSpec | None, first: bool, workload: Workload
) -> TracedCell:
    """Trace one cell, once ever.

    Args:
        cell: what to build.
        x: what enters it.
        gradient: what enters it from behind in training; None means like its output.
        first: whether it is the first cell, whose input needs no gradient.
        workload: only what `tracing_part` leaves of it matters.
    """
    return _trace_cell(cell, x, gradient, first, tracing_part(workload))


@lru_cache(maxsize=8192)
def _trace_cell(
    cell: CellSpec, x: TensorSpec, gradient: TensorSpec | None, first: bool, workload: Workload
) -> TracedCell:
    with isolated():
        leaf = x.empty(requires_grad=workload.training and not first)
        traced = run_cell(cell, leaf, None if gradient is None else gradient.empty(), workload)
    grad = traced.input_gradient
    return TracedCell(traced.table, TensorSpec.of(traced.output), None if grad is None else TensorSpec.of(grad))


def run_cell(cell: CellSpec, x: Any, gradient: Any, workload: Workload) -> Trace:
    """Build a cell and trace it on a tensor; its parameters and the tensor's sizes may be symbolic."""
    loss = cell.kind == LOSS.kind
    module: nn.Module = nn.Identity() if loss else _float32(make_cell(cell))
    module.train(workload.training)
    return trace(module, (x,), {}, workload, loss=_cross_entropy if loss else None, grad_output=gradient)


def _count_cells(net: NetSpec, workload: Workload) -> Iterator[CellCount]:
    cells = [*net.cells, LOSS] if workload.training else list(net.cells)
    inputs = [_input_of(net, workload)]
    for index, cell in enumerate(cells[:-1]):
        inputs.append(trace_cell(cell, inputs[index], None, index == 0, workload).output)
    gradients: list[TensorSpec | None] = [None] * len(cells)
    if workload.training:
        # A cell is traced with a gradient laid out like its output; where the next cell hands back another
        # layout, it is traced again with that one.
        for index in range(len(cells) - 1, 0, -1):
            found = trace_cell(cells[index], inputs[index], gradients[index], False, workload).input_gradient
            gradients[index - 1] = None if found == inputs[index] else found
    for index, cell in enumerate(cells):
        yield count_cell(cell, inputs[index], gradients[index], index == 0, workload)


def _input_of(net: NetSpec, workload: Workload) -> TensorSpec:
    shape = (workload.batch_size, *net.input_shape)
    if 4 * prod(shape) >= 2**63:
        raise OracleError(f"batch_size={workload.batch_size}: images of shape {shape} exceed 64 bits")
    with isolated():
        image = torch.empty(shape, dtype=torch.float32, device="meta")
        if workload.layout == "nhwc":
            image = image.contiguous(memory_format=torch.channels_last)
        return TensorSpec.of(image)


def _float32(module: nn.Module) -> nn.Module:
    """A module as it is, unless the caller changed the type that torch gives new parameters."""
    return module if torch.get_default_dtype() is torch.float32 else module.float()


@lru_cache(maxsize=256)
def tracing_part(workload: Workload) -> Workload:
    """The workload without what a trace does not depend on, so that traces are shared."""
    return Workload(
        dtype=workload.autocast_dtype or "float32",
        mode=workload.mode,
        layout=workload.layout,
        optimizer=workload.optimizer if workload.training else "sgd",
    )


def _cross_entropy(scores: Any) -> Any:
    target = torch.empty(scores.shape[0], dtype=torch.int64, device=scores.device)
    return F.cross_entropy(scores, target)


def _execution_order(kernel: KernelCount) -> tuple[int, int]:
    """Forward from the first cell to the last, backward from the last to the first, then the optimiser."""
    phase = ("forward", "backward", "optimizer").index(kernel.phase)
    return phase, -kernel.cell if phase == 1 else kernel.cell


def _add(tuples: Iterator[tuple[int, int, int]] | Any) -> tuple[int, int, int]:
    counted, nothing, unknown = (sum(column) for column in zip(*tuples, strict=True))
    return counted, nothing, unknown
