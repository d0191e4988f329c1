"""torch.profiler's `key_averages()`: time per operator name, from the objects and not from the printed table.

Rows repeat the time of what they call, so that only self times add up. The rows' FLOPs are torch's own: they
stand beside the operator that has the formula (conv2d), the self time beside the one that does the work
(mkldnn_convolution), and 0 means that torch has no formula. So they are taken for operators that do their own
work only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oracle.errors import OracleError
from oracle.imports.kernels import Imported, MeasuredKernel

_LEAVES = frozenset(f"aten::{name}" for name in "mm addmm bmm baddbmm mul add".split())


def read_averages(rows: Iterable[Any]) -> Imported:
    """Self time per row of `prof.key_averages()`, per call; rows without self time are left out.

    On a device the self time is the device's, if any row has some; else the CPU's.

    Raises:
        OracleError: objects that are no such rows.
    """
    table = list(rows)
    for row in table:
        if not (hasattr(row, "key") and hasattr(row, "count") and hasattr(row, "self_cpu_time_total")):
            raise OracleError(f"row={type(row).__name__}: expected a row of torch.profiler's key_averages()")
    on_device = any(_device_time(row) for row in table)
    found = []
    for index, row in enumerate(table):
        total_us = _device_time(row) if on_device else row.self_cpu_time_total
        if total_us and row.count:
            found.append(_measured(row, total_us, f"key_averages()[{index}]"))
    return Imported(tuple(found), notes=("self times of the device" if on_device else "self times of the CPU",))


def _measured(row: Any, total_us: float, source: str) -> MeasuredKernel:
    flops = row.flops / row.count if row.key in _LEAVES and getattr(row, "flops", 0) > 0 else None
    missing = [(name, "a profile counts none") for name in ("dram_bytes", "l2_bytes", "l1_bytes")]
    if flops is None:
        missing.append(("flops", "torch has no formula, or it counts them in another row than the time"))
    return MeasuredKernel(
        name=row.key,
        source=source,
        time_s=total_us * 1e-6 / row.count,
        flops=flops,
        invocations=row.count,
        operator=row.key if "::" in row.key else "",
        missing=tuple(missing),
    )


def _device_time(row: Any) -> float:
    names = ("self_device_time_total", "self_cuda_time_total")  # the second in old versions
    return next((float(getattr(row, name)) for name in names if hasattr(row, name)), 0.0)
