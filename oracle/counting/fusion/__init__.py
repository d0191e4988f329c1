"""Which operators run as one kernel, in each runtime. Kernels never fuse across cells or phases.

eager     every operator is a kernel.
compiled  torch.compile, XLA: convolution, matrix product, attention and pooling stay; chains of pointwise, norm,
          softmax and reduction operators merge into one kernel.
engine    TensorRT, TFLite, ONNX Runtime, OpenVINO: what depends on weights only is computed beforehand; batch norm
          folds into its convolution; casts, activations, residual additions, and scales and shifts by a
          constant per channel run in the epilogue of the convolution or matrix product before them. (In training
          batch norm needs its statistics and stays.)

A kernel reads what it needs from outside once, and writes what somebody outside still needs. The two deployed
runtimes drop operators whose result nobody uses.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.counting.conversions import runs_integers, without_conversions
from oracle.counting.fusion.blocks import Decide, decided
from oracle.counting.fusion.compiled import compiled
from oracle.counting.fusion.eager import eager
from oracle.counting.fusion.engine import engine, has_bias
from oracle.counting.fusion.engines import rules_of
from oracle.counting.fusion.kernel import Kernel, main_row
from oracle.counting.fusion.lowering import lowered
from oracle.optable import Dim, OpTable
from oracle.spec import GENERIC, Workload

__all__ = ["FUSIONS", "Kernel", "has_bias", "kernels_of", "lowered_for", "main_row"]

FUSIONS: dict[str, Callable[[OpTable], tuple[Kernel, ...]]] = {
    "eager": eager,
    "compiled": compiled,
    "engine": engine,
}


def kernels_of(table: OpTable, runtime: str, named: str = GENERIC, *, quantised: bool = False) -> tuple[Kernel, ...]:
    """The kernels of a table, in an order of execution that respects the data flow.

    Args:
        table: as it runs there, see `lowered_for`.
        runtime: one of `FUSIONS`.
        named: the engine, where the runtime is one.
        quantised: whether it computes in integers.
    """
    return FUSIONS[runtime](table) if named == GENERIC else engine(table, rules_of(named, quantised))


def lowered_for(
    table: OpTable, workload: Workload, hint: Callable[[Dim], int] = int, decide: Decide = decided
) -> OpTable:
    """The operators that run under a workload; arguments as those of `oracle.counting.fusion.lowering.lowered`."""
    if workload.engine == GENERIC:
        return table
    table = without_conversions(table, workload.runtime)
    rules = rules_of(workload.engine, workload.is_quantised or runs_integers(table))
    return lowered(table, rules, hint, decide)
