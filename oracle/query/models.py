"""Who predicts the latency on each device: the roofline's bound, or a calibration; and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from oracle._frozen import Frozen
from oracle._resources import shipped
from oracle.calibration import Calibration, calibration_of, load_calibration, prior_calibration
from oracle.closedform.calibrated import CalibratedDevice
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.roofline import TEXTBOOK, Efficiency
from oracle.spec import Workload

__all__ = [
    "MODELS",
    "LatencyModels",
    "Trust",
    "calibration_for",
    "checked_calibrations",
    "is_of",
    "latency_models",
    "trust_of",
]

MODELS = ("roofline", "calibrated")
"""What can predict: the textbook's lower bound, or shares of the roofs that were fitted to measurements."""


class Trust(NamedTuple):
    """How far to trust a prediction.

    Attributes:
        model: roofline, calibrated (the device itself was measured), or prior (only others of its kind were).
        expected_error: mean relative error on networks that the fit had not seen; None if nobody checked.
        source: on what, and on how many measurements, the error was found.
        interval: what measured over predicted lies between in 80 % of cases; None if nobody checked.
    """

    model: str
    expected_error: float | None = None
    source: str = ""
    interval: tuple[float, float] | None = None


class LatencyModels(NamedTuple):
    """What predicts on each device.

    Attributes:
        places: device name -> the device and the shares of its roofs that count.
        trust: device name -> how far to trust them; empty for the textbook's bound, in which there is nothing to trust.
    """

    places: Mapping[str, CalibratedDevice]
    trust: Mapping[str, Trust]

    @property
    def call_s(self) -> list[float]:
        """What a call costs beside its kernels, in seconds per device."""
        return [place.efficiency.call_s for place in self.places.values()]


_NOTHING: Mapping[str, Trust] = Frozen()


def latency_models(
    devices: Sequence[Device], workload: Workload, model: str, calibrations: Iterable[Calibration | str | Path] = ()
) -> LatencyModels:
    """What predicts on some devices under a workload.

    Raises:
        WorkloadError: as `checked_calibrations` and `calibration_for`.
    """
    own = checked_calibrations(model, calibrations, devices)
    return _models(devices, workload, model, own) if own else _shipped_models(_Same(devices), workload, model)


def _models(
    devices: Sequence[Device], workload: Workload, model: str, own: Iterable[Calibration] = ()
) -> LatencyModels:
    if model == "roofline":
        return LatencyModels(Frozen({device.name: _kept(_Key(device, TEXTBOOK)) for device in devices}), _NOTHING)
    found = {device.name: (device, calibration_for(device, workload, own)) for device in devices}
    places = {name: _kept(_Key(device, fit.efficiency)) for name, (device, fit) in found.items()}
    trust = {name: trust_of(fit, device, workload) for name, (device, fit) in found.items()}
    return LatencyModels(Frozen(places), Frozen(trust))


def checked_calibrations(
    model: str, calibrations: Iterable[Calibration | str | Path], devices: Sequence[Device]
) -> tuple[Calibration, ...]:
    """A user's own calibrations, loaded.

    Raises:
        WorkloadError: an unknown model, calibrations without the model that uses them, or one of another device.
        DeviceError: a file that is no calibration.
    """
    if model not in MODELS:
        raise WorkloadError(f"model={model!r}: expected one of {', '.join(MODELS)}")
    own = tuple(item if isinstance(item, Calibration) else load_calibration(item) for item in calibrations)
    if own and model != "calibrated":
        raise WorkloadError(f"model={model!r} uses no calibration; say calibrated")
    for item in own:
        if item.device not in [device.name for device in devices]:
            raise WorkloadError(
                f"calibration of device={item.device!r}: the devices are "
                f"{', '.join(device.name for device in devices) or 'none'}"
            )
    return own


def calibration_for(device: Device, workload: Workload, own: Iterable[Calibration] = ()) -> Calibration:
    """The user's own calibration of a device, else the shipped one, else the prior of its kind.

    Raises:
        WorkloadError: there is none for the workload's runtime and mode.
    """
    mine = [item for item in own if item.device == device.name]
    asked = f"runtime={workload.runtime!r}, mode={workload.mode!r}"
    found = next((item for item in mine if is_of(item, workload)), None)
    if mine and found is None:
        there = ", ".join(f"{item.runtime} {item.mode}" for item in mine)
        raise WorkloadError(f"{asked}: the calibration given for device={device.name!r} is of {there}")
    found = found or _shipped(device, workload.with_(batch_size=1))
    if found is None:
        near = _nearest(device, workload)
        there = f"there are {', '.join(near)}; " if near else ""
        raise WorkloadError(
            f"{asked}: no calibration of device={device.name!r} and no prior of its kind, {device.kind}, in any dtype; "
            f"{there}`oracle calibrate` makes one of measurements"
        )
    return found


def _nearest(device: Device, workload: Workload, most: int = 3) -> list[str]:
    """The shipped calibrations of a device and its kind, those that differ least from a workload first."""
    asked = (device.name, workload.runtime, workload.mode, workload.dtype, workload.layout)
    known = [name.split(".") for name in shipped("calibrations")]
    own = [words for words in known if words[0] in (device.name, device.kind)]
    own.sort(key=lambda words: sum(word != other for word, other in zip(words, asked, strict=True)))
    return [f"{name} ({', '.join(words)})" for name, *words in own[:most]]


def is_of(calibration: Calibration, workload: Workload) -> bool:
    """Whether the runtime and mode are those that were measured."""
    return (calibration.runtime, calibration.mode) == (workload.runtime, workload.mode)


def trust_of(calibration: Calibration, device: Device, workload: Workload) -> Trust:
    """How far to trust a calibration for a device and a workload.

    What was found for another dtype, layout or kind of device promises nothing: then error and interval are None.
    """
    model = "calibrated" if calibration.device == device.name else "prior"
    measured = (calibration.dtype, calibration.layout)
    if calibration.device not in (device.name, device.kind):
        return Trust(model, None, f"{calibration.source}, for want of one of {device.kind}")
    if measured != (workload.dtype, workload.layout):
        return Trust(model, None, f"{calibration.source}; fitted to {', '.join(measured)}")
    return Trust(model, calibration.error, calibration.source, calibration.interval)


@lru_cache(maxsize=256)
def _shipped(device: Device, workload: Workload) -> Calibration | None:
    """Reading YAML costs more than scoring, and what ships does not change."""
    return calibration_of(device, workload) or prior_calibration(device.kind, workload)


class _Same:
    """Devices as a key, equal to that of the very same ones: hashing their figures takes longer than a query."""

    __slots__ = ("_ids", "devices")

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = tuple(devices)
        self._ids = tuple(map(id, devices))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._ids == self._ids

    def __hash__(self) -> int:
        return hash(self._ids)


@lru_cache(maxsize=256)
def _shipped_models(same: _Same, workload: Workload, model: str) -> LatencyModels:
    return _models(same.devices, workload, model)


class _Key:
    """Equal to another of the very same device (hashing its figures takes longer than a query) and equal shares."""

    __slots__ = ("device", "efficiency", "figures")

    def __init__(self, device: Device, efficiency: Efficiency) -> None:
        self.device, self.efficiency = device, efficiency
        if efficiency is TEXTBOOK:
            self.figures: tuple[object, ...] = ()
            return
        mappings = (efficiency.compute, efficiency.memory, efficiency.launches, efficiency.weights)
        shares = (frozenset(mapping.items()) for mapping in mappings)
        times = efficiency.launch_s, efficiency.call_s, efficiency.floor_s
        self.figures = (*shares, *times, efficiency.tiling, efficiency.attention_tiling)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.device is self.device and other.figures == self.figures

    def __hash__(self) -> int:
        return hash((id(self.device), self.figures))


@lru_cache(maxsize=256)
def _kept(key: _Key) -> CalibratedDevice:
    """One place per device and calibration: templates keep what they worked out for a place."""
    return CalibratedDevice(key.device, key.efficiency)
