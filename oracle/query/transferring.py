"""Networks measured on one device, predicted on another: their own residual there, carried over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from oracle._frozen import Frozen
from oracle.calibration import Calibration, transfer
from oracle.config import load_cfg
from oracle.devices import Device
from oracle.errors import ConfigError, WorkloadError
from oracle.families import to_spec
from oracle.query.calibrating import rows_on
from oracle.query.choosing import calibration_for, loaded
from oracle.query.cost import Cost, DeviceTime
from oracle.query.devices import find_devices
from oracle.query.models import models_for
from oracle.query.running import thread_count
from oracle.query.scoring import score_net
from oracle.query.trust import Trust
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.measure import Measurement

Measured: TypeAlias = "Mapping[str | Path | Device, str | Path | Iterable[Measurement]]"
"""Device -> what was measured on it: a CSV file (see `oracle.measure`), or its rows."""

_FITTED = ("dtype", "mode", "runtime", "engine", "layout")
_ALIKE = (*_FITTED, "weights")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What was measured on another device."""

    device: Device
    rows: tuple[Measurement, ...]


def elsewhere(measured: Measured) -> list[Elsewhere]:
    """The measurements of each device that is named, those of others left out.

    Raises:
        OracleError: an unknown device, a file that cannot be read, or one that has nothing about its device.
    """
    found = []
    for source, table in measured.items():
        (device,) = find_devices([source])
        own, there = rows_on(device, table)
        if not own:
            raise WorkloadError(f"transfer from device={device.name!r}: no measurement is of it, only of {there}")
        found.append(Elsewhere(device, tuple(own)))
    return found


def here_and_there(
    calibrations: Iterable[Calibration | str | Path], there: Sequence[Elsewhere], devices: Sequence[Device]
) -> tuple[list[Calibration], list[Calibration]]:
    """A user's own calibrations: those that predict, and those of devices that are only measured on."""
    own = loaded(calibrations)
    requested = {device.name for device in devices}
    only = {place.device.name for place in there} - requested
    return [item for item in own if item.device not in only], [
        item for item in own if item.device in {place.device.name for place in there}
    ]


def carry(
    cost: Cost,
    net: NetSpec,
    there: Sequence[Elsewhere],
    devices: Sequence[Device],
    model: str = "best",
    own: Sequence[Calibration] = (),
) -> Cost:
    """A cost whose latency on each device is carried over, where the network was measured on another one.

    Latency here is what the model predicts here, times measured over predicted there, and never below the bound.
    Times of single kernels stay as predicted. A device for which nothing fits keeps its prediction.

    Args:
        cost: as scored.
        net: its network.
        there: what was measured elsewhere; a row counts if it is of the same network, under the same dtype, mode,
            runtime and layout. The one of the nearest batch size is taken.
        devices: those of the cost.
        model: that of the cost, for both devices.
        own: calibrations of the user's for either device.
    """
    times = {
        device.name: _carried(cost, net, device, found[1], found[0], model, own)
        if (found := _nearest(cost, net, there, device))
        else cost.times[device.name]
        for device in devices
    }
    return replace(cost, times=Frozen(times))


def _nearest(cost: Cost, net: NetSpec, there: Sequence[Elsewhere], device: Device) -> tuple[Device, Measurement] | None:
    """The measurement to carry over: of the nearest batch size, on a device of the same kind if there is a choice."""
    rows = [
        (place.device, row)
        for place in there
        if place.device.name != device.name
        for row in place.rows
        if _alike(row.workload, cost.workload) and _is_of(row.network, net)
    ]
    batch = np.log(cost.workload.batch_size)
    return min(
        rows,
        key=lambda pair: (abs(np.log(pair[1].workload.batch_size) - batch), pair[0].kind != device.kind),
        default=None,
    )


def _alike(a: Workload, b: Workload) -> bool:
    return all(getattr(a, name) == getattr(b, name) for name in _ALIKE)


def _is_of(source: str, net: NetSpec) -> bool:
    """Whether a row's name or path stands for the network: by name first, for reading configs takes long."""
    if net.name.lower() not in (source.lower(), Path(source).stem.lower()):
        return False
    try:
        found = to_spec(load_cfg(source))
    except ConfigError:  # a file of somebody else's
        return False
    return found == net


def _carried(
    cost: Cost,
    net: NetSpec,
    device: Device,
    row: Measurement,
    there: Device,
    model: str,
    own: Sequence[Calibration],
) -> DeviceTime:
    time = cost.times[device.name]
    at = [item for item in own if item.device == there.name]
    predicted = _latency_s(net, there, row.workload, model, at)
    bound = _latency_s(net, device, cost.workload, "roofline", ())
    seconds = transfer(*(np.array([s]) for s in (row.latency_ms * 1e-3, predicted, time.latency_ms * 1e-3, bound)))
    trust = _trust(device, there, row, cost.workload, model, own)
    latency, least = float(seconds[0]) * 1e3, bound * 1e3
    low, high = trust.interval or (1.0, 1.0)
    return replace(
        time,
        latency_ms=latency,
        model=trust.model,
        expected_error=trust.expected_error,
        source=trust.source,
        interval_ms=None if trust.interval is None else (max(latency * low, least), max(latency * high, least)),
    )


def _latency_s(net: NetSpec, device: Device, workload: Workload, model: str, own: Sequence[Calibration]) -> float:
    cost = score_net(net, workload, models_for(net, [device], workload, model, own))
    return cost.latency_ms[device.name] * 1e-3


def _trust(
    device: Device, there: Device, row: Measurement, workload: Workload, model: str, own: Sequence[Calibration]
) -> Trust:
    """How far off carrying over from that device was found to be; nobody checked it for most pairs."""
    source = f"{row.latency_ms:.4g} ms measured on {there.name}"
    if row.workload.batch_size != workload.batch_size:
        source += f" with batches of {row.workload.batch_size}"
    if model == "roofline":
        return Trust("transfer", None, f"{source}, carried over by the ratio of the two rooflines")
    used = calibration_for(device, workload, own)
    known = used.carried.get(there.name)
    source += ", carried over by the ratio of the two calibrated predictions"
    alike = all(getattr(used, name) == getattr(workload, name) for name in _FITTED)
    threads = used.domain.has_threads(thread_count(device, workload))
    if known is None or used.device != device.name or not (alike and threads):
        return Trust("transfer", None, source)
    return Trust("transfer", known.error, f"{source}; error on {known.networks} networks of both", known.interval)
