"""Scores of thousands to millions of candidates, as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from oracle.query.models import Trust, latency_models
from oracle.query.recounting import Counted, counted_as
from oracle.query.resolving import check_words, resolve_all
from oracle.roofline import steady
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
        latency_ms: device name -> column.
        pycls_flops, pycls_acts: FLOPs and activations per image as pycls counts them: MACs of convolutions and
            linear layers with bias additions; outputs of max-pools included.
        networks: the candidates, as specs or as a population.
        trust: device name -> the model that predicts, and how far to trust it.
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
    networks: Population | list[NetSpec] = field(repr=False)
    trust: Mapping[str, Trust] = field(default_factory=Frozen)
    names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        for column in (*fields, *self.latency_ms.values()):
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
        for device, trust in self.trust.items():
            for edge, factor in zip(("low", "high"), trust.interval or (), strict=False):
                found[f"latency_{edge}_ms@{device}"] = self.latency_ms[device] * factor
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
    model: str = "roofline",
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
    models = latency_models(find_devices(devices), asked, model, calibrations)
    places, trust = models
    templates = shared_store() if store is None else store
    names = tuple(net.name for net in specs)
    if 0 < len(specs) <= _FEW:
        few = costs_of([network_form(templates, net, asked) for net in specs], tuple(places.values()))
        return _scores([few], specs, asked, convention, places, trust, names)
    population = networks if isinstance(networks, Population) else Population.of(specs)
    if population.size > _FEW:
        keep_freed_arrays()
    parts = []
    for start in range(0, population.size, chunk):
        stop = min(start + chunk, population.size)
        parts.append(cost_population(templates, population.part(start, stop), asked, list(places.values())))
        if progress is not None:
            progress(stop, population.size)
    return _scores(parts, population, asked, convention, places, trust, names)


def _counted(convention: str | None, sums: Mapping[str, Any], workload: Workload) -> Counted:
    counted = counted_as(convention, sums, workload)
    if counted is None:
        raise WorkloadError(
            f"convention={convention!r} under mode={workload.mode!r}: expected pycls or, in inference, torch, which "
            "columns are counted for; oracle.score has others, one network at a time"
        )
    return counted


def _scores(
    parts: Sequence[PopulationCosts],
    networks: Population | list[NetSpec],
    workload: Workload,
    convention: str | None,
    places: Mapping[str, CalibratedDevice],
    trust: Mapping[str, Trust],
    names: tuple[str, ...],
) -> Scores:
    def column(name: str) -> Ints:
        if len(parts) == 1:
            found: Ints = getattr(parts[0], name)
            return found
        return np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros(0, dtype=np.int64)

    latency = np.concatenate([part.latency_s for part in parts], axis=1) if parts else np.zeros((len(places), 0))
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
        latency_ms=Frozen(
            {
                name: steady(row + place.efficiency.call_s) * 1e3
                for (name, place), row in zip(places.items(), latency, strict=True)
            }
        ),
        networks=networks,
        trust=trust,
        names=names if any(names) else (),
    )
