"""Predictions beside measurements: how far off, in what order, and how good a choice by them would have been."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oracle._ranks import kendall_tau_b, spearman_rho
from oracle._shown import Shown
from oracle.calibration import Calibration
from oracle.devices import Device
from oracle.query.calibrating import measured_on
from oracle.query.choosing import loaded
from oracle.query.cost import DeviceTime
from oracle.query.devices import find_devices
from oracle.query.models import models_for
from oracle.query.ranking import is_dominated
from oracle.query.scoring import score_net
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.measure import Measurement

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement and its prediction.

    Attributes:
        network, family: its name and family.
        workload: how it ran.
        measured_ms: per call.
        time: the prediction.
        macs: per call.
        accuracy: of the network; None where the measurements do not state it.
    """

    network: str
    family: str
    workload: Workload
    measured_ms: float
    time: DeviceTime
    macs: int
    accuracy: float | None = None

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.time.latency_ms / self.measured_ms - 1

    @property
    def held(self) -> bool | None:
        """Whether the interval holds the measurement; None without one."""
        interval = self.time.interval_ms
        return None if interval is None else interval[0] <= self.measured_ms <= interval[1]


@dataclass(frozen=True)
class Comparison(Shown):
    """All cases of a device. Orders and choices are by latency per image, so that batch sizes may differ.

    Attributes:
        device: its name.
        cases: in the order of the measurements.
    """

    device: str
    cases: tuple[Case, ...]

    @cached_property
    def _errors(self) -> Floats:
        return np.abs([case.error for case in self.cases])

    @cached_property
    def _per_image(self) -> tuple[Floats, Floats, Floats]:
        """What a network is worth, measured and predicted latency of one image."""
        rows = [
            (
                case.macs / n if case.accuracy is None or self.worth == "macs" else case.accuracy,
                case.measured_ms / n,
                case.time.latency_ms / n,
            )
            for case in self.cases
            for n in (case.workload.batch_size,)
        ]
        macs, measured, predicted = np.array(rows, dtype=np.float64).T
        return macs, measured, predicted

    @property
    def worth(self) -> str:
        """What the front weighs latency against: accuracy where all measurements state it, else MACs."""
        return "macs" if any(case.accuracy is None for case in self.cases) else "accuracy"

    @property
    def mape(self) -> float:
        """Mean of |error|."""
        return float(self._errors.mean())

    @property
    def median(self) -> float:
        """Median of |error|."""
        return float(np.median(self._errors))

    @property
    def within_10(self) -> float:
        """Share of cases with an error of at most 10 %."""
        return float((self._errors <= 0.1).mean())

    @property
    def coverage(self) -> float | None:
        """Share of measurements inside their interval; None without intervals."""
        held = [case.held for case in self.cases if case.held is not None]
        return float(np.mean(held)) if held else None

    @property
    def kendall_tau(self) -> float:
        """Agreement of the two orders, -1 to 1; nan for a single case."""
        return kendall_tau_b(*self._per_image[1:])

    @property
    def spearman_rho(self) -> float:
        """The same by Spearman."""
        return spearman_rho(*self._per_image[1:])

    @property
    def by_family(self) -> Mapping[str, tuple[int, float, float]]:
        """Family -> cases, mean of |error| and mean error, the worst first."""
        groups: dict[str, list[float]] = {}
        for case in self.cases:
            groups.setdefault(case.family, []).append(case.error)
        found = {name: (len(e), float(np.abs(e).mean()), float(np.mean(e))) for name, e in groups.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1][1]))

    @property
    def worst(self) -> tuple[Case, ...]:
        """The cases, the largest |error| first."""
        return tuple(sorted(self.cases, key=lambda case: -abs(case.error)))

    @property
    def front(self) -> tuple[int, int, int]:
        """What is Pareto-optimal in worth and latency: by measurement, by both, and by prediction.

        A network is where no other is worth more in no more time, or as much in less; see `worth`.
        """
        worth, measured, predicted = self._per_image
        true, found_front = ~is_dominated(measured, worth), ~is_dominated(predicted, worth)
        return int(true.sum()), int((true & found_front).sum()), int(found_front.sum())

    @property
    def regret(self) -> tuple[float, float]:
        """What choosing by the prediction costs, mean and maximum over the networks of the predicted front.

        It is the measured latency of one over that of the fastest network that is worth as much, less 1.
        """
        worth, measured, predicted = self._per_image
        chosen = np.flatnonzero(~is_dominated(predicted, worth))
        regrets = np.array([measured[i] / measured[worth >= worth[i]].min() - 1 for i in chosen])
        return float(regrets.mean()), float(regrets.max())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the cases."""
        true, found, found_front = self.front
        mean, largest = self.regret
        return {
            "device": self.device,
            "measurements": len(self.cases),
            "kendall_tau": self.kendall_tau,
            "spearman_rho": self.spearman_rho,
            "mape": self.mape,
            "median_error": self.median,
            "within_10_percent": self.within_10,
            "interval_coverage": self.coverage,
            "pareto": {"worth": self.worth, "measured": true, "predicted": found_front, "found": found},
            "regret": {"mean": mean, "max": largest},
            "by_family": {
                name: {"measurements": count, "mape": error, "bias": bias}
                for name, (count, error, bias) in self.by_family.items()
            },
        }


def compare(
    device: str | Path | Device,
    measurements: str | Path | Iterable[Measurement],
    *,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    dtype: str | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    layout: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Predict what was measured, and compare.

    Args:
        device: name, path or device.
        measurements: path of a CSV file, or rows, as in `oracle.calibrate`.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        dtype: take measurements of this type alone, where there are several; likewise for the keywords that follow.
        mode: inference or training.
        runtime: eager, compiled or engine.
        layout: nchw or nhwc.
        engine: name of an engine.
        threads: of a processor.
        progress: called with (done, total) after each measurement.

    Returns:
        Errors by network and family, rank correlations, and how good a choice by the predictions would have been.

    Raises:
        OracleError: as `oracle.calibrate` and `oracle.score`.

    Examples:
        >>> import oracle
        >>> rows = [oracle.Measurement("ResNet-50", "t4", oracle.Workload(batch_size=8), 60.0)]
        >>> oracle.compare("t4", rows).cases[0].measured_ms
        60.0
    """
    (place,) = find_devices([device])
    own = loaded(calibrations)
    words = {"dtype": dtype, "mode": mode, "runtime": runtime, "layout": layout, "engine": engine, "threads": threads}
    chosen = measured_on(place, measurements, **words)
    cases = []
    for done, (item, net, family) in enumerate(chosen, start=1):
        cost = score_net(net, item.workload, models_for(net, [place], item.workload, model, own))
        time = cost.times[place.name]
        cases.append(Case(item.network, family, item.workload, item.latency_ms, time, cost.macs or 0, item.accuracy))
        if progress is not None:
            progress(done, len(chosen))
    return Comparison(place.name, tuple(cases))
