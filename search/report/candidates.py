"""Columns of candidates -> a population for figures: ranks, fronts, flips; of very many, those worth drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.query.trust import Trust
from oracle.report.facts import PairFacts, Population, PopulationValue, knob_of

from ..pareto import Agreement, agreement, device_ranks, non_dominated
from ..pareto.objectives import LATENCY
from ..pareto.ties import tie_ratios, tied_with

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 10_000
"""Candidates that a page shows: more are thinned to so many, fronts and flips apart, which are kept whole."""


Row = Mapping[str, Any]
Details = Callable[[list[int]], tuple[Sequence[str], Sequence[Row], Sequence[Row]]]
"""From positions to the names, knobs and further columns of those candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What latency is weighed against: one number per candidate, and whether more is better."""

    column: Floats
    maximise: bool


def population(
    noun: str,
    latency_ms: Mapping[str, Floats],
    values: Mapping[str, Value],
    details: Details,
    size: int,
    most: int = MOST,
    trust: Mapping[str, Trust] | None = None,
) -> Population:
    """A population; ranks, fronts and flips are those of all candidates, whoever is shown.

    Args:
        noun: what they are called.
        latency_ms: device -> column.
        values: name -> value.
        details: called with the positions of those that are shown.
        size: how many candidates there are.
        most: how many are shown.
        trust: device -> how far to trust its latencies; members of a front that it does not distinguish are tied.

    Raises:
        ConfigError: a latency that is not positive and finite.
    """
    ranks = device_ranks(latency_ms)
    pairs = agreement(latency_ms) if len(latency_ms) > 1 and size > 1 else ()
    fronts = {
        name: {device: _front(column, value) for device, column in latency_ms.items()} for name, value in values.items()
    }
    kept = _kept(size, most, [*(rows for found in fronts.values() for rows in found.values()), _flipped(pairs)])
    at = {int(position): place for place, position in enumerate(kept)}
    ratios = {device: tie_ratios([f"{LATENCY}@{device}"], trust or {}) for device in latency_ms}
    names, knobs, extra = details(kept.tolist())

    def shown(rows: Iterable[int]) -> list[int]:
        return [at[int(row)] for row in rows]

    return Population(
        noun=noun,
        names=names,
        latency_ms={device: column[kept].tolist() for device, column in latency_ms.items()},
        ranks={device: column[kept].tolist() for device, column in ranks.items()},
        values={
            name: PopulationValue(
                _plain(value.column[kept]),
                value.maximise,
                {device: shown(rows) for device, rows in fronts[name].items()},
                {
                    device: [shown(front[others]) for others in _tied(latency_ms[device], value, front, ratio)]
                    for device, front in fronts[name].items()
                    if (ratio := ratios[device]) is not None
                },
            )
            for name, value in values.items()
        },
        knobs={name: knob_of(column) for name, column in spread(knobs).items()},
        extra=spread(extra),
        pairs=tuple(_pair(pair, at) for pair in pairs),
        total=size,
        shown="those on a front, and others drawn at random" if len(kept) < size else "",
    )


def spread(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows as columns; a list of one length in all rows becomes a column for each of its entries."""
    found: dict[str, list[Any]] = {}
    for name in rows[0] if rows else ():
        column = [row[name] for row in rows]
        lengths = {len(value) if isinstance(value, (list, tuple)) else -1 for value in column}
        if lengths == {-1}:
            found[name] = column
        elif len(lengths) == 1:
            found |= {f"{name}[{i}]": [value[i] for value in column] for i in range(lengths.pop())}
        else:
            found[name] = [_text(value) for value in column]
    return found


def _plain(column: Floats) -> list[float | int]:
    """Numbers for JSON, whole ones as integers."""
    return [int(value) if value.is_integer() else value for value in column.tolist()]


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _front(latency: Floats, value: Value) -> Ints:
    """Positions of the front of a latency and a value, the fastest first."""
    rows = np.flatnonzero(non_dominated([latency, value.column], [False, value.maximise]))
    return np.asarray(rows[np.argsort(latency[rows], kind="stable")])


def _tied(latency: Floats, value: Value, front: Ints, ratio: Sequence[float]) -> list[list[int]]:
    """Places on a front that the error does not distinguish from each of its members."""
    return tied_with([latency[front], value.column[front]], [False, value.maximise], [*ratio, 1.0])


def _flipped(pairs: Iterable[Agreement]) -> Ints:
    flips = [pair.largest for pair in pairs if pair.largest]
    return np.array([row for flip in flips for row in (flip.first, flip.second)], dtype=np.int64)


def _kept(size: int, most: int, needed: Sequence[Ints]) -> Ints:
    """Positions to show, in order: all that are needed, and others drawn at random, the same ones every time."""
    everyone = np.arange(size)
    if size <= most:
        return everyone
    wanted = np.unique(np.concatenate(needed)).astype(np.int64)
    others = np.setdiff1d(everyone, wanted, assume_unique=True)
    drawn = np.random.default_rng(0).choice(others, max(0, most - len(wanted)), replace=False)
    return np.sort(np.concatenate([wanted, drawn]))


def _pair(pair: Agreement, at: Mapping[int, int]) -> PairFacts:
    flip = pair.largest
    largest = (at[flip.first], at[flip.second], *flip.ratios) if flip else None
    return PairFacts(pair.devices, pair.kendall_tau, pair.flips, pair.pairs, largest)
