"""Who predicts the latency on each device: the roofline's bound, or a calibration; and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import log2
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from oracle._frozen import Frozen
from oracle._resources import shipped
from oracle.calibration import Calibration, calibration_of, general_prior, load_calibration
from oracle.calibration.domain import beyond, widened
from oracle.calibration.intervals import quantile
from oracle.calibration.shipped import TWINS, engines_like, kin_calibration
from oracle.calibration.threading import ALIKE, Threading, at_cores
from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.mixed import check_mixed
from oracle.devices import Device
from oracle.devices.cores import CORES
from oracle.devices.files import is_path
from oracle.errors import WorkloadError
from oracle.query.running import (
    call_count,
    chooses_float,
    dispatch_s,
    host_caption,
    images_at_once,
    in_calls,
    run_on,
    thread_count,
)
from oracle.roofline import TEXTBOOK, Efficiency, steady, textbook_of
from oracle.spec import GENERIC, Workload

__all__ = [
    "HOSTS_DIFFER",
    "HOST_KNOWN",
    "MODELS",
    "Interval",
    "LatencyModels",
    "Trust",
    "best_calibration",
    "calibration_for",
    "checked_calibrations",
    "image_size_of",
    "interval_ms",
    "kin_of",
    "latency_models",
    "quantile_ms",
    "trust_of",
    "trust_without",
]

MODELS = ("best", "roofline", "calibrated")
"""What can predict: the best there is for each device; the textbook's lower bound alone; or a calibration, and an error
where there is none."""


Interval: TypeAlias = tuple[float, float]


class Trust(NamedTuple):
    """How far to trust a prediction.

    Attributes:
        model: roofline, calibrated (the device itself was measured), or prior (only others of its kind were).
        expected_error: mean relative error on networks that the fit had not seen; None if nobody checked.
        source: on what, and on how many measurements, the error was found; what was not measured, if anything.
        interval: what measured over predicted lies between in 80 % of cases; None if nobody checked.
        host: the processor that launches kernels one by one, and who says so; "" where none does.
        host_interval: what a host takes over what is predicted: `HOST_KNOWN`, or `HOSTS_DIFFER` where it is assumed.
    """

    model: str
    expected_error: float | None = None
    source: str = ""
    interval: Interval | None = None
    host: str = ""
    host_interval: Interval = (1.0, 1.0)

    @property
    def intervals(self) -> tuple[Interval, Interval] | None:
        """Of the device's part of a latency and of its host's; None if nobody checked."""
        return None if self.interval is None else (self.interval, self.host_interval)


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
HOSTS_DIFFER = (0.4, 1.75)
"""What a host takes to launch kernels, over what is known of the one that a device is taken to have: of a desktop, 9 to
40 us, from twice as fast a one as today's to one of 2015 (`oracle.devices.hosts`)."""

HOST_KNOWN = (0.7, 1.25)
"""The same of a host that is named, or on the device's own module: those of `oracle.devices.hosts`, each over what the
other two say of it."""


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
        interval=_hull([trust.interval for trust in every]),
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
            key = _outside(key, workload.runtime, octaves)
        if (calls := call_count(workload)) > 1:
            key = _Key(key.device, in_calls(key.efficiency, calls))
        places[device.name] = _kept(key)
        trust[device.name] = trust_of(fit, device, workload, image_size)
    return LatencyModels(Frozen(places), Frozen(trust), textbook)


def interval_ms(
    kernels_s: Any,
    host_s: Any,
    call_s: float,
    intervals: tuple[Interval, Interval],
    least_ms: Any,
    largest: Callable[[Any, Any], Any] = max,
) -> tuple[Any, Any]:
    """Where a latency lies: the device's part as far off as was found, the host's as far as hosts differ.

    Args:
        kernels_s, host_s: what the device and its host take for the kernels; numbers, or columns.
        call_s: seconds per call beside.
        intervals: of measured over predicted, see `Trust.intervals`.
        least_ms: the lower bound, below which no end lies.
        largest: of two; numpy's for columns.
    """
    low, high = (
        _at_ratios_ms(kernels_s, host_s, call_s, device, host, least_ms, largest)
        for device, host in zip(*intervals, strict=True)
    )
    return low, high


def quantile_ms(
    kernels_s: Any,
    host_s: Any,
    call_s: float,
    intervals: tuple[Interval, Interval],
    least_ms: Any,
    probability: float,
    largest: Callable[[Any, Any], Any] = max,
) -> Any:
    """What a latency stays below with a probability; at 10 % and 90 % an end of `interval_ms`.

    Args:
        kernels_s, host_s, call_s, intervals, least_ms, largest: as in `interval_ms`.
        probability: see `oracle.calibration.intervals.quantile`.

    Raises:
        ValueError: a probability that the interval says nothing of.
    """
    device, host = (quantile(ends, probability) for ends in intervals)
    return _at_ratios_ms(kernels_s, host_s, call_s, device, host, least_ms, largest)


def _at_ratios_ms(
    kernels_s: Any,
    host_s: Any,
    call_s: float,
    device: float,
    host: float,
    least_ms: Any,
    largest: Callable[[Any, Any], Any],
) -> Any:
    """The latency where the device and the host take so many times as long as predicted."""
    return largest(steady(largest(kernels_s * device, host_s * host) + call_s * device) * 1e3, least_ms)


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
    kin = kin_of(device, workload.with_(batch_size=1, threads=0))
    return ALIKE if kin is None else kin.threading, used, run_on(device, workload.with_(threads=nearest))


@lru_cache(maxsize=256)
def _outside(key: _Key, runtime: str, octaves: float) -> _Key:
    """A place above the domain of its calibration, where general knowledge of its kind counts beside it."""
    return _Key(key.device, beyond(key.efficiency, general_prior(key.device.kind, runtime).efficiency, octaves))


def trust_without(device: Device, workload: Workload) -> Trust:
    """How far to trust the bound, where nothing was measured that a prediction could be made of."""
    requested = f"{workload.runner} {workload.mode}"
    return Trust(
        "roofline",
        None,
        f"lower bound: nothing was measured on {device.name} or another {device.kind} under {requested}; "
        "`oracle calibrate` makes a prediction of measurements",
    )


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
    if own and model == "roofline":
        raise WorkloadError(f"model={model!r} uses no calibration; say best")
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
    found = best_calibration(device, workload, own)
    if found is None:
        near = _nearest(device, workload)
        there = f"there are {', '.join(near)}; " if near else ""
        raise WorkloadError(
            f"runtime={workload.runtime!r}, mode={workload.mode!r}: no calibration of device={device.name!r} and no "
            f"prior of its kind, {device.kind}, in any dtype; {there}`oracle calibrate` makes one of measurements"
        )
    return found


def best_calibration(device: Device, workload: Workload, own: Iterable[Calibration] = ()) -> Calibration | None:
    """As `calibration_for`; None where there is none. Of several of the user's, the one most like the workload.

    Raises:
        WorkloadError: the user's own is of another runtime or mode.
    """
    mine = [item for item in own if item.device == device.name]
    if not mine:
        return _shipped(device, workload.with_(batch_size=1, threads=0))
    usable = [item for item in mine if (item.runtime, item.mode) == (workload.runtime, workload.mode)]
    if not usable:
        there = ", ".join(f"{item.runtime} {item.mode}" for item in mine)
        requested = f"runtime={workload.runtime!r}, mode={workload.mode!r}"
        raise WorkloadError(f"{requested}: the calibration given for device={device.name!r} is of {there}")
    threads = thread_count(device, workload)
    return max(
        usable,
        key=lambda item: (
            *(getattr(item, word) == getattr(workload, word) for word in ("engine", "dtype", "layout")),
            -abs(log2((item.domain.nearest_threads(threads) or 1) / (threads or 1))),
        ),
    )


def _nearest(device: Device, workload: Workload, most: int = 3) -> list[str]:
    """The shipped calibrations of a device and its kind, those that differ least from a workload first."""
    requested = (device.name, workload.runner, workload.mode, workload.dtype, workload.layout)
    known = [name.split(".") for name in shipped("calibrations")]
    own = [words for words in known if words[0] in (device.name, device.kind)]
    own.sort(key=lambda words: sum(word != other for word, other in zip(words, requested, strict=True)))
    return [f"{name} ({', '.join(words)})" for name, *words in own[:most]]


def trust_of(calibration: Calibration, device: Device, workload: Workload, image_size: float | None = None) -> Trust:
    """How far to trust a calibration for a device, a workload and images of a size (any if None).

    What was found for another dtype, layout or kind of device promises nothing: then error and interval are None.
    Outside of what was measured the interval is wider; by more than an octave, see `Domain.octaves`, there is no error.
    With threads that were not measured there is none either, and the interval is at least as wide as that of its kin.
    """
    found = _trust_in_device(calibration, device, workload, image_size)
    host = host_caption(device, workload)
    if not host:
        return found
    known = workload.host or device.kind == "embedded-gpu"  # whose host is on its module
    return found._replace(host=host, host_interval=HOST_KNOWN if known else HOSTS_DIFFER)


def _trust_in_device(calibration: Calibration, device: Device, workload: Workload, image_size: float | None) -> Trust:
    """The same, but for its host."""
    model = "calibrated" if calibration.device == device.name else "prior"
    measured, requested = ((item.dtype, item.layout, item.engine) for item in (calibration, workload))
    if chooses_float(device, workload) and calibration.dtype != "int8":
        measured = requested[:1] + measured[1:]
    core = device.cores[0].kind if device.cores else device.kind
    if calibration.device not in (device.name, device.kind, core):
        wanted = core if calibration.device in CORES else device.kind
        return Trust(model, None, f"{calibration.source}, for want of one of {wanted}")
    if measured != requested:
        words = [word for word in measured if word != GENERIC or workload.engine != GENERIC]
        return Trust(model, None, f"{calibration.source}; fitted to {', '.join(words)}")
    together, threads = images_at_once(workload), thread_count(device, workload)
    octaves = calibration.domain.octaves(together, image_size)
    known = calibration.domain.has_threads(threads)
    if known and not octaves:
        return Trust(model, calibration.error, calibration.source, calibration.interval)
    outside = calibration.domain.describe(together, image_size, threads)
    source = f"{calibration.source}; {outside}" if outside else calibration.source
    error = calibration.error if known and abs(octaves) <= 1 else None
    interval = calibration.interval if known or model == "prior" else _of_any_threads(calibration, device, workload)
    return Trust(model, error, source, widened(interval, octaves))


def _of_any_threads(calibration: Calibration, device: Device, workload: Workload) -> Interval | None:
    """Where a device's own calibration lies with threads that were not measured: as far off as its kin's, or more."""
    kin = kin_of(device, workload.with_(batch_size=1, threads=0))
    general = None if kin is None else trust_of(kin, device, workload).interval
    return _hull([calibration.interval, general])


def _hull(intervals: Sequence[Interval | None]) -> Interval | None:
    """As wide as all of some intervals; None where one is not known."""
    known = [interval for interval in intervals if interval is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if len(known) == len(intervals) else None


@lru_cache(maxsize=256)
def kin_of(device: Device, workload: Workload) -> Calibration | None:
    """What was calibrated of others like a device, the nearest engine first; None if nothing was."""
    found = (kin_calibration(device, workload, engine) for engine in engines_like(workload))
    return next(filter(None, found), None)


@lru_cache(maxsize=256)
def _shipped(device: Device, workload: Workload) -> Calibration | None:
    """Reading YAML costs more than scoring, and what ships does not change."""
    for engine in engines_like(workload):
        own = calibration_of(device, workload, engine)
        if own is not None and (own.error is not None or own.dtype in (workload.dtype, *TWINS.get(workload.dtype, ()))):
            return own
        # Kernels that were measured alone, in another dtype, say less of a network than what the kind teaches.
        prior = kin_calibration(device, workload, engine)
        if prior is not None or own is not None:
            return prior or own
    return None


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
        mappings = (
            *(efficiency.compute, efficiency.memory, efficiency.launches, efficiency.weights),
            efficiency.savings,
        )
        shares = (frozenset(mapping.items()) for mapping in mappings)
        times = efficiency.launch_s, efficiency.call_s, efficiency.floor_s, efficiency.dispatch_s, efficiency.overlap
        cuts = efficiency.tiling, efficiency.attention_tiling, efficiency.cached_attention, efficiency.cache
        self.figures = (*shares, *times, *cuts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.device is self.device and other.figures == self.figures

    def __hash__(self) -> int:
        return hash((id(self.device), self.figures))


@lru_cache(maxsize=256)
def _kept(key: _Key) -> CalibratedDevice:
    """One place per device and calibration: templates keep what they worked out for a place."""
    return CalibratedDevice(key.device, key.efficiency)
