"""Traces of a cell, of a whole network and of any module, and what is counted in them.

Closed forms answer for networks; a trace is what they are made of, what they are held against, and what has rows to
match with the operators that a profiler saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from oracle.build import build
from oracle.cells import cell_role, make_cell
from oracle.counting import KernelCount, count, lowered_for
from oracle.counting.memory import measure
from oracle.errors import OracleError
from oracle.memory import PeakMemory, chain_peak
from oracle.naming import cell_names
from oracle.optable import OpTable, prod
from oracle.spec import HALVES, LOSS, CellSpec, NetSpec, Workload
from oracle.trace import Trace, isolated, trace
from oracle.trace.storing import stored_in

__all__ = [
    "NetCount",
    "TensorSpec",
    "TracedCell",
    "count_net",
    "count_table",
    "run_cell",
    "trace_cell",
    "trace_whole",
    "tracing_part",
]

_KEPT = 64  # traces that are remembered, up to some hundred kilobytes each


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


@dataclass(frozen=True, slots=True)
class NetCount:
    """Counts of a network: its kernels in order of execution, with full module paths, its sums, and its operators.

    `table` holds the operators that kernels run, `traced` those of the framework: an engine may run others.
    """

    kernels: tuple[KernelCount, ...]
    params: int
    activations: int
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    memory: PeakMemory
    table: OpTable
    traced: OpTable


def count_net(net: NetSpec, workload: Workload) -> NetCount:
    """Count a network in a trace of its whole module.

    Raises:
        OracleError: it cannot be built or traced.
    """
    return count_table(trace_whole(net, workload), workload)


def count_table(table: OpTable, workload: Workload) -> NetCount:
    """Count a table, such as that of any module."""
    run = lowered_for(table, workload)
    counts = count(run, workload)
    memory = chain_peak([measure(counts.lifetimes, counts.sizes)])
    sums = counts.params, counts.activations, counts.unknown, counts.coverage
    return NetCount(counts.kernels, *sums, memory, run, table)


def trace_whole(net: NetSpec, workload: Workload) -> OpTable:
    """Trace the whole module at once, with the cells marked."""
    workload = workload.unquantised
    cell_of = {name: index for index, name in enumerate(cell_names(net, cell_role))}
    loss = _cross_entropy if workload.training else None
    with isolated():
        module = stored_in(build(net), workload.module_dtype).train(workload.training)
        return trace(module, (_input_of(net, workload).empty(),), {}, workload, loss=loss, cell_of=cell_of).table


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


@lru_cache(maxsize=_KEPT)
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
    module: nn.Module = nn.Identity() if loss else stored_in(make_cell(cell), workload.module_dtype)
    module.train(workload.training)
    return trace(module, (x,), {}, workload, loss=_cross_entropy if loss else None, grad_output=gradient)


def _input_of(net: NetSpec, workload: Workload) -> TensorSpec:
    shape = (workload.batch_size, *net.input_shape)
    if 4 * prod(shape) >= 2**63:
        raise OracleError(f"batch_size={workload.batch_size}: images of shape {shape} exceed 64 bits")
    with isolated():
        image = torch.empty(shape, dtype=getattr(torch, workload.input_dtype(len(shape))), device="meta")
        if workload.layout == "nhwc" and len(shape) == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        return TensorSpec.of(image)


@lru_cache(maxsize=256)
def tracing_part(workload: Workload) -> Workload:
    """The workload without what a trace does not depend on, so that traces are shared."""
    workload = workload.unquantised
    return Workload(
        dtype=workload.autocast_dtype or workload.module_dtype,
        weights=workload.weights if workload.weights in HALVES else "",
        mode=workload.mode,
        layout=workload.layout,
        optimizer=workload.optimizer if workload.training else "sgd",
    )


def _cross_entropy(scores: Any) -> Any:
    target = torch.empty(scores.shape[0], dtype=torch.int64, device=scores.device)
    return F.cross_entropy(scores, target)
