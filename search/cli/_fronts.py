"""Fronts of a file of candidates, per device, with what devices agree on: as a value, as data, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oracle.errors import OracleError
from search.pareto import Agreement, agreement, device_ranks, non_dominated, on_every_front
from search.pareto.objectives import LATENCY, Objective, objectives_of

__all__ = ["Fronts", "Table", "front_data", "front_rows", "fronts_of", "listed"]

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
        objectives: as asked.
        fronts: device ("" where no objective is about each device) -> positions, best in the first objective first.
        common: positions on every front.
        rows: position -> every column, of all candidates that are listed anywhere.
        ranks: device -> rank of every candidate by latency.
        agreements: of each pair of devices.
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

    def of(self, front: str) -> tuple[Objective, ...]:
        """The objectives of one front."""
        return tuple(objective.on(front) for objective in self.objectives)


def fronts_of(candidates: Table, words: Sequence[str], only: Sequence[str]) -> Fronts:
    """The fronts, the candidates on all of them, and the agreement of devices.

    Args:
        candidates: of a file or a study.
        words: objectives; minimal latency and maximal MACs if there are none.
        only: devices to look at; all if there are none.

    Raises:
        OracleError: an unknown column or device, or no candidates.
    """
    devices = _devices(candidates, only)
    objectives = objectives_of(words or _DEFAULT)
    each = any(objective.column == LATENCY for objective in objectives)
    if each and not devices:
        raise OracleError(f"{candidates.file}: no column {LATENCY}@DEVICE for objective {LATENCY!r}")
    labels = devices if each else ("",)
    latencies = [f"{LATENCY}@{device}" for device in devices]
    names = [objective.on(label).column for label in labels for objective in objectives]
    columns = candidates.columns([*names, *latencies])
    size = len(next(iter(columns.values())))
    if not size:
        raise OracleError(f"{candidates.file}: holds no candidates")
    flips = [objective.maximise for objective in objectives]
    flags = {
        label: non_dominated([columns[objective.on(label).column] for objective in objectives], flips)
        for label in labels
    }
    first = objectives[0]
    fronts = {
        label: _sorted(np.flatnonzero(flag), columns[first.on(label).column], first.maximise)
        for label, flag in flags.items()
    }
    times = {device: columns[f"{LATENCY}@{device}"] for device in devices}
    agreements = agreement(times) if len(devices) > 1 else ()
    largest = [pair.largest for pair in agreements if pair.largest]
    listed = {int(row) for front in fronts.values() for row in front}
    listed |= {row for flip in largest for row in (flip.first, flip.second)}
    return Fronts(
        str(candidates.file),
        size,
        {label: _without([columns[objective.on(label).column] for objective in objectives]) for label in labels},
        devices,
        objectives,
        fronts,
        on_every_front(flags),
        dict(zip(sorted(listed), candidates.rows(sorted(listed)), strict=True)),
        device_ranks(times),
        agreements,
    )


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


def listed(found: Fronts, top: int | None = None) -> list[dict[str, Any]]:
    """Every column of the candidates that are on some front, each once."""
    positions = sorted({int(row) for front in found.fronts.values() for row in front[:top]})
    return _at(found, positions)


def front_rows(found: Fronts, top: int | None = None) -> list[dict[str, Any]]:
    """One row per front and candidate: where it is, its ranks, then the columns of the file."""
    return [row for front in found.fronts for row in _listed(found, front, top)]


def _listed(found: Fronts, front: str, top: int | None) -> list[dict[str, Any]]:
    common = set(found.common.tolist())
    return [
        {
            "front": front or None,
            "on_every_front": position in common,
            **{f"rank@{device}": int(ranks[position]) for device, ranks in found.ranks.items()},
            **found.rows[position],
        }
        for position in found.fronts[front][:top].tolist()
    ]


def front_data(found: Fronts, top: int | None = None) -> dict[str, Any]:
    """Everything for JSON."""
    return {
        "source": found.source,
        "candidates": found.size,
        "objectives": [str(objective) for objective in found.objectives],
        "fronts": [
            {
                "device": front or None,
                "size": len(positions),
                "left_out": found.left_out[front],
                "candidates": _listed(found, front, top),
            }
            for front, positions in found.fronts.items()
        ],
        "on_every_front": _at(found, found.common[:top].tolist()),
        "agreement": [
            {
                "devices": list(pair.devices),
                "kendall_tau": pair.kendall_tau,
                "spearman_rho": pair.spearman_rho,
                "pairs": pair.pairs,
                "flips": pair.flips,
                "largest_flip": pair.largest
                and {
                    "times_faster": dict(zip(pair.devices, pair.largest.ratios, strict=True)),
                    "faster": dict(
                        zip(pair.devices, _at(found, (pair.largest.first, pair.largest.second)), strict=True)
                    ),
                },
            }
            for pair in found.agreements
        ],
    }


def _at(found: Fronts, positions: Iterable[int]) -> list[dict[str, Any]]:
    return [found.rows[position] for position in positions]
