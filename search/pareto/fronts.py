"""Fronts of candidates, per device, with what devices agree on: as a value, as data, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oracle._fronts import non_dominated
from oracle._frozen import Frozen
from oracle.errors import OracleError
from oracle.query.trust import Trust

from .agreement import Agreement, agreement, device_ranks, on_every_front
from .objectives import LATENCY, Objective, objectives_of
from .ties import tie_ratios, tied_with

_DEFAULT = ("min latency_ms", "max macs")


class Table(Protocol):
    """Candidates: `search.sweep.Candidates`, or `search.study.table.Trials`."""

    @property
    def file(self) -> Path | str:
        """Where they are from."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that it has latencies for."""

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Columns of numbers."""

    def rows(self, positions: Iterable[int]) -> list[dict[str, Any]]:
        """Every column of some candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Fronts:
    """What is worth a look.

    Attributes:
        source: the file.
        size: how many candidates it holds.
        left_out: front -> how many of them have no number for one of its objectives, and can be on none.
        devices: that are looked at.
        objectives: of the call, `latency_ms` standing for each device.
        fronts: device ("" where no objective is about each device) -> positions, best in the first objective first.
        common: positions on every front.
        rows: position -> every column, of all candidates that are listed anywhere.
        ranks: device -> rank of every candidate by latency.
        agreements: of each pair of devices.
        trust: device -> how far to trust its latencies; empty where nobody says.
        ties: front -> position -> positions of the members that the error of latencies does not distinguish from it,
            see `search.pareto.ties`; no entry where an error that matters is not known.
    """

    source: str
    size: int
    left_out: dict[str, int]
    devices: tuple[str, ...]
    objectives: tuple[Objective, ...]
    fronts: dict[str, NDArray[np.int64]]
    common: NDArray[np.int64]
    rows: dict[int, dict[str, Any]]
    ranks: dict[str, NDArray[np.int64]]
    agreements: tuple[Agreement, ...]
    trust: Mapping[str, Trust] = field(default_factory=Frozen)
    ties: Mapping[str, Mapping[int, list[int]]] = field(default_factory=Frozen)

    def of(self, front: str) -> tuple[Objective, ...]:
        """The objectives of one front."""
        return tuple(objective.on(front) for objective in self.objectives)

    def members(self, top: int | None = None) -> list[dict[str, Any]]:
        """Every column of the candidates that are on some front, each once.

        Args:
            top: how many of each front, its best first; all if None.
        """
        return self._at(sorted({int(row) for front in self.fronts.values() for row in front[:top]}))

    def to_rows(self, top: int | None = None) -> list[dict[str, Any]]:
        """One row per front and candidate: where it is, its ranks, then its own columns; `top` as in `members`."""
        return [row for front in self.fronts for row in self._listed(front, top)]

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain data for JSON; `top` as in `members`."""
        return {
            "source": self.source,
            "candidates": self.size,
            "objectives": [str(objective) for objective in self.objectives],
            "fronts": [
                {
                    "device": front or None,
                    "size": len(positions),
                    "left_out": self.left_out[front],
                    "candidates": self._listed(front, top),
                }
                for front, positions in self.fronts.items()
            ],
            "on_every_front": self._at(self.common[:top].tolist()),
            "agreement": [self._agreement(pair) for pair in self.agreements],
        }

    def _listed(self, front: str, top: int | None) -> list[dict[str, Any]]:
        common, ties = set(self.common.tolist()), self.ties.get(front)
        return [
            {
                "front": front or None,
                "on_every_front": position in common,
                "tied_with": None if ties is None else [self._number(other) for other in ties[position]],
                **{f"rank@{device}": int(ranks[position]) for device, ranks in self.ranks.items()},
                **self.rows[position],
            }
            for position in self.fronts[front][:top].tolist()
        ]

    def _number(self, position: int) -> int:
        """What a candidate is known by: its row or trial, else its position."""
        row = self.rows[position]
        return int(next((row[name] for name in ("row", "trial") if name in row), position))

    def _agreement(self, pair: Agreement) -> dict[str, Any]:
        flip = pair.largest
        return {
            "devices": list(pair.devices),
            "kendall_tau": pair.kendall_tau,
            "spearman_rho": pair.spearman_rho,
            "pairs": pair.pairs,
            "flips": pair.flips,
            "largest_flip": flip
            and {
                "times_faster": dict(zip(pair.devices, flip.ratios, strict=True)),
                "faster": dict(zip(pair.devices, self._at((flip.first, flip.second)), strict=True)),
            },
        }

    def _at(self, positions: Iterable[int]) -> list[dict[str, Any]]:
        return [self.rows[position] for position in positions]


def fronts_of(
    candidates: Table,
    objectives: Sequence[str] = (),
    devices: Sequence[str] = (),
    trust: Mapping[str, Trust] | None = None,
) -> Fronts:
    """Compute Pareto fronts, the candidates on all of them, and the agreement of devices.

    Args:
        candidates: as `oracle.search.read_candidates` returns them, or an object with the same columns and rows.
        objectives: such as `min latency_ms@t4` and `max macs`. `latency_ms` without a device stands for the latency on
            each device in turn: one front per device. Default: minimal latency and maximal MACs.
        devices: to look at. Default: all.
        trust: device -> how far to trust its latencies, as in a `SweepResult`; members that it does not
            distinguish are tied.

    Raises:
        OracleError: an unknown column or device, or no candidates.
    """
    places = _devices(candidates, devices)
    wanted = objectives_of(objectives or _DEFAULT)
    each = any(objective.column == LATENCY for objective in wanted)
    if each and not places:
        raise OracleError(f"{candidates.file}: no column {LATENCY}@DEVICE for objective {LATENCY!r}")
    by_front = {label: [objective.on(label) for objective in wanted] for label in (places if each else ("",))}
    names = [objective.column for own in by_front.values() for objective in own]
    columns = candidates.columns([*names, *(f"{LATENCY}@{device}" for device in places)])
    size = len(next(iter(columns.values())))
    if not size:
        raise OracleError(f"{candidates.file}: holds no candidates")
    flags = {
        label: non_dominated([columns[objective.column] for objective in own], [one.maximise for one in own])
        for label, own in by_front.items()
    }
    fronts = {
        label: _sorted(np.flatnonzero(flag), columns[by_front[label][0].column], wanted[0].maximise)
        for label, flag in flags.items()
    }
    times = {device: columns[f"{LATENCY}@{device}"] for device in places}
    agreements = agreement(times) if len(places) > 1 else ()
    listed = sorted({int(row) for front in fronts.values() for row in front} | _flipped(agreements))
    return Fronts(
        source=str(candidates.file),
        size=size,
        left_out={label: _without([columns[objective.column] for objective in own]) for label, own in by_front.items()},
        devices=places,
        objectives=wanted,
        fronts=fronts,
        common=on_every_front(flags),
        rows=dict(zip(listed, candidates.rows(listed), strict=True)),
        ranks=device_ranks(times),
        agreements=agreements,
        trust=trust or {},
        ties=_ties(fronts, by_front, columns, trust or {}),
    )


def _ties(
    fronts: Mapping[str, NDArray[np.int64]],
    by_front: Mapping[str, Sequence[Objective]],
    columns: Mapping[str, NDArray[np.float64]],
    trust: Mapping[str, Trust],
) -> dict[str, dict[int, list[int]]]:
    """As in `Fronts`."""
    found = {}
    for label, positions in fronts.items():
        own = by_front[label]
        ratios = tie_ratios([one.column for one in own], trust)
        if ratios is None:
            continue
        members = positions.tolist()
        tied = tied_with([columns[one.column][positions] for one in own], [one.maximise for one in own], ratios)
        found[label] = {row: [members[place] for place in places] for row, places in zip(members, tied, strict=True)}
    return found


def _flipped(agreements: Iterable[Agreement]) -> set[int]:
    """Positions of the candidates whose order differs most between two devices."""
    flips = [pair.largest for pair in agreements if pair.largest]
    return {row for flip in flips for row in (flip.first, flip.second)}


def _devices(candidates: Table, only: Sequence[str]) -> tuple[str, ...]:
    for device in only:
        if device not in candidates.devices:
            there = ", ".join(candidates.devices) or "none"
            raise OracleError(f"device={device!r} is not in {candidates.file}; there are {there}")
    return tuple(dict.fromkeys(only)) or candidates.devices


def _without(columns: Sequence[NDArray[np.float64]]) -> int:
    """How many candidates lack a number in some column."""
    return int(np.any(np.isnan(columns), axis=0).sum())


def _sorted(positions: NDArray[np.int64], column: NDArray[np.float64], maximise: bool) -> NDArray[np.int64]:
    values = column[positions]
    return positions[np.argsort(-values if maximise else values, kind="stable")]
