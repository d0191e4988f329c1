"""Limits on what a candidate may cost, and an account of the candidates that broke which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PYCLS = "CX.FLOPS and CX.ACTS count as pycls does, per image: MACs with bias adds, activations with those of max-pools."
"""What two limits mean that do not mean what they are called."""

OVERLAP = "A candidate that breaks several limits is counted for each of them."

PLACED = ("latency_ms", "roofline_ms")
"""Scores that are of a device."""

# Name in the section CX of a space file -> column of `oracle.score_many`.
COLUMNS = {
    "MACS": "macs",
    "FLOPS": "pycls_flops",
    "PARAMS": "params",
    "ACTS": "pycls_acts",
    "BYTES": "traffic_bytes",
    "PEAK_MEMORY": "peak_memory_bytes",
    "SRAM": "sram_bytes",
    "FLASH": "flash_bytes",
    "KV_CACHE": "kv_cache_bytes",
    "KV_PER_TOKEN": "kv_bytes_per_token",
    "INTENSITY": "intensity",
    "LATENCY_MS": "latency_ms",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A closed range for one score.

    Attributes:
        score: a column of `oracle.score_many`.
        low, high: the range, an infinite end being open.
        device: what the scores in `PLACED` are on, else "".
        quantile: the quantile of the latency that has to be in the range: 0.9 for `<= 2 at 90%`, 0.1 for
            `>= 2 at 90%`; None for the prediction itself.
        key: dotted key of the space file that says it, if one does: CX.FLOPS, CX.LATENCY_MS.t4.

    Example:
        >>> Limit("latency_ms", high=2.0, device="t4", quantile=0.9).name
        'latency_ms@t4 at 90%'
    """

    score: str
    low: float = -inf
    high: float = inf
    device: str = ""
    quantile: float | None = None
    key: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The score, with its device and confidence: `params`, `latency_ms@t4`, `latency_ms@t4 at 90%`."""
        place = f"{self.score}@{self.device}" if self.device else self.score
        if self.quantile is None:
            return place
        return f"{place} {'at' if self.quantile >= 0.5 else 'low end at'} {self.confidence:.10g}%"

    @property
    def label(self) -> str:
        """What people know it by: the key of the space file, else the name."""
        return self.key or self.name

    @property
    def confidence(self) -> float:
        """In per cent, how likely the latency itself obeys a limit that is met exactly; 0 where nothing says so."""
        return 0.0 if self.quantile is None else round(100 * max(self.quantile, 1 - self.quantile), 8)

    def column(self, scores: Any) -> Floats:
        """(n,) what it limits, of the candidates of `oracle.score_many`.

        Raises:
            DeviceError: a quantile on a device whose prediction states no error.
        """
        if self.quantile is not None:
            return np.asarray(scores.latency_quantile_ms(self.device, self.quantile), dtype=np.float64)
        column = getattr(scores, self.score)
        return np.asarray(column[self.device] if self.device else column, dtype=np.float64)

    def violation(self, value: float) -> float:
        """Above 0 outside, as a share of the side it is beyond; at most 0 inside (the distance to that side)."""
        below = (self.low - value) / (abs(self.low) or 1.0) if self.low > -inf else -inf
        above = (value - self.high) / (abs(self.high) or 1.0) if self.high < inf else -inf
        return max(below, above)

    def excess(self, values: Floats) -> Floats:
        """(n,) how far values are outside, relative to the side they are beyond: 0 inside, 0.1 for 10 %."""
        below = (self.low - values) / (abs(self.low) or 1.0) if self.low > -inf else np.zeros(len(values))
        above = (values - self.high) / (abs(self.high) or 1.0) if self.high < inf else np.zeros(len(values))
        return np.where(np.isnan(values), np.inf, np.maximum(np.maximum(below, above), 0.0))

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:,.10g}"
        if self.low > -inf and self.high < inf:
            return f"{self.low:,.10g} to {self.high:,.10g}"
        return f"at most {self.high:,.10g}" if self.high < inf else f"at least {self.low:,.10g}"


@dataclass(frozen=True, slots=True)
class Miss:
    """A value outside its range.

    Attributes:
        excess: how far, relative to the side it is beyond.
        value: the value.
        expected: the range, in words.
    """

    excess: float
    value: float
    expected: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of some candidates; tallies of disjoint candidates add up.

    Attributes:
        drawn: how many candidates there were.
        feasible: how many obey everything.
        rejected: reason -> how many it rejects: a dotted key that makes a network impossible,
            REGNET.NUM_STAGES, `repeated`, or a limit. A candidate counts for each limit that it breaks.
        nearest: limit -> the value nearest to it among those that break it.
        closest: limit -> value, of the candidate with the smallest worst excess of those that break limits.
    """

    drawn: int = 0
    feasible: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    nearest: Mapping[str, Miss] = field(default_factory=dict)
    closest: Mapping[str, Miss] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        names = [*self.rejected, *(name for name in other.rejected if name not in self.rejected)]
        misses = [*self.nearest.items(), *other.nearest.items()]
        nearest: dict[str, Miss] = {}
        for name, miss in misses:
            if name not in nearest or miss.excess < nearest[name].excess:
                nearest[name] = miss
        candidates = [tally.closest for tally in (self, other) if tally.closest]
        return Tally(
            self.drawn + other.drawn,
            self.feasible + other.feasible,
            {name: self.rejected.get(name, 0) + other.rejected.get(name, 0) for name in names},
            nearest,
            min(candidates, key=_worst, default={}),
        )

    @property
    def overlaps(self) -> bool:
        """Whether some candidates are counted by more than one reason."""
        return self.feasible + sum(self.rejected.values()) > self.drawn

    def explain(self, why: Mapping[str, str] | None = None) -> str:
        """A line on the whole, and one on each reason, the most frequent first, or missed furthest by the nearest.

        Args:
            why: reason -> what more there is to say of it.
        """
        lines = [f"{self.feasible:,} of {self.drawn:,} candidates are feasible"]
        for name, count in sorted(self.rejected.items(), key=lambda item: (-item[1], -self._missed_by(item[0]))):
            line = f"{name} rejects {count:,}"
            if name in self.nearest:
                line += f"; nearest is {_shown(self.nearest[name])}"
            if why and name in why:
                line += f"; {why[name]}"
            lines.append(line)
        if self.closest and not self.feasible:
            misses = ", ".join(f"{name} {_shown(miss)}" for name, miss in self.closest.items())
            lines.append(f"closest candidate: {misses}")
        return "\n".join(lines)

    def _missed_by(self, name: str) -> float:
        return self.nearest[name].excess if name in self.nearest else 0.0


def _worst(misses: Mapping[str, Miss]) -> float:
    return max(miss.excess for miss in misses.values())


def _shown(miss: Miss) -> str:
    value = f"{miss.value:,.0f}" if miss.value >= 1e6 else f"{miss.value:,.6g}"
    return f"{value} ({miss.excess:.2%} off; expected {miss.expected})"


def counts_as_pycls(names: Iterable[str]) -> bool:
    """Whether some limits, by name, are what `PYCLS` is about."""
    return not {"CX.FLOPS", "CX.ACTS"}.isdisjoint(names)


def judge(limits: Sequence[Limit], scores: Any, count: int) -> tuple[NDArray[np.bool_], Tally]:
    """Which of `count` scored candidates obey all limits, and what became of them; `drawn` stays 0.

    Args:
        limits: to obey.
        scores: columns as `oracle.score_many` returns them, for the devices of the limits.
        count: how many candidates the columns hold.
    """
    worst = np.zeros(count)
    excesses = []
    rejected, nearest = {}, {}
    for limit in limits:
        values = limit.column(scores)
        excess = limit.excess(values)
        excesses.append((limit, values, excess))
        worst = np.maximum(worst, excess)
        outside = np.flatnonzero(excess)
        if len(outside):
            row = outside[excess[outside].argmin()]
            rejected[limit.label] = len(outside)
            nearest[limit.label] = Miss(float(excess[row]), float(values[row]), str(limit))
    feasible = worst == 0
    closest: dict[str, Miss] = {}
    if not feasible.all():
        row = np.where(feasible, np.inf, worst).argmin()
        closest = {
            limit.label: Miss(float(excess[row]), float(values[row]), str(limit))
            for limit, values, excess in excesses
            if excess[row]
        }
    return feasible, Tally(0, int(feasible.sum()), rejected, nearest, closest)
