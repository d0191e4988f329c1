"""A report of an engine, whatever its format was."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, NamedTuple

from oracle.errors import OracleError


class Layer(NamedTuple):
    """A step of the engine's graph.

    Attributes:
        name: as the engine has it.
        kind: its operator, in the engine's words; "" where the report has none.
        seconds: per run.
        source: file and line or entry.
        macs: multiply-adds, where the report states the shapes they follow from; None elsewhere.
    """

    name: str
    kind: str
    seconds: float
    source: str
    macs: int | None = None


class Timing(NamedTuple):
    """What whole runs of a network took.

    Attributes:
        network: as the report has it; "" where it has none.
        latency_ms: median of the runs, or their mean where the report has no other.
        source: file and line or entry.
        min_ms, iqr_ms: None where the report does not say.
        repeats: runs; 0 where the report does not say.
        words: what the report says of the workload: batch_size, dtype, threads, ...
    """

    network: str
    latency_ms: float
    source: str
    min_ms: float | None = None
    iqr_ms: float | None = None
    repeats: int = 0
    words: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a file held.

    Attributes:
        engine: one of `oracle.spec.ENGINES`; "" where the format belongs to none.
        layers: in the order of the report; none where it has whole runs only.
        timings: one per network; none where it has layers only.
        notes: how it was read, and what it does not say.
    """

    engine: str
    layers: tuple[Layer, ...] = ()
    timings: tuple[Timing, ...] = ()
    notes: tuple[str, ...] = ()


def number(value: Any, place: str, name: str) -> float:
    """A time or count that a report states: a number of at least 0, or text that is one.

    Raises:
        OracleError: anything else.
    """
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not 0 <= found < math.inf:
        raise OracleError(f"{place}: {name}={reprlib.repr(value)}: expected a number of at least 0")
    return found


def timing_of(times_ms: Sequence[float], source: str) -> Timing:
    """The runs of one network, which the file does not name; milliseconds.

    Raises:
        OracleError: none of them took time.
    """
    if not times_ms or median(times_ms) <= 0:
        raise OracleError(f"{source}: expected runs that take time, found {len(times_ms)} that take none")
    low, _, high = quantiles(times_ms, n=4, method="inclusive") if len(times_ms) > 1 else (0.0, 0.0, 0.0)
    spread = high - low if len(times_ms) > 1 else None
    least = min(times_ms) or None
    return Timing("", median(times_ms), source, least, spread, len(times_ms))
