"""How far a prediction is trusted: its error, its source, and the interval that latencies lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from oracle._units import percent
from oracle.calibration import Calibration
from oracle.calibration.domain import widened
from oracle.calibration.intervals import quantile
from oracle.devices import Device
from oracle.devices.cores import CORES
from oracle.query.choosing import kin_of
from oracle.query.running import chooses_float, host_caption, images_at_once, thread_count
from oracle.roofline import steady
from oracle.spec import GENERIC, Workload

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


HOSTS_DIFFER = (0.4, 1.75)
"""What a host takes to launch kernels, over what is known of the one that a device is taken to have: of a desktop, 9 to
40 us, from twice as fast a one as today's to one of 2015 (`oracle.devices.hosts`)."""


HOST_KNOWN = (0.7, 1.25)
"""The same of a host that is named, or on the device's own module: those of `oracle.devices.hosts`, each over what the
other two say of it."""


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


def trust_without(device: Device, workload: Workload) -> Trust:
    """How far to trust the bound, where nothing was measured that a prediction could be made of."""
    requested = f"{workload.runner} {workload.mode}"
    return Trust(
        "roofline",
        None,
        f"lower bound: nothing was measured on {device.name} or another {device.kind} under {requested}; "
        "`oracle calibrate` makes a prediction of measurements",
    )


def trust_of(calibration: Calibration, device: Device, workload: Workload, image_size: float | None = None) -> Trust:
    """How far to trust a calibration for a device, a workload and images of a size (any if None).

    What was found for another dtype, layout or kind of device promises nothing: then error and interval are None.
    Outside of what was measured the interval is wider; by more than an octave, see `Domain.octaves`, there is no error.
    With threads that were not measured there is none either, and the interval is at least as wide as that of its kin.
    """
    found = _trust_in_device(calibration, device, workload, image_size)
    share = device.sustained(workload.dtype)
    if share < 1.0 and found.model == "prior":
        told = percent([share], most=0)[0].strip()
        found = found._replace(source=f"{found.source}; its power sustains {told} % of the peak in products")
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
        words = [*measured[:2], "the generic engine" if calibration.engine == GENERIC else calibration.engine]
        words = words[: 2 if GENERIC == calibration.engine == workload.engine else 3]
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
    kin = kin_of(device, workload)
    general = None if kin is None else trust_of(kin, device, workload).interval
    return hull([calibration.interval, general])


def hull(intervals: Sequence[Interval | None]) -> Interval | None:
    """As wide as all of some intervals; None where one is not known."""
    known = [interval for interval in intervals if interval is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if len(known) == len(intervals) else None
