"""The roofline: time per kernel on a device, and what bounds it.

    t = max(matrix FLOPs / (e_c P_matrix), vector FLOPs / (e_c P_vector), bytes / (m_c B)) + t_launch
    latency = sum over kernels of t + t_call

after Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (CACM 2009). With all
efficiencies 1 and no launch time, the default, it is a lower bound: peaks are dense datasheet peaks, bytes are
the least a kernel can move, and the two units work at the same time. Where the kernel's working set fits the
last-level cache and the device states that cache's bandwidth, B is the cache's.

`time_kernels` times the kernels of one network; `total_latency` sums over the kernels of many at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.devices import Device

__all__ = ["BOUNDS", "TEXTBOOK", "Efficiency", "KernelKinds", "Timing", "time_kernels", "total_latency"]

Array = NDArray[Any]

BOUNDS = ("compute", "memory", "launch")


@dataclass(frozen=True)
class Efficiency:
    """What share of its peaks a device reaches, by operator class, and what a launch and a call cost.

    Attributes:
        compute: class -> share of the peak, in (0, 1]; 1 where absent.
        memory: class -> share of the bandwidth, in (0, 1]; 1 where absent.
        launch_s: seconds per kernel.
        call_s: seconds per call of the network.
    """

    compute: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    memory: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    launch_s: float = 0.0
    call_s: float = 0.0


TEXTBOOK = Efficiency()
"""All peaks reached, launches free: a lower bound on time."""


@dataclass(frozen=True, slots=True)
class KernelKinds:
    """What the time of kernels depends on besides their numbers; one entry per kernel."""

    op_classes: tuple[str, ...]
    matrix_dtypes: tuple[str, ...]
    vector_dtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per kernel.

    Attributes:
        total_s: compute or memory, whichever is longer, plus the launch.
        compute_s, memory_s: time at the roof of each.
        launch_s: seconds per launch.
        call_s: seconds per call, to be added once to the sum over kernels.
    """

    total_s: Array
    compute_s: Array
    memory_s: Array
    launch_s: float
    call_s: float

    @property
    def latency_s(self) -> float:
        """Seconds per call: summed over kernels."""
        return float(self.total_s.sum()) + self.call_s

    @property
    def bound(self) -> Array:
        """Index into `BOUNDS`: the largest of compute, memory and launch."""
        longer = np.where(self.compute_s >= self.memory_s, 0, 1)
        return np.where(np.maximum(self.compute_s, self.memory_s) <= self.launch_s, 2, longer)


def time_kernels(
    kinds: KernelKinds,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    device: Device,
    efficiency: Efficiency = TEXTBOOK,
) -> Timing:
    """Time the kernels of one network on a device.

    Args:
        kinds: class and dtypes of each kernel.
        matrix_flops, vector_flops, traffic_bytes: one entry per kernel.
        device: whose roofs count.
        efficiency: shares of the roofs that are reached.

    Raises:
        DeviceError: the device states no peak for a dtype that kernels compute in.
    """
    roofs = _roofs(kinds, matrix_flops != 0, vector_flops != 0, device, efficiency)
    compute_s = np.maximum(matrix_flops / roofs.matrix, vector_flops / roofs.vector)
    memory_s = traffic_bytes / _bandwidth(traffic_bytes, roofs.bandwidth, roofs.cache_bandwidth, roofs.cache_bytes)
    total_s = np.maximum(compute_s, memory_s) + efficiency.launch_s
    return Timing(total_s, compute_s, memory_s, efficiency.launch_s, efficiency.call_s)


def total_latency(
    kinds: KernelKinds,
    matrix_flops: Sequence[Array | int],
    vector_flops: Sequence[Array | int],
    traffic_bytes: Sequence[Array | int],
    device: Device,
    efficiency: Efficiency = TEXTBOOK,
) -> Array:
    """Seconds of many networks (or cells) of the same kernels, launches included and calls not.

    Args:
        kinds: class and dtypes of each kernel.
        matrix_flops, vector_flops, traffic_bytes: per kernel an array with an entry per network, or one int for all.
        device, efficiency: as in `time_kernels`.

    Raises:
        DeviceError: as `time_kernels`.
    """
    used = [
        np.array([isinstance(flops, np.ndarray) or flops != 0 for flops in column])
        for column in (matrix_flops, vector_flops)
    ]
    roofs = _roofs(kinds, used[0], used[1], device, efficiency)
    total: Array = np.float64(efficiency.launch_s * len(kinds.op_classes))
    for index, traffic in enumerate(traffic_bytes):
        cache = None if roofs.cache_bandwidth is None else roofs.cache_bandwidth[index]
        time_s = traffic / _bandwidth(traffic, roofs.bandwidth[index], cache, roofs.cache_bytes)
        if used[0][index]:
            time_s = np.maximum(time_s, matrix_flops[index] * (1 / roofs.matrix[index]))
        if used[1][index]:
            time_s = np.maximum(time_s, vector_flops[index] * (1 / roofs.vector[index]))
        total = total + time_s
    return total


@dataclass(frozen=True, slots=True)
class _Roofs:
    """What each kernel can reach: FLOP/s on each unit, byte/s from memory and from the last-level cache."""

    matrix: Array
    vector: Array
    bandwidth: Array
    cache_bandwidth: Array | None
    cache_bytes: float


def _roofs(
    kinds: KernelKinds, uses_matrix: Array, uses_vector: Array, device: Device, efficiency: Efficiency
) -> _Roofs:
    share = np.array([efficiency.compute.get(op_class, 1.0) for op_class in kinds.op_classes])
    flow = np.array([efficiency.memory.get(op_class, 1.0) for op_class in kinds.op_classes])
    cached = device.llc is not None and device.llc_bandwidth is not None
    return _Roofs(
        share * _peaks(device, "matrix", kinds.matrix_dtypes, uses_matrix),
        share * _peaks(device, "vector", kinds.vector_dtypes, uses_vector),
        flow * device.peak_bandwidth(),
        flow * device.llc_bandwidth.value if cached and device.llc_bandwidth is not None else None,
        device.llc.value if cached and device.llc is not None else 0.0,
    )


def _peaks(device: Device, unit: str, dtypes: Sequence[str], used: Array) -> Array:
    """Peak per kernel; a kernel that does not use the unit needs no peak of it."""
    known = {dtype: device.peak_flops(unit, dtype) for dtype in {d for d, uses in zip(dtypes, used, strict=True) if uses}}
    return np.array([known[dtype] if uses else 1.0 for dtype, uses in zip(dtypes, used, strict=True)])


def _bandwidth(traffic: Array | int, memory: Any, cache: Any, cache_bytes: float) -> Any:
    """byte/s that a working set sees: the cache's where it fits and the cache's is known."""
    return memory if cache is None else np.where(traffic <= cache_bytes, cache, memory)
