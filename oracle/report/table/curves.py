"""Latency and throughput over batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned, stated
from oracle.report.captions import origin_caption, time_caption, workload_caption
from oracle.report.grid import Column
from oracle.report.sheets import Sheet
from oracle.report.table.costs import bound_column, time_columns
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import BatchCurve, BatchPoint

_STYLES = {"best": "bold green", "too large": "bold red", "too slow": "dim", "": ""}


def curve_tables(curves: Sequence[BatchCurve]) -> list[RenderableType]:
    """A table per network with a row per device and batch size; then which batch is best, and what predicts."""
    times = [point.time for curve in curves for points in curve.points.values() for point in points]
    notes = [
        *dict.fromkeys(map(_rule, curves)),
        origin_caption(curves),
        time_caption(times),
    ]
    return [*map(_curve, curves), Text("\n".join(filter(None, notes)), style="dim")]


def _curve(curve: BatchCurve) -> Sheet:
    rows = [(device, point) for device, points in curve.points.items() for point in points]
    best = {device: curve.best(device) for device in curve.points}
    points = [point for _, point in rows]
    marks = ["best" if point == best[device] else _why_not(curve, point) for device, point in rows]
    _, _, words = workload_caption(curve.workload, curve.tokens).partition(": ")
    unit, rate = ("sequences", "tokens/s") if curve.tokens else ("images", "images/s")
    speeds = [point.throughput_per_s * (curve.tokens or 1) for point in points]
    return Sheet(
        (
            Column("Device", [device for device, _ in rows]),
            Column("Batch", [str(point.batch_size) for point in points], unit, number=True),
            *time_columns([point.time for point in points], [point.roofline_ms for point in points]),
            Column("Throughput", aligned(speeds), rate, number=True),
            bound_column([point.time for point in points]),
            Column("Peak", aligned([point.peak_memory_bytes for point in points], 1e6), "MB", number=True),
            Column("Choice", marks, styles=[_STYLES[mark] for mark in marks]),
        ),
        f"{curve.network} over batch sizes: {words}",
        keys=2,
    )


def _why_not(curve: BatchCurve, point: BatchPoint) -> str:
    """Why a batch is not allowed; "" if it is."""
    if point.time.fits is False:
        return "too large"
    return "" if curve.allowed(point) else "too slow"


def _rule(curve: BatchCurve) -> str:
    limit = "" if curve.max_latency_ms is None else f" in at most {stated(curve.max_latency_ms)} ms per call"
    none = [device for device in curve.points if curve.best(device) is None]
    unknown = [device for device, points in curve.points.items() if points[0].time.fits is None]
    what = "tokens" if curve.tokens else "images"
    line = f"best: most {what} per second{limit}, of the batches that fit the memory."
    line += f" None of these batches is allowed on {', '.join(none)}." if none else ""
    return line + (f" Nobody states the memory of {', '.join(unknown)}." if unknown else "")
