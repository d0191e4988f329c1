"""The fallback: a concrete trace of one cell, in the shape of a template's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from oracle.calibration import kernel_class
from oracle.closedform.evaluate import CellCosts
from oracle.closedform.inputs import CellInputs
from oracle.closedform.places import Place, roofs_at
from oracle.closedform.template import SUMS, Format
from oracle.counting.chain import TensorSpec, count_cell, trace_cell
from oracle.counting.conventions import recount
from oracle.counting.memory import CellMemory
from oracle.errors import OracleError
from oracle.roofline import KernelKinds, total_seconds
from oracle.spec import CellSpec, Workload

__all__ = ["ConcreteCell", "concrete_cell", "format_of"]

Ints = NDArray[np.int64]


class ConcreteCell(NamedTuple):
    """Numbers of one cell's kernels, what they add up to, and what leaves the cell."""

    kinds: KernelKinds
    numbers: tuple[Ints, Ints, Ints, Ints]
    sums: tuple[int, ...]
    memory: CellMemory
    output: tuple[int, ...]
    output_format: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]

    def costs(self, devices: Sequence[Place]) -> CellCosts:
        """Its costs, for one row."""
        matrix, vector = ((column != 0).tolist() for column in self.numbers[:2])
        roofs = [roofs_at(device, self.kinds, matrix, vector) for device in devices]
        latency_s = tuple(total_seconds(roof, *self.numbers) for roof in roofs)
        return CellCosts(self.sums, self.memory, self.output, latency_s)


def concrete_cell(cell: CellSpec, dims: Sequence[int], inputs: CellInputs, workload: Workload) -> ConcreteCell:
    """Trace one cell with integers."""
    x = _spec(dims, inputs.input)
    traced = trace_cell(cell, x, None, inputs.first, workload)
    gradient = None if inputs.gradient is None else _spec(traced.output.shape, inputs.gradient)
    counted = count_cell(cell, x, gradient, inputs.first, workload)
    traced = trace_cell(cell, x, gradient, inputs.first, workload)
    kernels = counted.counts.kernels
    pycls = recount(counted.table, "pycls")
    sums = {
        "macs": sum(kernel.macs for kernel in kernels),
        "flops": sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels),
        "traffic_bytes": sum(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        "params": counted.counts.params,
        "activations": counted.counts.activations,
        "pycls_macs": pycls.macs,
        "pycls_activations": pycls.activations,
    }
    traffic = [kernel.read_bytes + kernel.write_bytes for kernel in kernels]
    weights = [kernel.weight_bytes for kernel in kernels]
    columns = (
        [kernel.matrix_flops for kernel in kernels],
        [kernel.vector_flops for kernel in kernels],
        traffic,
        weights,
    )
    try:
        matrix, vector, moved, weighed = (np.array(column, dtype=np.int64) for column in columns)
    except OverflowError:
        raise OracleError(f"cell={cell.kind}: its FLOPs or bytes exceed 62 bits; the cell is too large") from None
    grad = traced.input_gradient
    return ConcreteCell(
        KernelKinds(
            tuple(kernel_class(counted.table, kernel.rows, workload.runtime) for kernel in kernels),
            tuple(kernel.matrix_dtype for kernel in kernels),
            tuple(kernel.vector_dtype for kernel in kernels),
        ),
        (matrix, vector, moved, weighed),
        tuple(sums[name] for name in SUMS),
        counted.memory,
        traced.output.shape,
        format_of(traced.output),
        None if grad is None else format_of(grad),
        counted.counts.unknown,
    )


def format_of(spec: TensorSpec) -> Format:
    """The format of a dense tensor."""
    return Format.of(spec.dtype, spec.shape, spec.stride)


def _spec(dims: Sequence[int], form: Format) -> TensorSpec:
    dtype = getattr(torch, form.dtype)
    return TensorSpec.of(torch.empty_permuted(tuple(dims), form.order, dtype=dtype, device="meta"))
