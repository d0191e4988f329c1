"""Which calibration answers for a device and a workload: one's own, the shipped one, or that of its kin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import log2
from pathlib import Path

from oracle._resources import shipped
from oracle.calibration import Calibration, calibration_of, load_calibration
from oracle.calibration.shipped import TWINS, engines_like, kin_calibration
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.query.running import thread_count
from oracle.spec import Workload

MODELS = ("best", "roofline", "calibrated")
"""What can predict: the best there is for each device; the textbook's lower bound alone; or a calibration, and an error
where there is none."""


def loaded(calibrations: Iterable[Calibration | str | Path]) -> tuple[Calibration, ...]:
    """Calibrations, of which some are named by their files.

    Raises:
        DeviceError: a file that is no calibration.
    """
    return tuple(item if isinstance(item, Calibration) else load_calibration(item) for item in calibrations)


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
    own = loaded(calibrations)
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
        return _shipped(device, _for_any_call(workload))
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


def kin_of(device: Device, workload: Workload) -> Calibration | None:
    """What was calibrated of others like a device, the nearest engine first; None if nothing was."""
    return _kin(device, _for_any_call(workload))


def _for_any_call(workload: Workload) -> Workload:
    """Without what files of calibrations do not tell apart, so that each is read once for all batches and threads."""
    return workload.with_(batch_size=1, threads=0)


@lru_cache(maxsize=256)
def _kin(device: Device, workload: Workload) -> Calibration | None:
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
