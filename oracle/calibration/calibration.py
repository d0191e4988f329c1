"""What calibrating a device gives: the shares of its roofs that it reaches, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from oracle._frozen import Frozen
from oracle.calibration.classes import WHOLES
from oracle.calibration.domain import ANYWHERE, Domain
from oracle.calibration.factors import ENOUGH
from oracle.calibration.fitting import settled_vector
from oracle.calibration.model import Floats, RoofTimes, Stack, refitted, vector_of
from oracle.calibration.prior import Prior
from oracle.calibration.threading import ALIKE, Threading
from oracle.calibration.validation import Validation, cross_validate
from oracle.errors import WorkloadError
from oracle.roofline import Efficiency, textbook_of
from oracle.spec import GENERIC, Workload

_BY_CLASS = ("compute", "memory", "weights", "launches", "savings")


@dataclass(frozen=True)
class Origin:
    """Where measurements are from.

    Attributes:
        source: who measured what, and with which software.
        licence: of the data, an SPDX identifier where there is one.
        date: of the fit, YYYY-MM-DD.
    """

    source: str = "unsourced"
    licence: str = "unknown"
    date: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """How far off networks are that were measured on another device and carried over, see `transfer`.

    Attributes:
        error: mean relative error, neither fit having seen the networks' families.
        interval: of measured over predicted, 80 % of cases; None if nobody checked.
        networks: how many were measured on both.
    """

    error: float
    interval: tuple[float, float] | None
    networks: int


@dataclass(frozen=True)
class Calibration:
    """A device under one runtime and mode, fitted.

    Attributes:
        device: its name; the kind of device for a prior.
        runtime, engine, mode, dtype, layout: what was measured; another dtype is predicted with the same shares of its
            peaks.
        efficiency: shares in (0, 1), so that no prediction beats the textbook's roofline; of classes that the engine
            does not tell apart the same.
        measurements: how many latencies were fitted; 0 for a prior.
        error: mean relative error of predictions for networks that the fit had not seen; None if nobody checked.
        protocol: how the error was found.
        error_by_family: the same per family of networks.
        interval: what `measured / predicted` lies between in 80 % of such cases; None if nobody checked.
        origin: of the measurements.
        domain: batch sizes and image sizes that were measured; without any limit for a prior of kernels.
        threading: how times change with the cores in use, for a processor whose file states its cores.
        carried: other device -> what carrying its measurements over showed; empty if nobody checked.
    """

    device: str
    runtime: str
    mode: str
    dtype: str
    layout: str
    efficiency: Efficiency
    measurements: int = 0
    error: float | None = None
    protocol: str = ""
    error_by_family: Mapping[str, float] = field(default_factory=Frozen)
    interval: tuple[float, float] | None = None
    origin: Origin = Origin()
    carried: Mapping[str, Carried] = field(default_factory=Frozen)
    domain: Domain = ANYWHERE
    engine: str = GENERIC
    threading: Threading = ALIKE

    def __post_init__(self) -> None:
        object.__setattr__(self, "efficiency", _with_parts(self.efficiency, self.engine))

    @property
    def source(self) -> str:
        """One line for people: on what, and on how many measurements, the error was found."""
        if not self.measurements:
            return f"prior of {self.device}: {self.origin.source}"
        many = "1 measurement" if self.measurements == 1 else f"{self.measurements} measurements"
        return f"{many}, {self.protocol}: {self.origin.source} ({self.origin.licence})"

    def interval_ms(self, latency_ms: float) -> tuple[float, float] | None:
        """Where a latency lies in 80 % of cases, given its prediction."""
        return None if self.interval is None else (latency_ms * self.interval[0], latency_ms * self.interval[1])


def _with_parts(efficiency: Efficiency, engine: str) -> Efficiency:
    """Classes that an engine does not tell apart, or nobody gave, reach what those do that they are parts of."""
    own, changes = textbook_of(engine).savings, dict[str, Any]()
    for name in _BY_CLASS:
        found = getattr(efficiency, name)
        wholes = [pair for pair in WHOLES.items() if pair[1] in found and not (pair[0] in own and pair[0] in found)]
        if wholes:
            changes[name] = Frozen({**found, **{part: found[whole] for part, whole in wholes}})
    return replace(efficiency, **changes) if changes else efficiency


def fit(
    device: str,
    networks: Sequence[RoofTimes],
    measured_s: Sequence[float] | Floats,
    prior: Prior,
    workload: Workload,
    *,
    families: Sequence[str] | None = None,
    origin: Origin = Origin(),
    domain: Domain = ANYWHERE,
) -> Calibration:
    """Calibrate a device; any number of measurements, from none, gives the best answer it can.

    Args:
        device: its name.
        networks: what each measured network is at the device's roofs, see `roof_times`; cut as the prior cuts
            products.
        measured_s: seconds per call of each.
        prior: what its kind teaches.
        workload: what was measured; all but its batch size is kept.
        families: of each network, to leave whole families out when the error is estimated; without them single
            networks are.
        origin: of the measurements.
        domain: batch sizes and image sizes of the networks.

    Raises:
        WorkloadError: lengths that differ, or a latency that is not a positive number.
    """
    measured = _checked(measured_s, len(networks), families)
    vector = settled_vector(networks, measured, prior)
    found = cross_validate(networks, measured, prior, families)
    return Calibration(
        device=device,
        runtime=workload.runtime,
        mode=workload.mode,
        dtype=workload.dtype,
        layout=workload.layout,
        efficiency=replace(refitted(prior.efficiency, vector), savings=textbook_of(workload.engine).savings),
        measurements=len(networks),
        error=prior.error if found is None else found.error,
        protocol="of the prior" if found is None else found.protocol,
        error_by_family={} if found is None else found.by_family,
        interval=_interval(found, prior, len(networks)),
        origin=origin,
        domain=domain,
        engine=workload.engine,
    )


def _interval(found: Validation | None, prior: Prior, count: int) -> tuple[float, float] | None:
    """As the device's own measurements show it, else as boards did of which as few were measured, else the prior's."""
    if found is not None and found.interval is not None:
        return found.interval
    return prior.factors.interval if prior.factors is not None and count >= ENOUGH else prior.interval


def predict(calibration: Calibration, networks: Sequence[RoofTimes]) -> Floats:
    """Seconds per call of networks on a calibrated device."""
    return Stack(networks, calibration.efficiency.overlap).seconds(vector_of(calibration.efficiency))


def _checked(measured_s: Sequence[float] | Floats, count: int, families: Sequence[str] | None) -> Floats:
    measured = np.asarray(measured_s, dtype=np.float64)
    if len(measured) != count or (families is not None and len(families) != count):
        raise WorkloadError(
            f"measurements={len(measured)}: expected one latency, and one family, per network ({count})"
        )
    for value in measured.tolist():
        if not (math.isfinite(value) and value > 0):
            raise WorkloadError(f"latency={value!r} s: expected a positive number")
    return measured
