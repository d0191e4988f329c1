"""Scores of thousands to millions of candidates, as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

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
from oracle.closedform.mixed import check_stages
from oracle.closedform.template import SUMS
from oracle.config import CALL_WORDS
from oracle.devices import Device
from oracle.errors import DeviceError, WorkloadError
from oracle.families.caches import cache_bytes_of_many, token_bytes_of_many
from oracle.families.population import Population
from oracle.families.sharding import LINEAR
from oracle.families.stated import stated_of_many
from oracle.query.choosing import checked_calibrations
from oracle.query.devices import find_devices
from oracle.query.models import LatencyModels, image_size_of, latency_models
from oracle.query.parts import shown_part
from oracle.query.recounting import Counted, counted_as, seen_by
from oracle.query.resolving import check_cells, check_no_call, check_words, resolve_all, stages_of
from oracle.query.trust import Interval, Trust, interval_ms, quantile_ms
from oracle.roofline import steady
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CHUNK = 120_000
"""Candidates costed at a time: so many that what each chunk takes once, about 5 ms, hardly counts."""

Rows: TypeAlias = "NDArray[np.intp] | slice"

_FEW = 16  # below this, plain ints beat arrays


class _Part(NamedTuple):
    """What some candidates take on a device: seconds of its kernels and of its host, what a call adds, intervals."""

    rows: Rows
    own: Floats
    host_s: Floats
    call_s: float
    intervals: tuple[Interval, Interval]


@dataclass(frozen=True, slots=True, eq=False)
class Scores(Shown):
    """Columns with one entry per candidate; the fields are those of `Cost`.

    Attributes:
        workload: what every number is for.
        convention: whose counting rules `macs`, `flops`, `params` and `activations` follow; "oracle" is ours. A column
            that another tool does not report is None.
        latency_ms: device name -> column, as the best model there is predicts.
        roofline_ms: device name -> column, the textbook's lower bound.
        interval_ms: device name -> the columns between which 80 % of latencies lie; no entry without known residuals.
        pycls_flops, pycls_acts: FLOPs and activations per image as pycls counts them: MACs of convolutions and
            linear layers with bias additions; outputs of max-pools included.
        flash_bytes: the part of the peak memory that never changes: the weights in inference, nothing in training.
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
    flash_bytes: Ints
    latency_ms: Mapping[str, Floats]
    roofline_ms: Mapping[str, Floats]
    interval_ms: Mapping[str, tuple[Floats, Floats]]
    networks: Population | list[NetSpec] = field(repr=False)
    trust: Mapping[str, Trust] = field(default_factory=Frozen)
    names: tuple[str, ...] = field(default=(), repr=False)
    _seconds: Mapping[str, tuple[_Part, ...]] = field(default_factory=Frozen, repr=False)

    def __post_init__(self) -> None:
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        times = *self.latency_ms.values(), *self.roofline_ms.values(), *chain(*self.interval_ms.values())
        for column in (*fields, *times):
            if isinstance(column, np.ndarray):
                column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.macs)

    @property
    def sram_bytes(self) -> Ints:
        """The rest of the peak memory, which changes: in inference the live tensors, and caches of keys and values."""
        return self.peak_memory_bytes - self.flash_bytes

    @property
    def kv_cache_bytes(self) -> Ints:
        """Memory of the caches of keys and values, as in `Cost`."""
        return cache_bytes_of_many(self.networks, self.workload)

    @property
    def kv_bytes_per_token(self) -> Ints:
        """What a token of one sequence takes there in all layers."""
        return token_bytes_of_many(self.networks, self.workload)

    @property
    def intensity(self) -> Floats:
        """FLOP/byte of each candidate, by the oracle's own count."""
        return self.executed_flops / np.maximum(self.traffic_bytes, 1)

    def latency_quantile_ms(self, device: str, probability: float) -> Floats:
        """(n,) what each latency on a device stays below with a probability; at 0.1 and 0.9 the ends of `interval_ms`.

        Args:
            device: its name, one of those scored.
            probability: 0.01 to 0.99, see `oracle.calibration.intervals.quantile`.

        Raises:
            DeviceError: a device that was not scored, or one whose prediction states no error.
            ValueError: a probability outside of 0.01 to 0.99.

        Example:
            >>> scores.latency_quantile_ms("t4", 0.9) <= 2.0  # who keeps 2 ms at 90 % confidence
        """
        parts = self._seconds.get(device)
        if parts is None:
            known = ", ".join(self._seconds) or "none"
            raise DeviceError(f"device={device!r}: no interval of its latency is known; there are {known}")
        found, least_ms = np.empty(len(self)), self.roofline_ms[device]
        for rows, own, host_s, call_s, intervals in parts:
            found[rows] = quantile_ms(own, host_s, call_s, intervals, least_ms[rows], probability, np.maximum)
        return found

    def specs(self) -> Iterator[NetSpec]:
        """The candidates, one after the other."""
        return self.networks.specs() if isinstance(self.networks, Population) else iter(self.networks)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every column by a name with its unit: what exports write."""
        names = (*Counted._fields, "traffic_bytes", "peak_memory_bytes", "flash_bytes", "sram_bytes")
        found: dict[str, NDArray[Any]] = {name: column for name in names if (column := getattr(self, name)) is not None}
        found["intensity_flop_per_byte"] = self.intensity
        found |= self._call()
        found |= {f"latency_ms@{device}": column for device, column in self.latency_ms.items()}
        for device, ends in self.interval_ms.items():
            found |= {f"latency_{edge}_ms@{device}": end for edge, end in zip(("low", "high"), ends, strict=True)}
        found |= {f"roofline_ms@{device}": column for device, column in self.roofline_ms.items()}
        return found

    def _call(self) -> dict[str, NDArray[Any]]:
        """Of decoders, what `Cost` says of a call, as columns."""
        words = stated_of_many(self.networks, self.workload)
        if not words:
            return words
        return {**words, "kv_cache_bytes": self.kv_cache_bytes, "kv_bytes_per_token": self.kv_bytes_per_token}

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
    """Compute the costs of many networks by closed forms: the integers of `oracle.score`, as arrays.

    Args:
        networks: configs, specs, names and paths, as in `oracle.score`; or a population, as `Space.chunk` returns it.
        devices: names, paths or devices. COST.DEVICES is not read here.
        chunk: networks computed at a time. Memory is bounded by it; results do not depend on it.
        progress: called with (done, total) after each chunk.
        store: templates to use and to add to. Default: those of the process.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        convention: count as pycls does, or, in inference, as torch does; `oracle.score` has more.
        workload: fields of `oracle.Workload`, and `dtypes` as in `oracle.score`. Default: the COST section, where
            configs are given; types by stage may differ between networks, and then intervals are as wide as all need.

    Returns:
        One numpy array of shape (n,) per field, int64 for counts and float64 for milliseconds.

    Raises:
        OracleError: as `oracle.score`; also configs of different workloads, or a convention that takes a trace of each.

    Examples:
        >>> import oracle
        >>> scores = oracle.score_many(["RegNetX-200MF", "RegNetX-400MF"], ["t4"], batch_size=8)
        >>> scores.macs.tolist(), int(scores.latency_ms["t4"].argmin())
        ([1592318976, 3181420544], 0)
    """
    if chunk < 1:
        raise WorkloadError(f"chunk={chunk!r}: expected at least 1")
    check_words(workload)
    whole, requested = _asked(networks, workload)
    _counted(convention, dict.fromkeys(SUMS, 0), requested, whole)  # complains before anything is costed
    places = find_devices(devices)
    own = checked_calibrations(model, calibrations, places)
    templates = shared_store() if store is None else store

    def shown_at() -> tuple[CalibratedDevice, ...]:
        return tuple(latency_models(places, requested, model, own).places.values())[:1]

    whole = _shown(whole, requested, templates, shown_at, chunk)
    specs = [] if isinstance(whole, Population) else whole
    tool = None
    if (seen := seen_by(convention, requested)) != requested:
        tool = score_many(_in_one_type(whole), store=store, chunk=chunk, convention=convention, **seen.to_dict())
    names = tuple(net.name for net in specs)
    few = 0 < len(specs) <= _FEW
    population = whole if isinstance(whole, Population) else None if few else Population.of(specs)
    if population is None:
        sides: Any = [image_size_of(net.input_shape) for net in specs]
    else:
        sides = image_size_of(population.input_shape)
    rows = _by_side(sides)
    every = specs if population is None else [population]
    mixed = tuple(dict.fromkeys(word for item in every for word in item.stated_dtypes))
    predicted = _Predicted(rows, {side: latency_models(places, requested, model, own, side, mixed) for side in rows})
    if population is None:
        parts = [costs_of([network_form(templates, net, requested) for net in specs], predicted.places)]
        return _scores(parts, specs, requested, convention, predicted, names, tool)
    if population.size > _FEW:
        keep_freed_arrays()
    parts = []
    for start in range(0, population.size, chunk):
        stop = min(start + chunk, population.size)
        parts.append(cost_population(templates, population.part(start, stop), requested, predicted.places))
        if progress is not None:
            progress(stop, population.size)
    return _scores(parts, population, requested, convention, predicted, names, tool)


_Places = Callable[[], tuple[CalibratedDevice, ...]]


def _asked(
    networks: Iterable[CfgNode | NetSpec | str | Path] | Population, words: dict[str, Any]
) -> tuple[Population | list[NetSpec], Workload]:
    """What is to be costed, and under what."""
    if not isinstance(networks, Population):
        return resolve_all(networks, **words)
    check_no_call({name: words.pop(name, None) for name in CALL_WORDS}, "a population")
    dtypes = words.pop("dtypes", None)
    if dtypes is not None:
        networks = replace(networks, dtypes=stages_of(dtypes))
        check_stages(networks)
    requested = Workload().with_(**words)
    check_cells(networks, requested)
    return networks, requested


def _in_one_type(networks: Population | list[NetSpec]) -> Population | list[NetSpec]:
    """Without types by stage."""
    if isinstance(networks, Population):
        return replace(networks, dtypes=())
    return [replace(net, dtypes=()) for net in networks]


def _shown(
    networks: Population | list[NetSpec], workload: Workload, store: TemplateStore, places: _Places, chunk: int
) -> Population | list[NetSpec]:
    """Of pipelines whose parts differ those that `oracle.score` shows."""
    if isinstance(networks, Population):
        return _deciding(networks, workload, store, places, chunk)
    if not any(net.others for net in networks):
        return networks
    shown = places()
    return [replace(shown_part(net, workload, shown), others=()) for net in networks]


def _deciding(
    networks: Population, workload: Workload, store: TemplateStore, places: _Places, chunk: int
) -> Population:
    """The same of columns."""
    if not networks.others:
        return networks
    shown, slowest = places(), []
    for start in range(0, networks.size, chunk):
        some = networks.part(start, start + chunk)
        parts = replace(some, others=()), *(replace(part, dtypes=some.dtypes) for part in some.others)
        costs = [cost_population(store, part, workload, shown) for part in parts]
        most = [cost.latency_s[0] if shown else cost.peak_memory_bytes for cost in costs]
        slowest.append(np.argmax(most, axis=0))
    return networks.shown(np.concatenate(slowest))


def _counted(
    convention: str | None, sums: Mapping[str, Any], workload: Workload, networks: Population | list[NetSpec]
) -> Counted:
    kinds = _kinds(networks) if convention == "torch" else ()
    counted = counted_as(convention, sums, workload, kinds)
    if counted is None:
        linear = " of decoders with linear attention" if LINEAR in kinds else ""
        raise WorkloadError(
            f"convention={convention!r} under mode={workload.mode!r}{linear}: expected pycls or, in inference, torch, "
            "which columns are counted for; oracle.score has others, one network at a time"
        )
    return counted


def _kinds(networks: Population | list[NetSpec]) -> frozenset[str]:
    """Of all their cells."""
    if isinstance(networks, Population):
        return networks.kinds
    return frozenset(cell.kind for net in networks for cell in net.cells)


class _Predicted(NamedTuple):
    """What predicts for candidates, whose images may differ in size.

    Attributes:
        rows: image size -> the candidates that have it; None for inputs that are no images.
        models: image size -> what predicts for them.
    """

    rows: Mapping[float | None, Rows]
    models: Mapping[float | None, LatencyModels]

    @property
    def largest(self) -> LatencyModels:
        """What predicts for the largest images."""
        return self.models[max(self.models, key=lambda side: side or 0.0)]

    @property
    def places(self) -> tuple[CalibratedDevice, ...]:
        """Every place that some candidate is timed at, then those of the bounds; each once."""
        own = [place for models in self.models.values() for place in models.places.values()]
        return tuple(dict.fromkeys([*own, *self.largest.bounds]))


def _by_side(sides: Any) -> dict[float | None, Rows]:
    """Image size -> the candidates that have it, given one for each, or one for all."""
    every = np.atleast_1d(np.asarray(sides, dtype=np.float64))  # no image is nan
    distinct = [None if np.isnan(side) else float(side) for side in np.unique(every)] or [None]
    if len(distinct) == 1:
        return {distinct[0]: slice(None)}
    return {side: np.flatnonzero(np.isnan(every) if side is None else every == side) for side in distinct}


def _scores(
    parts: Sequence[PopulationCosts],
    networks: Population | list[NetSpec],
    workload: Workload,
    convention: str | None,
    predicted: _Predicted,
    names: tuple[str, ...],
    tool: Scores | None,
) -> Scores:
    def column(name: str) -> Ints:
        if len(parts) == 1:
            found: Ints = getattr(parts[0], name)
            return found
        return np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros(0, dtype=np.int64)

    places, largest, kernels = predicted.places, predicted.largest, column("kernels")
    seconds = np.concatenate([part.latency_s for part in parts], axis=1) if parts else np.zeros((len(places), 0))
    at = dict(zip(places, seconds, strict=True))
    bounds_ms = {name: steady(at[bound]) * 1e3 for name, bound in zip(largest.places, largest.bounds, strict=True)}
    timed = {name: _timed(name, predicted, at, kernels, bounds_ms[name]) for name in largest.places}
    sums = {name: column(name) for name in SUMS}
    return Scores(
        workload=workload,
        convention=convention or "oracle",
        **(
            _counted(convention, sums, workload, networks)
            if tool is None
            else Counted(tool.macs, tool.flops, None, None)
        )._asdict(),
        traffic_bytes=sums["traffic_bytes"],
        executed_flops=sums["flops"] - sums["masked_flops"],
        pycls_flops=sums["pycls_macs"] // workload.batch_size,
        pycls_acts=sums["pycls_activations"] // workload.batch_size,
        peak_memory_bytes=column("peak_memory_bytes"),
        flash_bytes=column("flash_bytes") - cache_bytes_of_many(networks, workload),
        latency_ms=Frozen({name: latency for name, (latency, _, _) in timed.items()}),
        roofline_ms=Frozen(bounds_ms),
        interval_ms=Frozen({name: ends for name, (_, ends, _) in timed.items() if ends is not None}),
        networks=networks,
        trust=largest.trust,
        names=names if any(names) else (),
        _seconds=Frozen({name: parts for name, (_, ends, parts) in timed.items() if ends is not None}),
    )


def _timed(
    device: str, predicted: _Predicted, at: Mapping[CalibratedDevice, Floats], kernels: Ints, least_ms: Floats
) -> tuple[Floats, tuple[Floats, Floats] | None, tuple[_Part, ...]]:
    """Latency of all candidates on a device in milliseconds, its interval where one is known, and what both are of."""
    latency, low, high = (np.empty(len(kernels)) for _ in range(3))
    parts = []
    for side, rows in predicted.rows.items():
        models = predicted.models[side]
        place, trust = models.places[device], models.trust.get(device)
        own, call_s = at[place][rows], place.efficiency.call_s
        host_s: Floats = np.asarray(place.efficiency.dispatch_s * kernels[rows], dtype=np.float64)
        latency[rows] = steady(np.maximum(own, host_s) + call_s) * 1e3
        if trust is not None and trust.intervals is not None:
            parts.append(_Part(rows, own, host_s, call_s, trust.intervals))
            low[rows], high[rows] = interval_ms(own, host_s, call_s, trust.intervals, least_ms[rows], np.maximum)
    known = predicted.largest.trust.get(device)
    return latency, (low, high) if known is not None and known.interval is not None else None, tuple(parts)
