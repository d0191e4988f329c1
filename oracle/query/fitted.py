"""Devices as closed forms time them: at their roofs, or at the shares that a calibration says they reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from oracle._frozen import Frozen
from oracle.calibration import Calibration
from oracle.closedform import Fitted, Place
from oracle.devices import Device
from oracle.query.calibrated import Trust, calibration_for, checked_calibrations, trust_of
from oracle.roofline import Efficiency
from oracle.spec import Workload

__all__ = ["call_seconds", "fitted_places"]

_NOTHING: Mapping[str, Trust] = Frozen()


def fitted_places(
    devices: Sequence[Device], workload: Workload, model: str, calibrations: Iterable[Calibration | str | Path]
) -> tuple[Mapping[str, Place], Mapping[str, Trust]]:
    """Where candidates are timed, and how far to trust it, by name of the device; nothing to trust in a bound.

    Raises:
        WorkloadError: as `checked_calibrations` and `calibration_for`.
    """
    own = checked_calibrations(model, calibrations, devices)
    if model == "roofline":
        return {device.name: device for device in devices}, _NOTHING
    found = {device.name: (device, calibration_for(device, workload, own)) for device in devices}
    places = {name: _kept(_Key(device, fit.efficiency)) for name, (device, fit) in found.items()}
    trust = {name: trust_of(fit, device, workload) for name, (device, fit) in found.items()}
    return places, Frozen(trust)


def call_seconds(place: Place) -> float:
    """What a call costs beside its kernels."""
    return place.efficiency.call_s if isinstance(place, Fitted) else 0.0


class _Key:
    """Equal to another of the very same device (hashing its figures takes longer than a query) and equal shares."""

    __slots__ = ("device", "efficiency", "figures")

    def __init__(self, device: Device, efficiency: Efficiency) -> None:
        mappings = (efficiency.compute, efficiency.memory, efficiency.launches, efficiency.weights)
        shares = (frozenset(mapping.items()) for mapping in mappings)
        self.device, self.efficiency = device, efficiency
        self.figures = (*shares, efficiency.launch_s, efficiency.call_s, efficiency.floor_s)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.device is self.device and other.figures == self.figures

    def __hash__(self) -> int:
        return hash((id(self.device), self.figures))


@lru_cache(maxsize=256)
def _kept(key: _Key) -> Fitted:
    """One place per device and calibration: closed forms keep what they worked out for a place."""
    return Fitted(key.device, key.efficiency)
