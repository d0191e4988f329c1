"""Who predicts the latency on each device: the roofline's bound, or a calibration, moved to what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from oracle._frozen import Frozen
from oracle.calibration import Calibration, general_prior
from oracle.calibration.domain import beyond
from oracle.calibration.shipped import within_power
from oracle.calibration.threading import ALIKE, Threading, at_cores
from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.mixed import check_mixed
from oracle.devices import Device
from oracle.devices.files import is_path
from oracle.query.choosing import best_calibration, calibration_for, checked_calibrations, kin_of
from oracle.query.running import (
    call_count,
    dispatch_s,
    images_at_once,
    in_calls,
    run_on,
    thread_count,
)
from oracle.query.trust import Trust, hull, trust_of, trust_without
from oracle.roofline import TEXTBOOK, Efficiency, textbook_of
from oracle.spec import NetSpec, Workload


class LatencyModels(NamedTuple):
    """What predicts on each device.

    Attributes:
        places: device name -> the device and the shares of its roofs that count.
        trust: device name -> how far to trust them; empty for the textbook's bound, in which there is nothing to trust.
        textbook: the shares that a lower bound has.
    """

    places: Mapping[str, CalibratedDevice]
    trust: Mapping[str, Trust]
    textbook: Efficiency = TEXTBOOK

    @property
    def bounds(self) -> tuple[CalibratedDevice, ...]:
        """The same devices at the textbook's roofs."""

        def bound(place: CalibratedDevice) -> CalibratedDevice:
            own = _kept(_Key(place.device, self.textbook))
            others = tuple((word, bound(other)) for word, other in place.others.items())
            return _joined(own, others) if others else own

        return tuple(map(bound, self.places.values()))


_NOTHING: Mapping[str, Trust] = Frozen()


def latency_models(
    devices: Sequence[Device],
    workload: Workload,
    model: str,
    calibrations: Iterable[Calibration | str | Path] = (),
    image_size: float | None = None,
    dtypes: Sequence[str] = (),
) -> LatencyModels:
    """What predicts on some devices under a workload.

    Where cells of several types are mixed, each is timed by what predicts for its type; the host's part and the call's
    are the workload's. The error is the largest of theirs, the interval as wide as all of theirs, and neither is
    known where one is not.

    Args:
        devices: where networks run.
        workload: how.
        model: one of `MODELS`.
        calibrations: of the user's own.
        image_size: height of the networks' images, in pixels (the root of height times width); None where they have
            none. Far outside of what a calibration was fitted to, general knowledge counts beside it.
        dtypes: that cells of the networks have, see `NetSpec.stated_dtypes`.

    Raises:
        WorkloadError: as `checked_calibrations`; under `calibrated`, as `calibration_for`; more threads than a device
            has cores.
    """
    own = checked_calibrations(model, calibrations, devices)

    def under(workload: Workload) -> LatencyModels:
        if own or is_path(workload.host):
            return _models(devices, workload, model, image_size, own)
        return _shipped_models(_Same(devices), workload, model, image_size)

    base = under(workload)
    if dtypes:
        check_mixed(workload)
    others = {dtype: under(workload.in_dtype(dtype)) for dtype in dtypes if dtype != workload.dtype}
    return _mixed(base, others) if others else base


def models_for(
    net: NetSpec,
    devices: Sequence[Device],
    workload: Workload,
    model: str,
    calibrations: Iterable[Calibration | str | Path] = (),
) -> LatencyModels:
    """`latency_models` for the images and the types of one network.

    Raises:
        WorkloadError: as `latency_models`.
    """
    return latency_models(devices, workload, model, calibrations, image_size_of(net.input_shape), net.stated_dtypes)


def _mixed(base: LatencyModels, others: Mapping[str, LatencyModels]) -> LatencyModels:
    """What predicts for networks of several types."""
    places = {
        name: _joined(place, tuple((dtype, models.places[name]) for dtype, models in others.items()))
        for name, place in base.places.items()
    }
    every = [base, *others.values()]
    trust = {name: _least([models.trust[name] for models in every]) for name in base.trust}
    return LatencyModels(Frozen(places), Frozen(trust), base.textbook)


@lru_cache(maxsize=256)
def _joined(place: CalibratedDevice, others: tuple[tuple[str, CalibratedDevice], ...]) -> CalibratedDevice:
    return CalibratedDevice(place.device, place.efficiency, Frozen(dict(others)))


def _least(every: Sequence[Trust]) -> Trust:
    """How far to trust a prediction of parts that are trusted so far."""
    if len(set(every)) == 1:
        return every[0]
    words = ("roofline", "prior", "calibrated")
    errors = [trust.expected_error for trust in every]
    return every[0]._replace(
        model=min((trust.model for trust in every), key=words.index),
        expected_error=None if None in errors else max(error for error in errors if error is not None),
        source="; ".join(dict.fromkeys(trust.source for trust in every)),
        interval=hull([trust.interval for trust in every]),
    )


def _models(
    devices: Sequence[Device],
    workload: Workload,
    model: str,
    image_size: float | None,
    own: Iterable[Calibration] = (),
) -> LatencyModels:
    textbook = textbook_of(workload.engine)
    used = {device.name: run_on(device, workload) for device in devices}
    if model == "roofline":
        bounds = {name: _kept(_Key(device, textbook)) for name, device in used.items()}
        return LatencyModels(Frozen(bounds), _NOTHING, textbook)
    places: dict[str, CalibratedDevice] = {}
    trust: dict[str, Trust] = {}
    chosen = calibration_for if model == "calibrated" else best_calibration
    for device in devices:
        fit = chosen(device, workload, own)
        if fit is None:
            places[device.name] = _kept(_Key(used[device.name], textbook))
            trust[device.name] = trust_without(device, workload)
            continue
        octaves = fit.domain.octaves(images_at_once(workload), image_size)
        efficiency = at_cores(fit.efficiency, *_threads_of(fit, device, workload, used[device.name]))
        own_s = efficiency.dispatch_s if fit.device == device.name else None
        efficiency = replace(efficiency, dispatch_s=dispatch_s(device, workload, own_s))
        key = _Key(used[device.name], efficiency)
        if octaves > 0.0:
            key = _outside(key, workload.runtime, workload.dtype, octaves)
        if (calls := call_count(workload)) > 1:
            key = _Key(key.device, in_calls(key.efficiency, calls))
        places[device.name] = _kept(key)
        trust[device.name] = trust_of(fit, device, workload, image_size)
    return LatencyModels(Frozen(places), Frozen(trust), textbook)


def image_size_of(shape: Sequence[Any]) -> Any:
    """The side of a square image as large as those of a shape (channels, height, width); None for other inputs."""
    return (shape[-2] * shape[-1]) ** 0.5 if len(shape) == 3 else None


def _threads_of(
    fit: Calibration, device: Device, workload: Workload, used: Device
) -> tuple[Threading, Device, Device | None]:
    """How a calibration is moved to the cores in use: as it says, or as kin do from those that it was measured with."""
    threads = thread_count(device, workload)
    nearest = fit.domain.nearest_threads(threads)
    if fit.device != device.name or nearest == threads:
        return fit.threading, used, None
    kin = kin_of(device, workload)
    return ALIKE if kin is None else kin.threading, used, run_on(device, workload.with_(threads=nearest))


@lru_cache(maxsize=256)
def _outside(key: _Key, runtime: str, dtype: str, octaves: float) -> _Key:
    """A place above the domain of its calibration, where general knowledge of its kind counts beside it."""
    general = within_power(general_prior(key.device.kind, runtime).efficiency, key.device, dtype)
    return _Key(key.device, beyond(key.efficiency, general, octaves))


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
def _shipped_models(same: _Same, workload: Workload, model: str, image_size: float | None) -> LatencyModels:
    return _models(same.devices, workload, model, image_size)


class _Key:
    """Equal to another of the very same device (hashing its figures takes longer than a query) and equal shares."""

    __slots__ = ("device", "efficiency", "figures")

    def __init__(self, device: Device, efficiency: Efficiency) -> None:
        self.device, self.efficiency = device, efficiency
        if efficiency is TEXTBOOK:
            self.figures: tuple[object, ...] = ()
            return
        values = [getattr(efficiency, item.name) for item in fields(efficiency)]
        self.figures = tuple(frozenset(each.items()) if isinstance(each, Mapping) else each for each in values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.device is self.device and other.figures == self.figures

    def __hash__(self) -> int:
        return hash((id(self.device), self.figures))


@lru_cache(maxsize=256)
def _kept(key: _Key) -> CalibratedDevice:
    """One place per device and calibration: templates keep what they worked out for a place."""
    return CalibratedDevice(key.device, key.efficiency)
