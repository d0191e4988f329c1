"""Facts about devices: what each figure is and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.devices import Device, in_file_units
from oracle.report.roofs import Slope, slopes


@dataclass(frozen=True, slots=True)
class Stated:
    """A figure as its device file has it: the unit is in the key."""

    key: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device.

    Attributes:
        name, title, kind, notes: as in `oracle.devices.Device`.
        slopes: its bandwidths.
        memory_bytes: None where nobody states it.
        figures: everything stated.
    """

    name: str
    title: str
    kind: str
    slopes: tuple[Slope, ...]
    memory_bytes: float | None
    figures: tuple[Stated, ...]
    notes: str


def device_facts(device: Device) -> DeviceFacts:
    """What a page shows of a device."""
    figures = tuple(Stated(key, figure.value, figure.source) for key, figure in in_file_units(device).items())
    roofs = () if device.calibrate_only or device.bandwidth is None else slopes(device)
    memory = None if device.memory is None else device.memory.value
    return DeviceFacts(device.name, device.title, device.kind, roofs, memory, figures, device.notes)
