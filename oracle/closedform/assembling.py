"""What a template says of kernels, from what was counted: the same for sympy's expressions and for polynomials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from oracle.calibration import kernel_class
from oracle.closedform.template import SUMS, KernelMeta, KernelNumbers
from oracle.counting import TableCount
from oracle.counting.fusion import main_row
from oracle.optable import Dim, OpTable, equal

__all__ = ["Builder", "kernel_fields"]


class Builder(Protocol):
    """Collects sizes as steps of a program."""

    def add(self, size: Any, /) -> int:
        """The step that computes a size."""

    def total(self, steps: Iterable[int], /) -> int:
        """The step that adds up others."""


def kernel_fields(
    builder: Builder, table: OpTable, counts: TableCount, pycls: tuple[Dim, Dim], runner: str
) -> dict[str, Any]:
    """The fields of a `Template` that its kernels decide, by name.

    Args:
        builder: understands the sizes in the table and its counts; it collects their steps.
        table, counts: of the cell.
        pycls: what pycls counts as its MACs and activations.
        runner: of the workload.
    """
    kernels = counts.kernels
    numbers = KernelNumbers(
        *(tuple(builder.add(getattr(kernel, name)) for kernel in kernels) for name in KernelNumbers._fields)
    )
    traffic = tuple(builder.total(pair) for pair in zip(numbers.read_bytes, numbers.write_bytes, strict=True))
    masked = [builder.add(kernel.masked_flops) for kernel in kernels]
    sums = {
        "macs": builder.total(numbers.macs),
        "flops": builder.total([*numbers.matrix_flops, *numbers.vector_flops, *masked]),
        "masked_flops": builder.total(masked),
        "traffic_bytes": builder.total(traffic),
        "params": builder.add(counts.params),
        "activations": builder.add(counts.activations),
    }
    # In most cells pycls counts what we count: then one step serves both.
    ours = {"macs": sum(kernel.macs for kernel in kernels), "activations": counts.activations}
    for (name, size), theirs in zip(ours.items(), pycls, strict=True):
        sums[f"pycls_{name}"] = sums[name] if equal(size, theirs) else builder.add(theirs)
    classes = (kernel_class(table, kernel.rows, runner) for kernel in kernels)
    shapes = (table.rows[main_row(table, kernel.rows)].main_shapes for kernel in kernels)
    return {
        "kernels": tuple(
            KernelMeta(k.name, k.op_class, kind, k.module, k.phase, k.matrix_dtype, k.vector_dtype)
            for k, kind in zip(kernels, classes, strict=True)
        ),
        "numbers": numbers,
        "shapes": tuple(
            tuple(tuple(tuple(map(builder.add, shape)) for shape in end) for end in ends) for ends in shapes
        ),
        "traffic": traffic,
        "sums": tuple(sums[name] for name in SUMS),
        "unknown": counts.unknown,
        "coverage": counts.coverage,
    }
