"""A device as candidates are timed on it: its figures, and what share of its roofs it was found to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from oracle._frozen import Frozen
from oracle.devices import Device
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds, Roofs


@dataclass(frozen=True, eq=False)
class CalibratedDevice:
    """A device and what share of its roofs it reaches; equal to itself alone, so make one and keep it.

    Attributes:
        device, efficiency: under the workload's type.
        others: type -> the same for cells of that type, where a network mixes them.
    """

    device: Device
    efficiency: Efficiency = TEXTBOOK
    others: Mapping[str, CalibratedDevice] = field(default_factory=Frozen)

    def under(self, dtype: str) -> CalibratedDevice:
        """The place for cells of a type."""
        return self.others.get(dtype, self)

    def holding(self, weight_bytes: int) -> CalibratedDevice:
        """The place as a network of so many bytes of weights finds it.

        Between two uses of a kernel's operands in the last-level cache all other weights pass through it, so that where
        they do not fit, all comes from memory.
        """
        llc = self.device.llc
        return self if llc is None or weight_bytes <= llc.value else self.streaming

    @cached_property
    def streaming(self) -> CalibratedDevice:
        """The place for networks that its last-level cache does not hold."""
        others = Frozen({dtype: place.streaming for dtype, place in self.others.items()})
        if self.efficiency.cache is None and all(place is self.others[dtype] for dtype, place in others.items()):
            return self
        return CalibratedDevice(self.device, replace(self.efficiency, cache=None), others)


def roofs_at(place: CalibratedDevice, kinds: KernelKinds, uses_matrix: list[bool], uses_vector: list[bool]) -> Roofs:
    """The roofs of kernels at a place; see `Roofs.of`.

    Args:
        kinds: with the classes of `oracle.calibration.kernel_class`.

    Raises:
        DeviceError: the device states no peak for a dtype that a kernel computes in.
    """
    return Roofs.of(kinds, uses_matrix, uses_vector, place.device, place.efficiency)
