"""Many candidates in a table: the fastest of them, and what all of them span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oracle._units import aligned, prefix
from oracle.report.captions import trust_caption, workload_caption
from oracle.report.grid import Column
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Scores

_COUNTS = {
    "macs": ("MACs", ""),
    "params": ("Params", ""),
    "traffic_bytes": ("Traffic", "B"),
    "peak_memory_bytes": ("Peak memory", "B"),
}


def score_tables(found: Scores, top: int = 10) -> list[RenderableType]:
    """The fastest on the first device (the smallest, where there is none), then the least and the most of all."""
    first = next(iter(found.latency_ms.values()), found.macs)
    order = np.argsort(first, kind="stable")[:top].tolist()
    who = [(found.names[row] if found.names else "") or str(row) for row in order]
    by = f"fastest on {next(iter(found.latency_ms))}" if found.latency_ms else "with the fewest MACs"
    title = f"{len(found):,} candidates" + (f", the {top} {by}" if len(found) > top else "")
    columns = [Column("Candidate", [*who, "least of all", "most of all"] if len(found) else who)]
    for device, latency in found.latency_ms.items():
        columns.append(Column("Latency", aligned(_shown(latency, order)), f"ms, {device}", number=True))
        if found.trust:
            bound = found.roofline_ms[device]
            columns.append(Column("Lower bound", aligned(_shown(bound, order)), f"ms, {device}", number=True))
    for field, (label, base) in _COUNTS.items():
        counted = getattr(found, field)
        if counted is None:  # by the tool whose convention was requested
            continue
        values = _shown(counted, order)
        unit, size = prefix(values, base)
        columns.append(Column(label, aligned(values, size), unit, number=True))
    whose = "the oracle's own, 1 MAC = 2 FLOPs" if found.convention == "oracle" else f"as {found.convention} does"
    notes = f"Counts: {whose}.\n" + trust_caption(found.trust)
    return [
        Text(workload_caption(found.workload), style="bold"),
        Sheet(tuple(columns), title, totals=2 if len(found) else 0),
        Text(notes, style="dim"),
    ]


def _shown(column: np.ndarray, order: list[int]) -> list[float]:
    """Those listed, then the least and the most."""
    ends = [float(column.min()), float(column.max())] if len(column) else []
    return [*(float(column[row]) for row in order), *ends]
