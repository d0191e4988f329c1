"""The roofline: time per kernel on a device, and what bounds it.

    t = max(matrix FLOPs / (e_c P_matrix), vector FLOPs / (e_c P_vector), bytes / (m_c B)) + t_launch
    latency = sum over kernels of t + t_call

after Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (CACM 2009). With all
efficiencies 1 and no launch time, the default, it is a lower bound: peaks are dense datasheet peaks, bytes are
the least a kernel can move, and the two units work at the same time. Where the kernel's working set fits the
last-level cache and the device states that cache's bandwidth, B is the cache's.

Everything works on arrays whose first axis is kernels; further axes are networks (or cells) side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.devices import Device

__all__ = ["BOUNDS", "TEXTBOOK", "Efficiency", "KernelKinds", "Timing", "time_kernels"]

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
    def latency_s(self) -> Array:
        """Seconds per call: summed over kernels."""
        return self.total_s.sum(axis=0) + self.call_s

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
    """Time kernels on a device.

    Args:
        kinds: class and dtypes of each kernel.
        matrix_flops, vector_flops, traffic_bytes: shape (kernels, ...).
        device: whose roofs count.
        efficiency: shares of the roofs that are reached.

    Raises:
        DeviceError: the device states no peak for a dtype that kernels compute in.
    """
    share = _shares(kinds.op_classes, efficiency.compute, np.ndim(matrix_flops))
    matrix = _peaks(device, "matrix", kinds.matrix_dtypes, matrix_flops)
    vector = _peaks(device, "vector", kinds.vector_dtypes, vector_flops)
    compute_s = np.maximum(matrix_flops / (matrix * share), vector_flops / (vector * share))
    bandwidth: Array | float = device.peak_bandwidth()
    if device.llc is not None and device.llc_bandwidth is not None:
        bandwidth = np.where(traffic_bytes <= device.llc.value, device.llc_bandwidth.value, bandwidth)
    memory_s = traffic_bytes / (bandwidth * _shares(kinds.op_classes, efficiency.memory, np.ndim(traffic_bytes)))
    total_s = np.maximum(compute_s, memory_s) + efficiency.launch_s
    return Timing(total_s, compute_s, memory_s, efficiency.launch_s, efficiency.call_s)


def _peaks(device: Device, unit: str, dtypes: Sequence[str], flops: Array) -> Array:
    """Peak per kernel; a kernel that does not use the unit needs no peak of it."""
    used = np.any(flops != 0, axis=tuple(range(1, np.ndim(flops))))
    known = {dtype: device.peak_flops(unit, dtype) for dtype, uses in zip(dtypes, used, strict=True) if uses}
    return _column([known.get(dtype, 1.0) if uses else 1.0 for dtype, uses in zip(dtypes, used, strict=True)], flops.ndim)


def _shares(op_classes: Sequence[str], shares: Mapping[str, float], ndim: int) -> Array | float:
    return _column([shares.get(op_class, 1.0) for op_class in op_classes], ndim) if shares else 1.0


def _column(values: Sequence[float], ndim: int) -> Array:
    """One number per kernel, ready to broadcast over the further axes."""
    return np.array(values).reshape(-1, *(1,) * (ndim - 1))
