"""The roofs over a network's kernels on a device: what figures of a roofline draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.devices import Device

if TYPE_CHECKING:
    from oracle.query import KernelCost


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A dense peak: no kernel in this dtype on this unit computes faster.

    Attributes:
        name: `float16, matrix unit`.
        flops_per_s: the peak.
        ridge: FLOP/byte where it meets the memory's roof.
    """

    name: str
    flops_per_s: float
    ridge: float


@dataclass(frozen=True, slots=True)
class Slope:
    """A bandwidth: no kernel moves bytes faster.

    Attributes:
        name: `memory`, or `last-level cache`, which holds for kernels that move no more bytes than it has.
        bytes_per_s: the bandwidth.
    """

    name: str
    bytes_per_s: float


def ceilings(device: Device, kernels: Iterable[KernelCost]) -> tuple[Ceiling, ...]:
    """The peaks that kernels can reach, the highest first; of equal ones the first kernel's."""
    from oracle.counting import MATRIX_CLASSES

    pairs = dict.fromkeys(
        ("matrix" if kernel.macs and kernel.op_class in MATRIX_CLASSES else "vector", kernel.dtype)
        for kernel in kernels
        if kernel.flops
    )
    found: dict[float, Ceiling] = {}
    for unit, dtype in pairs:
        peak = device.peak_flops(unit, dtype)
        has = "matrix" if unit == "matrix" and dtype in device.matrix else "vector"
        found.setdefault(peak, Ceiling(f"{dtype}, {has} unit", peak, device.ridge(unit, dtype)))
    return tuple(sorted(found.values(), key=lambda ceiling: -ceiling.flops_per_s))


def slopes(device: Device) -> tuple[Slope, ...]:
    """The memory's bandwidth, and the last-level cache's where the device states it."""
    memory = Slope("memory", device.peak_bandwidth())
    if device.llc is None or device.llc_bandwidth is None:
        return (memory,)
    return (memory, Slope("last-level cache", device.llc_bandwidth.value))
