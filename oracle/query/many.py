"""Scores of thousands to millions of candidates, as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oracle._frames import pandas_frame, polars_frame
from oracle._frozen import Frozen
from oracle._memory import keep_freed_arrays
from oracle._shown import Shown
from oracle.calibration import Calibration
from oracle.closedform import (
    CalibratedDevice,
    PopulationCosts,
    TemplateStore,
    cost_population,
    costs_of,
    network_form,
    shared_store,
)
from oracle.closedform.template import SUMS
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.families.population import Population
from oracle.query.devices import find_devices
from oracle.query.models import Trust, image_size_of, interval_s, latency_models
from oracle.query.recounting import Counted, counted_as
from oracle.query.resolving import check_words, resolve_all
from oracle.roofline import Efficiency, steady
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode

__all__ = ["CHUNK", "Scores", "score_many"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CHUNK = 40_000
"""Candidates costed at a time: large enough for arrays to pay, small enough for the processor's cache."""

_FEW = 16  # below this, plain ints beat arrays


@dataclass(frozen=True, slots=True, eq=False)
class Scores(Shown):
    """Columns with one entry per candidate; the fields are those of `Cost`.

    Attributes:
        workload: what every number is for.
        convention: whose counting rules `macs`, `flops`, `params` and `activations` follow; "oracle" is ours. A column
            that another tool does not report is None.
        latency_ms: device name -> column, as the best model there is predicts.
        roofline_ms: device name -> column, the textbook's lower bound.
        interval_ms: device name -> the columns that 80 % of latencies lie between; no entry where residuals tell none.
        pycls_flops, pycls_acts: FLOPs and activations per image as pycls counts them: MACs of convolutions and
            linear layers with bias additions; outputs of max-pools included.
        networks: the candidates, as specs or as a population.
        trust: device name -> the model that predicts, and how far to trust it: of the largest images among them.
        names: of the candidates, where they were given as specs that have any.
    """

    workload: Workload
    convention: str
    macs: Ints
    flops: Ints | None
    params: Ints | None
    activations: Ints | None
    traffic_bytes: Ints
    executed_flops: Ints
    pycls_flops: Ints
    pycls_acts: Ints
    peak_memory_bytes: Ints
    latency_ms: Mapping[str, Floats]
    roofline_ms: Mapping[str, Floats]
    interval_ms: Mapping[str, tuple[Floats, Floats]]
    networks: Population | list[NetSpec] = field(repr=False)
    trust: Mapping[str, Trust] = field(default_factory=Frozen)
    names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        times = *self.latency_ms.values(), *self.roofline_ms.values(), *chain(*self.interval_ms.values())
        for column in (*fields, *times):
            if isinstance(column, np.ndarray):
                column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.macs)

    @property
    def intensity(self) -> Floats:
        """FLOP/byte of each candidate, by the oracle's own count."""
        return self.executed_flops / np.maximum(self.traffic_bytes, 1)

    def specs(self) -> Iterator[NetSpec]:
        """The candidates, one after the other."""
        return self.networks.specs() if isinstance(self.networks, Population) else iter(self.networks)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every column by a name with its unit: what exports write."""
        names = (*Counted._fields, "traffic_bytes", "peak_memory_bytes")
        found: dict[str, NDArray[Any]] = {name: column for name in names if (column := getattr(self, name)) is not None}
        found["intensity_flop_per_byte"] = self.intensity
        found |= {f"latency_ms@{device}": column for device, column in self.latency_ms.items()}
        for device, ends in self.interval_ms.items():
            found |= {f"latency_{edge}_ms@{device}": end for edge, end in zip(("low", "high"), ends, strict=True)}
        found |= {f"roofline_ms@{device}": column for device, column in self.roofline_ms.items()}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the workload, the convention, names (None where there are none) and columns."""
        return {
            "workload": self.workload.to_dict(),
            "convention": self.convention,
            "networks": list(self.names) or None,
            "columns": {name: column.tolist() for name, column in self.columns().items()},
        }

    def frame_columns(self) -> dict[str, Any]:
        """The columns of a data frame: those of `columns`, and names where candidates have any."""
        return {**({"network": list(self.names)} if self.names else {}), **self.columns()}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row per candidate.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return pandas_frame(self.frame_columns())

    def to_polars(self) -> Any:
        """A `polars.DataFrame` with a row per candidate.

        Raises:
            MissingDependencyError: polars is not installed.
        """
        return polars_frame(self.frame_columns())


def score_many(
    networks: Iterable[CfgNode | NetSpec | str | Path] | Population,
    devices: Iterable[str | Path | Device] = (),
    *,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
    store: TemplateStore | None = None,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    convention: str | None = None,
    **workload: Any,
) -> Scores:
    """Score many candidates by closed forms: the same integers as `score`, hundreds of times faster.

    Args:
        networks: configs, specs, names and paths as in `score`; or a population straight from a design space.
        devices: as in `score`, but for COST.DEVICES, which differ from config to config: none by default.
        chunk: candidates costed at a time; memory is bounded by it, results are not affected.
        progress: called with (done, total) after each chunk.
        store: templates to use and to add to; the process's own if None.
        model, calibrations: as in `score`.
        convention: count as pycls would or, in inference, torch; as in `score`, where there are more.
        workload: fields of `oracle.Workload`; where configs are given, those of their COST sections by default.

    Raises:
        OracleError: as `score`; also configs that state different workloads, as there is one for all, and a convention
            that takes a trace of each network.

    Example:
        >>> scores = score_many(specs, ["rtx-4090", "t4"], batch_size=64, dtype="float16")
        >>> scores.latency_ms["t4"].argmin(), scores.macs.mean()
    """
    if chunk < 1:
        raise WorkloadError(f"chunk={chunk!r}: expected at least 1")
    check_words(workload)
    if isinstance(networks, Population):
        specs, asked = list[NetSpec](), Workload(**workload)
    else:
        specs, asked = resolve_all(networks, **workload)
    _counted(convention, dict.fromkeys(SUMS, 0), asked)  # complains before anything is costed
    predictors = _Predictors(find_devices(devices), asked, model, tuple(calibrations))
    templates = shared_store() if store is None else store
    names = tuple(net.name for net in specs)
    if 0 < len(specs) <= _FEW:
        sides = [image_size_of(net.input_shape) for net in specs]
        places = predictors.places(sides)
        few = costs_of([network_form(templates, net, asked) for net in specs], places)
        return _scores([few], specs, asked, convention, predictors, sides, places, names)
    population = networks if isinstance(networks, Population) else Population.of(specs)
    side = image_size_of(population.input_shape)
    sides = side.tolist() if isinstance(side, np.ndarray) else [side]
    places = predictors.places(sides)
    if population.size > _FEW:
        keep_freed_arrays()
    parts = []
    for start in range(0, population.size, chunk):
        stop = min(start + chunk, population.size)
        parts.append(cost_population(templates, population.part(start, stop), asked, places))
        if progress is not None:
            progress(stop, population.size)
    return _scores(parts, population, asked, convention, predictors, sides, places, names)


def _counted(convention: str | None, sums: Mapping[str, Any], workload: Workload) -> Counted:
    counted = counted_as(convention, sums, workload)
    if counted is None:
        raise WorkloadError(
            f"convention={convention!r} under mode={workload.mode!r}: expected pycls or, in inference, torch, which "
            "columns are counted for; oracle.score has others, one network at a time"
        )
    return counted


class _Predictors:
    """What predicts for candidates, whose images may differ in size."""

    def __init__(
        self,
        devices: Sequence[Device],
        workload: Workload,
        model: str,
        calibrations: tuple[Calibration | str | Path, ...],
    ) -> None:
        self.names = [device.name for device in devices]
        self.of = lru_cache(maxsize=None)(lambda side: latency_models(devices, workload, model, calibrations, side))

    def places(self, sides: Sequence[float | None]) -> tuple[CalibratedDevice, ...]:
        """Every place that some candidate is timed at, then those of the bounds; each once."""
        found = [self.of(side) for side in dict.fromkeys(sides)] or [self.of(None)]
        own = [place for models in found for place in models.places.values()]
        return tuple(dict.fromkeys([*own, *found[0].bounds]))

    def trust(self, sides: Sequence[float | None]) -> Mapping[str, Trust]:
        """How far to trust what is said of the largest images."""
        return self.of(max((side for side in sides if side is not None), default=None)).trust


def _scores(
    parts: Sequence[PopulationCosts],
    networks: Population | list[NetSpec],
    workload: Workload,
    convention: str | None,
    predictors: _Predictors,
    sides: Sequence[float | None],
    places: tuple[CalibratedDevice, ...],
    names: tuple[str, ...],
) -> Scores:
    def column(name: str) -> Ints:
        if len(parts) == 1:
            found: Ints = getattr(parts[0], name)
            return found
        return np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros(0, dtype=np.int64)

    seconds = np.concatenate([part.latency_s for part in parts], axis=1) if parts else np.zeros((len(places), 0))
    at, kernels = dict(zip(places, seconds, strict=True)), column("kernels")
    groups = _by_side(sides, len(kernels))
    latency: dict[str, Floats] = {}
    interval: dict[str, tuple[Floats, Floats]] = {}
    bounds = predictors.of(next(iter(groups), None)).bounds
    for name in predictors.names:
        found = [
            _timed(at[models.places[name]], kernels, models.places[name].efficiency, models.trust.get(name), rows)
            for side, rows in groups.items()
            for models in (predictors.of(side),)
        ]
        low, high = _placed([low for _, low, _ in found], groups), _placed([high for _, _, high in found], groups)
        latency[name] = _placed([own for own, _, _ in found], groups)
        if predictors.trust(sides).get(name, Trust("roofline")).interval:
            interval[name] = low, high
    sums = {name: column(name) for name in SUMS}
    return Scores(
        workload=workload,
        convention=convention or "oracle",
        **_counted(convention, sums, workload)._asdict(),
        traffic_bytes=sums["traffic_bytes"],
        executed_flops=sums["flops"],
        pycls_flops=sums["pycls_macs"] // workload.batch_size,
        pycls_acts=sums["pycls_activations"] // workload.batch_size,
        peak_memory_bytes=column("peak_memory_bytes"),
        latency_ms=Frozen(latency),
        roofline_ms=Frozen(
            {name: steady(at[bound]) * 1e3 for name, bound in zip(predictors.names, bounds, strict=True)}
        ),
        interval_ms=Frozen(interval),
        networks=networks,
        trust=predictors.trust(sides),
        names=names if any(names) else (),
    )


Rows = NDArray[np.intp] | slice


def _by_side(sides: Sequence[float | None], count: int) -> dict[float | None, Rows]:
    """Image size -> the candidates that have it."""
    if len(set(sides)) == 1:
        return {sides[0]: slice(None)}
    every = np.array(sides, dtype=np.float64)
    return {float(side): np.flatnonzero(every == side) for side in np.unique(every)} if count else {None: slice(None)}


def _placed(parts: Sequence[Floats], groups: Mapping[float | None, Rows]) -> Floats:
    """Columns of groups put back in order."""
    if len(parts) == 1:
        return parts[0]
    found = np.empty(sum(map(len, parts)))
    for rows, part in zip(groups.values(), parts, strict=True):
        found[rows] = part
    return found


def _timed(
    seconds: Floats, kernels: Ints, efficiency: Efficiency, trust: Trust | None, rows: Rows
) -> tuple[Floats, Floats, Floats]:
    """Latency of some candidates, and its interval (of no width where none is known), in milliseconds."""
    own, host_s, call_s = seconds[rows], efficiency.dispatch_s * kernels[rows], efficiency.call_s
    latency_ms = steady(np.maximum(own, host_s) + call_s) * 1e3
    if trust is None or trust.interval is None:
        return latency_ms, latency_ms, latency_ms
    low_s, high_s = interval_s(own, host_s, call_s, trust.interval, np.maximum)
    return latency_ms, low_s * 1e3, high_s * 1e3
