"""A trace's operators on the roofline: measured time, and the FLOPs that follow from their input shapes."""

from __future__ import annotations

from oracle.imports.kernels import Imported, MeasuredKernel
from oracle.imports.replay import OperatorCall, replay


def counted_operators(imported: Imported) -> tuple[MeasuredKernel, ...]:
    """Every operator call of a trace with its FLOPs; None where the trace does not hold what they depend on.

    Args:
        imported: from `read_trace`.
    """
    return tuple(_counted(call) for call in imported.operators)


def _counted(call: OperatorCall) -> MeasuredKernel:
    found = replay(call)
    missing = [(name, "a trace counts none") for name in ("dram_bytes", "l2_bytes", "l1_bytes")]
    notes: tuple[str, ...] = ()
    flops = None
    if found is None:
        missing.append(("flops", "the trace does not hold the operator's shapes and values"))
    else:
        flops = float(sum(kernel.matrix_flops + kernel.vector_flops for kernel in found))
        least = sum(kernel.read_bytes + kernel.write_bytes for kernel in found)
        notes = ("FLOPs counted from input shapes", f"moves at least {least} byte, counted from input shapes")
    return MeasuredKernel(
        name=call.name,
        source=call.source,
        time_s=call.seconds,
        flops=flops,
        operator=call.name,
        missing=tuple(missing),
        notes=notes,
    )
