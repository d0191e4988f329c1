"""The fallback: a concrete trace of one cell, in the shape of a template's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from oracle.calibration import kernel_class
from oracle.closedform.inputs import CellInputs
from oracle.closedform.places import Place, roofs_at
from oracle.closedform.template import SUMS, Answer, Format
from oracle.counting.chain import TensorSpec, count_cell, trace_cell
from oracle.counting.conventions import recount
from oracle.roofline import KernelKinds, Roofs
from oracle.spec import CellSpec, Workload

__all__ = ["ConcreteCell", "concrete_cell", "format_of"]


@dataclass(frozen=True, slots=True)
class ConcreteCell:
    """Costs of one cell, and what leaves it."""

    answer: Answer
    kinds: KernelKinds
    output_format: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]

    def roofs(self, device: Place) -> Roofs:
        """The roofs of its kernels on a device."""
        matrix, vector = (
            [flops != 0 for flops in column] for column in (self.answer.matrix_flops, self.answer.vector_flops)
        )
        return roofs_at(device, self.kinds, matrix, vector)


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
    answer = Answer(
        sums=tuple(sums[name] for name in SUMS),
        matrix_flops=tuple(kernel.matrix_flops for kernel in kernels),
        vector_flops=tuple(kernel.vector_flops for kernel in kernels),
        kernel_bytes=tuple(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        memory=counted.memory,
        output=traced.output.shape,
    )
    kinds = KernelKinds(
        tuple(kernel_class(counted.table, kernel.rows) for kernel in kernels),
        tuple(kernel.matrix_dtype for kernel in kernels),
        tuple(kernel.vector_dtype for kernel in kernels),
    )
    grad = traced.input_gradient
    return ConcreteCell(
        answer, kinds, format_of(traced.output), None if grad is None else format_of(grad), counted.counts.unknown
    )


def format_of(spec: TensorSpec) -> Format:
    """The format of a dense tensor."""
    return Format.of(spec.dtype, spec.shape, spec.stride)


def _spec(dims: Sequence[int], form: Format) -> TensorSpec:
    dtype = getattr(torch, form.dtype)
    return TensorSpec.of(torch.empty_permuted(tuple(dims), form.order, dtype=dtype, device="meta"))
