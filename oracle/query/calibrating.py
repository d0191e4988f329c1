"""Measured latencies -> a calibration of the device they were measured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oracle._versions import today
from oracle.calibration import Calibration, Origin, Prior, RoofTimes, fit, general_prior
from oracle.calibration.domain import ANYWHERE, Domain
from oracle.calibration.factors import BOARDS
from oracle.calibration.model import Stack, roof_times
from oracle.calibration.shipped import within_power
from oracle.calibration.threading import at_cores
from oracle.closedform import network_form, shared_store
from oracle.closedform.calibrated import CalibratedDevice
from oracle.config import load_cfg
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.families import to_spec
from oracle.query.choosing import best_calibration
from oracle.query.devices import find_devices
from oracle.query.models import image_size_of
from oracle.query.running import call_count, dispatch_s, images_at_once, run_on, thread_count
from oracle.query.trust import trust_of
from oracle.roofline import TEXTBOOK, Efficiency
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.measure import Measurement

_WORDS = ("dtype", "mode", "runner", "layout", "weights")
_IMPOSSIBLE = 5.0  # boost clocks, caches and Winograd's convolutions run up to about twice as fast as a stated peak
_IMPLAUSIBLE = 50.0  # slow hosts and untuned kernels cost up to ten times what a kind commonly needs; units, a thousand


class Measured(NamedTuple):
    """A measurement, with the network it is of."""

    item: Measurement
    net: NetSpec
    family: str


def calibrate(
    device: str | Path | Device,
    measurements: str | Path | Iterable[Measurement],
    *,
    source: str = "",
    licence: str = "unstated",
    dtype: str | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    layout: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
) -> Calibration:
    """Fit what a device reaches of its roofs to latencies measured on it, near what predicts without them.

    Args:
        device: name, path or device.
        measurements: path of a CSV file (see `oracle.measure`), or rows; those of other devices are left out.
        source: who measured, shown with every prediction.
        licence: of the measurements.
        dtype: take measurements of this type alone, where there are several; likewise for the keywords that follow.
        mode: inference or training.
        runtime: eager, compiled or engine.
        layout: nchw or nhwc.
        engine: name of an engine.
        threads: of a processor.

    Returns:
        The calibration, with the mean relative error on networks that the fit had not seen where there are enough.

    Raises:
        OracleError: measurements that cannot be read, none of this device, more than one workload, a network that
            cannot be built, or latencies in another unit.

    Examples:
        >>> import oracle
        >>> from oracle import Measurement
        >>> names = ("RegNetX-200MF", "RegNetX-800MF", "ResNet-50")
        >>> scores = oracle.score_many(names, ["t4"], model="roofline")
        >>> latencies = 2 * scores.latency_ms["t4"]
        >>> rows = [Measurement(name, "t4", oracle.Workload(), ms) for name, ms in zip(names, latencies)]
        >>> oracle.calibrate("t4", rows).measurements
        3
    """
    (place,) = find_devices([device])
    words = {"dtype": dtype, "mode": mode, "runtime": runtime, "layout": layout, "engine": engine, "threads": threads}
    chosen = measured_on(place, measurements, **words)
    workload = chosen[0].item.workload
    calls = [call_count(item.workload) for item, _, _ in chosen]
    at_once = [images_at_once(item.workload) for item, _, _ in chosen]
    named = source or (Path(measurements).name if isinstance(measurements, (str, Path)) else "unsourced")
    prior = prior_of(place, workload)
    plain = _at_roofs(place, workload, chosen, at_once)
    seconds = [item.latency_ms * 1e-3 / count for (item, _, _), count in zip(chosen, calls, strict=True)]
    sides = [image_size_of(net.input_shape) for _, net, _ in chosen]

    def fitted(cut: Efficiency) -> Calibration:
        networks = _at_roofs(place, workload, chosen, at_once, cut) if cut.tiled or cut.packing else plain
        _check_unit(place, chosen, networks, plain, seconds, prior)
        return fit(
            place.name,
            networks,
            seconds,
            prior,
            workload,
            families=[family for _, _, family in chosen],
            origin=Origin(named, licence, today()),
            domain=_domain(at_once, sides, thread_count(place, workload)),
        )

    found = fitted(prior.efficiency)
    # Tiles take exactly as long as fitted only at the shares that they were timed at.
    return fitted(found.efficiency) if found.efficiency.tiled and not found.efficiency.blocking else found


def _at_roofs(
    device: Device, workload: Workload, chosen: Sequence[Measured], batches: Sequence[int], cut: Efficiency = TEXTBOOK
) -> list[RoofTimes]:
    """The measured networks at the roofs of a device, which cuts products as `cut` says."""
    place = CalibratedDevice(run_on(device, workload), cut)
    networks = []
    for (item, net, _), batch_size in zip(chosen, batches, strict=True):
        form = network_form(shared_store(), net, item.workload.with_(batch_size=batch_size))
        kinds, (matrix, vector, traffic, weights) = form.every_kernel()
        networks.append(
            roof_times(
                *(kinds, matrix, vector, traffic, place.device, weights, workload.engine),
                cut=place.holding(form.flash_bytes).efficiency,
                products=form.every_product if cut.tiled else None,
            )
        )
    return networks


def _domain(batches: Sequence[int], sides: Sequence[float | None], threads: int) -> Domain:
    """What was measured; anywhere where some networks take no images."""
    images = [round(side) for side in sides if side is not None]
    found = Domain.of(batches, images) if len(images) == len(sides) else ANYWHERE
    return found._replace(threads=(threads, threads)) if threads else found


def _check_unit(
    device: Device,
    chosen: Sequence[Measured],
    networks: Sequence[RoofTimes],
    plain: Sequence[RoofTimes],
    seconds: Sequence[float],
    prior: Prior,
) -> None:
    """That latencies are in milliseconds, by what networks need as the prior has them and at the textbook's roofs."""
    ratio = float(np.median(np.array(seconds) / Stack(networks, prior.efficiency.overlap).seconds(prior.mean)))
    if not 1 / _IMPLAUSIBLE < ratio < _IMPLAUSIBLE:
        raise WorkloadError(
            f"latency_ms: of device={device.name!r} they are {ratio:.3g} times what a {device.kind} commonly needs; "
            "expected milliseconds per call"
        )
    for (item, net, _), network, call_s in zip(chosen, plain, seconds, strict=True):
        bound_s = network.roofline_s
        if call_s < bound_s / _IMPOSSIBLE:
            bound_ms = bound_s * item.latency_ms / call_s
            raise WorkloadError(
                f"latency_ms={item.latency_ms:.4g} of {net.name or item.network}: device={device.name!r} cannot be "
                f"faster than {bound_ms:.4g} at its peaks; expected milliseconds per call"
            )


def measured_on(
    device: Device, measurements: str | Path | Iterable[Measurement], **words: str | int | None
) -> list[Measured]:
    """The measurements of a device under one workload (of any batch size); equal rows count once.

    Args:
        device: its name, title or an alias stands in the rows.
        measurements: a CSV file, or rows.
        words: dtype, mode, runtime, layout, engine, threads; None for whichever there is.

    Raises:
        OracleError: as `calibrate`.
    """
    own, there = rows_on(device, measurements)
    here = [_told_apart(item, device) for item in own]
    if not here:
        raise WorkloadError(f"device={device.name!r}: no measurement is of it (or of {device.title!r}), only {there}")
    kept = [item for item in here if all(getattr(item.workload, k) == v for k, v in words.items() if v is not None)]
    if not kept:
        requested = ", ".join(f"{name}={value!r}" for name, value in words.items() if value is not None)
        raise WorkloadError(f"{requested}: no measurement is of it; there are {_listed(here)}")
    if len(_workloads(kept)) > 1:
        raise WorkloadError(f"measurements are of several workloads, choose one: {_listed(kept)}")
    if len({(item.cache, item.workload.cuda_graphs) for item in kept}) > 1:
        raise WorkloadError("measurements are with and without a swept cache or CUDA graphs: expected a file of each")
    return [_resolved(item) for item in dict.fromkeys(kept)]


def rows_on(device: Device, measurements: str | Path | Iterable[Measurement]) -> tuple[list[Measurement], str]:
    """The measurements of a device, by its name, title or an alias; and which devices there are any of, in words."""
    from oracle.measure import read_measurements

    rows = read_measurements(measurements) if isinstance(measurements, (str, Path)) else list(measurements)
    names = {device.name, device.title, *device.aliases}
    return [row for row in rows if row.device in names], ", ".join(sorted({row.device for row in rows})) or "nothing"


def _told_apart(item: Measurement, device: Device) -> Measurement:
    """A row with what its workload says of the device: threads of the host are none of a GPU's."""
    if device.kind.endswith("-cpu") or not item.workload.threads:
        return item
    return replace(item, workload=item.workload.with_(threads=0))


def _workloads(rows: Sequence[Measurement]) -> list[tuple[str, ...]]:
    found = {(*(getattr(item.workload, name) for name in _WORDS), item.workload.threads) for item in rows}
    return [(*words, f"{threads} threads" if threads else "") for *words, threads in sorted(found)]


def _listed(rows: Sequence[Measurement]) -> str:
    return "; ".join(", ".join(filter(None, words)) for words in _workloads(rows))


def _resolved(item: Measurement) -> Measured:
    cfg = load_cfg(item.network)
    return Measured(item, to_spec(cfg), item.family or str(cfg.MODEL.TYPE))


def prior_of(device: Device, workload: Workload) -> Prior:
    """What is known of a device before measurements: what predicts without them, or general knowledge."""
    known = best_calibration(device, workload)
    if known is None:
        general = general_prior(device.kind, workload.runtime, dispatch_s(device, workload))
        return replace(general, efficiency=within_power(general.efficiency, device, workload.dtype))
    trust = trust_of(known, device, workload)
    efficiency = at_cores(known.efficiency, known.threading, run_on(device, workload))
    own_s = efficiency.dispatch_s if known.device == device.name else None
    efficiency = replace(efficiency, dispatch_s=dispatch_s(device, workload, own_s))
    factors = BOARDS if known.engine == "ncnn" and known.device != device.name else None
    return Prior(efficiency, source=trust.source, error=trust.expected_error, interval=trust.interval, factors=factors)
