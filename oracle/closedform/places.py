"""Where candidates are timed: a device at its roofs, or at what share of them it was found to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from oracle.devices import Device
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds, Roofs

__all__ = ["Fitted", "Place", "roofs_at"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A device and what share of its roofs it reaches; equal to itself alone, so make one and keep it."""

    device: Device
    efficiency: Efficiency


Place: TypeAlias = Device | Fitted


def roofs_at(place: Place, kinds: KernelKinds, uses_matrix: list[bool], uses_vector: list[bool]) -> Roofs:
    """The roofs of kernels at a place; see `Roofs.of`.

    Args:
        kinds: with the classes of `oracle.calibration.kernel_class`.

    Raises:
        DeviceError: the device states no peak for a dtype that a kernel computes in.
    """
    device, efficiency = (place.device, place.efficiency) if isinstance(place, Fitted) else (place, TEXTBOOK)
    return Roofs.of(kinds, uses_matrix, uses_vector, device, efficiency)
