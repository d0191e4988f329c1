"""The roofline: time per kernel on a device, and what bounds it.

    t = max(matrix FLOPs / (e_c P_matrix), vector FLOPs / (e_c P_vector), bytes / (m_c B), t_floor) + t_launch
    latency = sum over kernels of t + t_call

after Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (CACM 2009). With all
efficiencies 1 and no launch time, the default, it is a lower bound: peaks are dense datasheet peaks, bytes are
the least a kernel can move, and the two units work at the same time. Where the kernel's working set fits the
last-level cache and the device states that cache's bandwidth, B is the cache's.

`time_kernels` times the kernels of one network; `total_seconds` sums over the kernels of many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.devices import Device

__all__ = ["BOUNDS", "TEXTBOOK", "Efficiency", "KernelKinds", "Roofs", "Timing", "time_kernels", "total_seconds"]

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
        floor_s: seconds below which no kernel comes, however small: where launches are asynchronous, their cost
            hides behind kernels that take longer.
    """

    compute: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    memory: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    launch_s: float = 0.0
    call_s: float = 0.0
    floor_s: float = 0.0


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
        total_s: compute, memory or the floor, whichever is longest, plus the launch.
        compute_s, memory_s: time at the roof of each.
        launch_s: seconds per launch.
        call_s: seconds per call, to be added once to the sum over kernels.
        floor_s: seconds below which no kernel comes.
    """

    total_s: Array
    compute_s: Array
    memory_s: Array
    launch_s: float
    call_s: float
    floor_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """Seconds per call: summed over kernels."""
        return float(self.total_s.sum()) + self.call_s

    @property
    def bound(self) -> Array:
        """Index into `BOUNDS`: the largest of compute, memory and launch (or floor)."""
        longer = np.where(self.compute_s >= self.memory_s, 0, 1)
        least = max(self.launch_s, self.floor_s)
        return np.where(np.maximum(self.compute_s, self.memory_s) <= least, 2, longer)


@dataclass(frozen=True, slots=True)
class Roofs:
    """What each kernel of a network can reach on a device.

    Attributes:
        matrix, vector: FLOP/s on each unit; None where the kernel does not use the unit.
        bandwidth: byte/s from memory.
        cache_bandwidth: byte/s from the last-level cache; None where the device does not state it.
        cache_bytes: size of that cache.
        launch_s: seconds per kernel.
        floor_s: seconds below which no kernel comes.
    """

    matrix: tuple[float | None, ...]
    vector: tuple[float | None, ...]
    bandwidth: tuple[float, ...]
    cache_bandwidth: tuple[float, ...] | None
    cache_bytes: float
    launch_s: float
    floor_s: float

    @classmethod
    def of(
        cls,
        kinds: KernelKinds,
        uses_matrix: Sequence[bool],
        uses_vector: Sequence[bool],
        device: Device,
        efficiency: Efficiency = TEXTBOOK,
    ) -> Roofs:
        """Roofs of kernels; `uses_matrix` and `uses_vector` say on which units each has work.

        Raises:
            DeviceError: the device states no peak for a dtype that a kernel computes in.
        """
        compute = [efficiency.compute.get(op_class, 1.0) for op_class in kinds.op_classes]
        flow = [efficiency.memory.get(op_class, 1.0) for op_class in kinds.op_classes]
        cached = device.llc is not None and device.llc_bandwidth is not None
        return cls(
            _peaks(device, "matrix", kinds.matrix_dtypes, uses_matrix, compute),
            _peaks(device, "vector", kinds.vector_dtypes, uses_vector, compute),
            tuple(share * device.peak_bandwidth() for share in flow),
            tuple(share * device.llc_bandwidth.value for share in flow) if cached and device.llc_bandwidth else None,
            device.llc.value if cached and device.llc else 0.0,
            efficiency.launch_s,
            efficiency.floor_s,
        )


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
    roofs = Roofs.of(kinds, list(matrix_flops != 0), list(vector_flops != 0), device, efficiency)
    numbers = [column.tolist() for column in (matrix_flops, vector_flops, traffic_bytes)]
    pairs = [_roof_times(roofs, index, m, v, b, max) for index, (m, v, b) in enumerate(zip(*numbers, strict=True))]
    compute_s, memory_s = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    total_s = np.maximum(np.maximum(compute_s, memory_s), efficiency.floor_s) + efficiency.launch_s
    return Timing(total_s, compute_s, memory_s, efficiency.launch_s, efficiency.call_s, efficiency.floor_s)


def total_seconds(
    roofs: Roofs,
    matrix_flops: Sequence[Any],
    vector_flops: Sequence[Any],
    traffic_bytes: Sequence[Any],
    maximum: Callable[[Any, Any], Any] = np.maximum,
) -> Any:
    """Seconds of one network, or of many that have the same kernels; launches included, the call's constant not.

    Args:
        roofs: of the kernels.
        matrix_flops, vector_flops, traffic_bytes: per kernel a number, or an array with one entry per network.
        maximum: `max` serves plain numbers better.
    """
    total: Any = roofs.launch_s * len(traffic_bytes)
    for index, kernel in enumerate(zip(matrix_flops, vector_flops, traffic_bytes, strict=True)):
        compute_s, memory_s = _roof_times(roofs, index, *kernel, maximum)
        busy_s = maximum(compute_s, memory_s)
        total = total + (maximum(busy_s, roofs.floor_s) if roofs.floor_s else busy_s)
    return total


def _roof_times(
    roofs: Roofs, index: int, matrix_flops: Any, vector_flops: Any, traffic: Any, maximum: Callable[[Any, Any], Any]
) -> tuple[Any, Any]:
    """Seconds that one kernel needs at the compute roof (0 without work) and at the memory roof."""
    compute_s: Any = 0.0
    matrix, vector = roofs.matrix[index], roofs.vector[index]
    if matrix is not None:
        compute_s = matrix_flops / matrix
    if vector is not None:
        vector_s = vector_flops / vector
        compute_s = vector_s if matrix is None else maximum(compute_s, vector_s)
    bandwidth: Any = roofs.bandwidth[index]
    if roofs.cache_bandwidth is not None:
        # A working set that fits the last-level cache sees the cache's roof instead of the memory's.
        fits = traffic <= roofs.cache_bytes
        cache = roofs.cache_bandwidth[index]
        bandwidth = np.where(fits, cache, bandwidth) if isinstance(fits, np.ndarray) else cache if fits else bandwidth
    return compute_s, traffic / bandwidth


def _peaks(
    device: Device, unit: str, dtypes: Sequence[str], used: Sequence[bool], shares: Sequence[float]
) -> tuple[float | None, ...]:
    known = {
        dtype: device.peak_flops(unit, dtype) for dtype in {d for d, uses in zip(dtypes, used, strict=True) if uses}
    }
    return tuple(known[d] * s if uses else None for d, s, uses in zip(dtypes, shares, used, strict=True))
