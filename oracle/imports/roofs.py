"""Measured kernels on the roofline of a device: the same roofs as for what is predicted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from oracle.devices import Device
from oracle.errors import DeviceError
from oracle.imports.kernels import MeasuredKernel


class OnRoofline(NamedTuple):
    """A measured kernel at the roofs of a device; None where a counter is missing or the device states no such roof.

    Attributes:
        kernel: as measured.
        compute_s: seconds at the peak of each unit it used, the longest of them.
        memory_s: seconds that its bytes take at the memory's bandwidth.
    """

    kernel: MeasuredKernel
    compute_s: float | None
    memory_s: float | None

    @property
    def bound(self) -> str:
        """The nearer roof, compute or memory; "" where one of them is not known."""
        if self.compute_s is None or self.memory_s is None:
            return ""
        return "compute" if self.compute_s >= self.memory_s else "memory"

    @property
    def roof_share(self) -> float | None:
        """What share of its roof the kernel reached; None unless time and both roofs are known."""
        if self.compute_s is None or self.memory_s is None or not self.kernel.time_s:
            return None
        return max(self.compute_s, self.memory_s) / self.kernel.time_s


def on_roofline(kernels: Iterable[MeasuredKernel], device: Device | None) -> list[OnRoofline]:
    """Put measured kernels to the roofs of a device; without one they keep what they achieved."""
    return [OnRoofline(kernel, _compute_s(kernel, device), _memory_s(kernel, device)) for kernel in kernels]


def _compute_s(kernel: MeasuredKernel, device: Device | None) -> float | None:
    if device is None or kernel.flops is None or not kernel.flops_by_kind:
        return None
    try:
        return (
            max(flops / _peak(device, kind) for kind, flops in kernel.flops_by_kind if flops) if kernel.flops else 0.0
        )
    except DeviceError:  # a sheet without that type
        return None


def _peak(device: Device, kind: str) -> float:
    unit, _, dtype = kind.partition(" ")
    return device.peak_flops(unit, dtype)


def _memory_s(kernel: MeasuredKernel, device: Device | None) -> float | None:
    if device is None or kernel.dram_bytes is None or device.bandwidth is None:
        return None
    return kernel.dram_bytes / device.peak_bandwidth()
