"""A device as candidates are timed on it: its figures, and what share of its roofs it was found to reach."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.devices import Device
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds, Roofs

__all__ = ["CalibratedDevice", "roofs_at"]


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedDevice:
    """A device and what share of its roofs it reaches; equal to itself alone, so make one and keep it."""

    device: Device
    efficiency: Efficiency = TEXTBOOK


def roofs_at(place: CalibratedDevice, kinds: KernelKinds, uses_matrix: list[bool], uses_vector: list[bool]) -> Roofs:
    """The roofs of kernels at a place; see `Roofs.of`.

    Args:
        kinds: with the classes of `oracle.calibration.kernel_class`.

    Raises:
        DeviceError: the device states no peak for a dtype that a kernel computes in.
    """
    return Roofs.of(kinds, uses_matrix, uses_vector, place.device, place.efficiency)
