"""Profiled calls of a network as a measurement, or as a calibration of the device they ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from oracle._versions import today
from oracle.calibration import Calibration, Origin, fit
from oracle.closedform.calibrated import CalibratedDevice
from oracle.counting.networks import NetCount
from oracle.devices import Device
from oracle.errors import OracleError
from oracle.imports.matching import match_operators
from oracle.imports.points import calibration_points
from oracle.imports.replay import OperatorCall
from oracle.query.calibrating import prior_of
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.imports.engines import Report
    from oracle.measure import Measurement

_Calls = Sequence[Sequence[OperatorCall]]


def measurement_of(network: str, workload: Workload, parts: _Calls, device: Device) -> Measurement:
    """The median over the calls of the time in their operators; what passed between operators is not in it.

    Args:
        network: name or path, as it will be looked up again.
        workload: what ran.
        parts: the operators of each call.
        device: where.
    """
    from oracle.measure import Measurement

    times_ms = [sum(call.seconds for call in part) * 1e3 for part in parts]
    return Measurement(
        network, device.name, workload, median(times_ms), min_ms=min(times_ms), repeats=len(parts), date=today()
    )


def fit_operators(
    parts: _Calls, count: NetCount, workload: Workload, device: Device, source: str | Path
) -> Calibration:
    """A device fitted to matched operators, each a measurement of its own.

    What a call costs beside its operators is not in them: there the prior stands in.

    Args:
        parts: the operators of each call of the network.
        count: of the network.
        workload: what ran.
        device: where.
        source: the trace, shown with every prediction.

    Raises:
        DeviceError: the device states no peak for a dtype that was used.
    """
    found = [match_operators(part, count.kernels, workload) for part in parts]
    prior, weight_bytes = prior_of(device, workload), sum(kernel.weight_bytes for kernel in count.kernels)
    cut = CalibratedDevice(device, prior.efficiency).holding(weight_bytes).efficiency
    points = [calibration_points(matching, count, device, workload.runner, cut) for matching in found]
    rows, seconds = [row for own, _ in points for row in own], [time for _, own in points for time in own]
    origin = Origin(f"operators of {Path(source).name}", "unstated", today())
    return fit(device.name, rows, seconds, prior, workload, origin=origin)


def measurements_of(
    report: Report, device: Device, networks: Mapping[str, str], words: Mapping[str, Any]
) -> list[Measurement]:
    """The runs of an engine's report as measurements.

    Args:
        report: with timings.
        device: where.
        networks: what the report calls a network -> its name or path here; "" for the one of a report without names.
            One that is not among them keeps its name.
        words: fields of `Workload`, which overrule what the report says; None leaves one alone.

    Raises:
        OracleError: a report without runs or networks without names; a word that no workload has.
    """
    from oracle.measure import Measurement

    if not report.timings:
        raise OracleError("the report holds layers and no runs: measurements need the time of the whole network")
    found = []
    for timing in report.timings:
        network = networks.get(timing.network) or networks.get("") or timing.network
        if not network:
            raise OracleError(f"{timing.source}: names no network: say --network")
        stated = {"engine": report.engine or None, "runtime": "engine", **dict(timing.words)}
        try:
            workload = Workload().with_(
                **{**stated, **{name: value for name, value in words.items() if value is not None}}
            )
        except OracleError as error:
            raise OracleError(f"{timing.source}: {error}") from None
        found.append(
            Measurement(
                network,
                device.name,
                workload,
                timing.latency_ms,
                iqr_ms=timing.iqr_ms,
                min_ms=timing.min_ms,
                repeats=timing.repeats,
                date=today(),
            )
        )
    return found
