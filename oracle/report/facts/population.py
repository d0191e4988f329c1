"""Facts about many candidates: columns to draw, fronts to mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle.report.facts.knobs import Knob

if TYPE_CHECKING:
    from oracle.query import Cost

WORTH = {
    "macs": True,
    "flops": True,
    "params": True,
    "activations": True,
    "traffic_bytes": False,
    "peak_memory_bytes": False,
}
"""Count -> whether more of it is better, as a stand-in for accuracy before training; bytes only cost."""


@dataclass(frozen=True, slots=True)
class PopulationValue:
    """What latency is weighed against.

    Attributes:
        column: one entry per candidate.
        maximise: whether more is better.
        fronts: device -> positions of the candidates on the front of this and the latency there.
        tied: device -> for each of those, the positions of the other members that the error of latencies does not tell
            it apart from; no entry where that error is not known.
    """

    column: Sequence[float | None]
    maximise: bool
    fronts: Mapping[str, Sequence[int]]
    tied: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairFacts:
    """How far two devices agree on which candidates are fast.

    Attributes:
        devices: their names.
        kendall_tau: tau-b; nan where all are equal on one.
        flips, pairs: pairs that they order oppositely, of all.
        largest: positions of the flip whose smaller ratio is largest, and how many times faster each is on the device
            that prefers it; None where nothing flips or nobody looked.
    """

    devices: tuple[str, str]
    kendall_tau: float
    flips: int | None
    pairs: int
    largest: tuple[int, int, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """Candidates as columns.

    Attributes:
        noun: what they are called: networks, candidates, trials.
        names: a label for each.
        latency_ms: device -> column.
        ranks: device -> rank of each among all candidates, 1 for the fastest; equal ones share the best of their ranks.
        values: name -> what latency is weighed against, the first being the one to begin with.
        knobs: name -> what distinguishes candidates.
        extra: name -> further columns, for the table.
        pairs: of devices.
        total: how many candidates there are; more than there are names where only some are shown.
        shown: in words, which; "" for all.
        roofline_ms: device -> column of lower bounds, where they are not what latency_ms says.
    """

    noun: str
    names: Sequence[str]
    latency_ms: Mapping[str, Sequence[float]]
    ranks: Mapping[str, Sequence[int]]
    values: Mapping[str, PopulationValue]
    knobs: Mapping[str, Knob]
    extra: Mapping[str, Sequence[Any]]
    pairs: tuple[PairFacts, ...]
    total: int
    shown: str = ""
    roofline_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)


def population_of(costs: Sequence[Cost]) -> Population:
    """Scored networks as a population; all on the same devices."""
    import numpy as np

    from oracle._ranks import discordant_pairs
    from oracle.query.ranking import is_dominated, ranking_of

    devices = tuple(costs[0].times)
    ranking = ranking_of(costs, devices)
    latency = {device: np.array([cost.latency_ms[device] for cost in costs]) for device in devices}
    values: dict[str, PopulationValue] = {}
    for name, more in WORTH.items():
        column = [getattr(cost, name) for cost in costs]
        if None in column:  # another convention than ours does not report it
            continue
        worth = np.array(column, dtype=float) * (1 if more else -1)
        fronts = {device: np.flatnonzero(~is_dominated(latency[device], worth)).tolist() for device in devices}
        values[name] = PopulationValue(column, more, fronts)
    total = len(costs)
    pairs = tuple(
        PairFacts(pair, tau, int(discordant_pairs(latency[pair[0]], latency[pair[1]])), total * (total - 1) // 2)
        for pair, tau in ranking.kendall_tau.items()
    )
    return Population(
        noun="networks",
        names=[cost.name for cost in costs],
        latency_ms={device: column.tolist() for device, column in latency.items()},
        ranks={device: _ranks(column.tolist()) for device, column in latency.items()},
        values=values,
        knobs={},
        extra={},
        pairs=pairs,
        total=total,
        roofline_ms=_bounds(costs, devices),
    )


def _bounds(costs: Sequence[Cost], devices: Sequence[str]) -> dict[str, list[float]]:
    found = {device: [cost.roofline_ms[device] for cost in costs] for device in devices}
    return {device: column for device, column in found.items() if column != [cost.latency_ms[device] for cost in costs]}


def _ranks(column: Sequence[float]) -> list[int]:
    """1 for the smallest; equal ones share a rank."""
    first: dict[float, int] = {}
    for place, value in enumerate(sorted(column), start=1):
        first.setdefault(value, place)
    return [first[value] for value in column]
