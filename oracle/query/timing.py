"""Counts -> `Cost`: columns per network once, times per device."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from oracle._frozen import Frozen
from oracle.calibration import Calibration, kernel_class
from oracle.counting import KernelCount
from oracle.counting.chain import NetCount, count_net
from oracle.counting.fusion import main_row
from oracle.devices import Device
from oracle.errors import OracleError, UnknownOperatorError
from oracle.query.calibrated import Trust, calibration_for, checked_calibrations, trust_of
from oracle.query.cost import Cost, DeviceTime, KernelCost
from oracle.roofline import BOUNDS, TEXTBOOK, KernelKinds, Timing, time_kernels
from oracle.spec import NetSpec, Workload

__all__ = ["cost_of", "network_columns", "table_columns"]


@dataclass(frozen=True, slots=True)
class Columns:
    """A network's kernels as arrays, and its sums as ints."""

    count: NetCount
    kinds: KernelKinds
    matrix_flops: Any
    vector_flops: Any
    traffic_bytes: Any
    weight_bytes: Any
    macs: int
    flops: int
    total_bytes: int


def table_columns(count: NetCount) -> Columns:
    """Columns of counted kernels.

    Raises:
        OracleError: a kernel whose numbers exceed 64 bits.
    """
    kernels = count.kernels
    traffic = [kernel.read_bytes + kernel.write_bytes for kernel in kernels]
    try:
        matrix, vector, moved, weights = (
            np.array(column, dtype=np.int64)
            for column in (
                [k.matrix_flops for k in kernels],
                [k.vector_flops for k in kernels],
                traffic,
                [k.weight_bytes for k in kernels],
            )
        )
    except OverflowError as error:
        raise OracleError("a kernel's FLOPs or bytes exceed 64 bits: the network or the batch is too large") from error
    kinds = KernelKinds(
        tuple(kernel.op_class for kernel in kernels),
        tuple(kernel.matrix_dtype for kernel in kernels),
        tuple(kernel.vector_dtype for kernel in kernels),
    )
    macs = sum(kernel.macs for kernel in kernels)
    flops = sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels)
    return Columns(count, kinds, matrix, vector, moved, weights, macs, flops, sum(traffic))


@lru_cache(maxsize=1024)
def network_columns(net: NetSpec, workload: Workload) -> Columns:
    """Columns of a network, cell by cell."""
    return table_columns(count_net(net, workload))


def cost_of(
    columns: Columns,
    name: str,
    devices: Sequence[Device],
    workload: Workload,
    convention: str | None = None,
    strict: bool = False,
    model: str = "roofline",
    calibrations: Iterable[Calibration | str | Path] = (),
) -> Cost:
    """Put columns to devices.

    Raises:
        UnknownOperatorError: under `strict`, if any operator has no formula.
        DeviceError: a device without a peak for a dtype.
        WorkloadError: an unknown convention or model, or no calibration for the workload.
    """
    count = columns.count
    if strict and count.unknown:
        raise UnknownOperatorError(count.unknown)
    dtype = _main_dtype(columns) or workload.dtype
    times: dict[str, DeviceTime] = {}
    kernels: dict[str, Callable[[], tuple[KernelCost, ...]]] = {}
    own = checked_calibrations(model, calibrations, devices)
    kinds = columns.kinds if model == "roofline" else _calibrated_kinds(columns, workload.runtime)
    for device in devices:
        found = None if model == "roofline" else calibration_for(device, workload, own)
        timing = time_kernels(
            kinds,
            columns.matrix_flops,
            columns.vector_flops,
            columns.traffic_bytes,
            device,
            TEXTBOOK if found is None else found.efficiency,
            columns.weight_bytes,
        )
        time = _device_time(timing, device, dtype, count.memory.peak_bytes)
        times[device.name] = time if found is None else _trusted(time, trust_of(found, device, workload))
        kernels[device.name] = partial(_kernel_costs, columns, timing)
    macs: int | None = columns.macs
    flops: int | None = columns.flops
    params: int | None = count.params
    activations: int | None = count.activations
    if convention not in (None, "oracle"):
        macs, flops, params, activations = _recounted(count, str(convention))
    return Cost(
        name=name,
        workload=workload,
        convention=convention or "oracle",
        macs=macs,
        flops=flops,
        params=params,
        activations=activations,
        traffic_bytes=columns.total_bytes,
        peak_memory_bytes=count.memory.peak_bytes,
        memory=count.memory,
        times=Frozen(times),
        unknown=count.unknown,
        coverage=count.coverage,
        executed_flops=columns.flops,
        _kernels=Frozen(kernels),
        _counted=partial(_kernel_costs, columns, None),
    )


def _calibrated_kinds(columns: Columns, runtime: str) -> KernelKinds:
    """The kinds with the finer classes that calibrations tell apart."""
    tables = columns.count.tables
    classes = tuple(kernel_class(tables[kernel.cell], kernel.rows, runtime) for kernel in columns.count.kernels)
    return replace(columns.kinds, op_classes=classes)


def _recounted(count: NetCount, convention: str) -> tuple[int | None, ...]:
    from oracle.counting.conventions import recount  # only who asks for another tool's count needs it

    total = None
    for table in count.tables:
        found = recount(table, convention)
        total = found if total is None else total + found
    if total is None:
        raise OracleError("a network without cells cannot be counted")
    return total.macs, total.flops, total.params, total.activations


def _main_dtype(columns: Columns) -> str:
    """The type of most contractions, "" where there are none; a module may have a type of its own."""
    flops: Counter[str] = Counter()
    for dtype, count in zip(columns.kinds.matrix_dtypes, columns.matrix_flops.tolist(), strict=True):
        flops[dtype] += count
    ((dtype, total),) = flops.most_common(1) or [("", 0)]
    return dtype if total else ""


def _device_time(timing: Timing, device: Device, dtype: str, peak_bytes: int) -> DeviceTime:
    by_bound = np.bincount(timing.bound, weights=timing.total_s, minlength=len(BOUNDS))
    by_bound[BOUNDS.index("launch")] += timing.call_s
    total = by_bound.sum()
    shares = {bound: float(by_bound[index] / total) if total else 0.0 for index, bound in enumerate(BOUNDS)}
    return DeviceTime(
        device=device.name,
        latency_ms=timing.latency_s * 1e3,
        bound=max(shares, key=lambda bound: shares[bound]),
        bound_share=Frozen(shares),
        ridge=device.ridge("matrix", dtype),
        fits=None if device.memory is None else bool(peak_bytes <= device.memory.value),
        call_ms=timing.call_s * 1e3,
    )


def _trusted(time: DeviceTime, trust: Trust) -> DeviceTime:
    """A time with what is known of the model that made it."""
    low_high = trust.interval and (time.latency_ms * trust.interval[0], time.latency_ms * trust.interval[1])
    return replace(
        time, model=trust.model, expected_error=trust.expected_error, source=trust.source, interval_ms=low_high
    )


def _kernel_costs(columns: Columns, timing: Timing | None) -> tuple[KernelCost, ...]:
    kernels = columns.count.kernels
    if timing is None:
        nan = math.nan
        return tuple(_kernel_cost(kernel, _shape(columns, kernel), nan, nan, nan, "", nan) for kernel in kernels)
    total = timing.sum_s
    times = zip(
        kernels,
        timing.total_s.tolist(),
        timing.compute_s.tolist(),
        timing.memory_s.tolist(),
        timing.bound.tolist(),
        strict=True,
    )
    return tuple(
        _kernel_cost(
            kernel,
            _shape(columns, kernel),
            time_s,
            compute_s,
            memory_s,
            BOUNDS[bound],
            time_s / total if total else 0.0,
        )
        for kernel, time_s, compute_s, memory_s, bound in times
    )


def _kernel_cost(
    kernel: KernelCount, shape: str, time_s: float, compute_s: float, memory_s: float, bound: str, share: float
) -> KernelCost:
    flops = kernel.matrix_flops + kernel.vector_flops
    traffic = kernel.read_bytes + kernel.write_bytes
    return KernelCost(
        name=kernel.name,
        op_class=kernel.op_class,
        module=kernel.module,
        phase=kernel.phase,
        cell=kernel.cell,
        dtype=kernel.matrix_dtype if kernel.matrix_flops else kernel.vector_dtype,
        macs=kernel.macs,
        flops=flops,
        traffic_bytes=traffic,
        weight_bytes=kernel.weight_bytes,
        intensity=flops / traffic if traffic else 0.0,
        time_ms=time_s * 1e3,
        compute_ms=compute_s * 1e3,
        memory_ms=memory_s * 1e3,
        bound=bound,
        share=share,
        shape=shape,
    )


def _shape(columns: Columns, kernel: KernelCount) -> str:
    table = columns.count.tables[kernel.cell]
    return table.rows[main_row(table, kernel.rows)].shapes
