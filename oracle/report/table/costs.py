"""Costs of networks: what they count, and their time on every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._lines import LOWER_BOUND
from oracle._units import aligned, percent
from oracle.report.captions import count_caption, origin_caption, time_caption, workload_caption
from oracle.report.grid import Column
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Cost, DeviceTime

BOUND_STYLES = {"compute": "cyan", "memory": "magenta", "launch": "yellow"}
_FITS = {True: "yes", False: "NO", None: "?"}


def cost_tables(costs: Sequence[Cost]) -> list[RenderableType]:
    """Per workload: counts of every network, then its times if there are devices; last what they mean."""
    found: list[RenderableType] = []
    for workload, tokens in dict.fromkeys((cost.workload, cost.tokens) for cost in costs):
        alike = [cost for cost in costs if (cost.workload, cost.tokens) == (workload, tokens)]
        found.append(_counts(alike, workload_caption(workload, tokens)))
        if any(cost.times for cost in alike):
            found.append(_times(alike))
    return [*found, footer(costs)]


def footer(costs: Sequence[Cost]) -> Text:
    """How the numbers of a table were counted and predicted."""
    times = [time for cost in costs for time in cost.times.values()]
    lines = [origin_caption(costs), count_caption(costs), time_caption(times)]
    return Text("\n".join(filter(None, lines)), style="dim")


def size_columns(costs: Sequence[Cost]) -> tuple[Column, ...]:
    """MACs, FLOPs, traffic and intensity."""
    return (
        Column("MACs", aligned([cost.macs for cost in costs], 1e9), "G", number=True),
        Column("FLOPs", aligned([cost.flops for cost in costs], 1e9), "G", number=True),
        Column("Traffic", aligned([cost.traffic_bytes for cost in costs], 1e6), "MB", number=True),
        Column("Intensity", aligned([cost.intensity for cost in costs], digits=3), "FLOP/byte", number=True),
    )


def latency_columns(costs: Sequence[Cost], devices: Sequence[str]) -> tuple[Column, ...]:
    """Per call of each cost on the device beside it: latency as predicted, where 80 % of cases lie, the lower bound.

    The bound alone where only that was requested.
    """
    pairs = list(zip(costs, devices, strict=True))
    times = [cost.times[device] for cost, device in pairs]
    return time_columns(times, [cost.roofline_ms[device] for cost, device in pairs])


def time_columns(times: Sequence[DeviceTime], bounds_ms: Sequence[float]) -> tuple[Column, ...]:
    """Latencies with their intervals, where there are any, and the lower bounds beside those that are none."""
    latency = [time.latency_ms for time in times]
    found = [Column("Latency", aligned(latency), "ms", number=True, styles=["bold"] * len(latency))]
    if any(time.interval_ms for time in times):
        found.append(Column("80 % of cases", [_range(time.interval_ms) for time in times], "ms", number=True))
    if any(time.source != LOWER_BOUND for time in times):
        found.append(Column("Lower bound", aligned(bounds_ms), "ms", number=True))
    return tuple(found)


def _range(interval_ms: tuple[float, float] | None) -> str:
    if interval_ms is None:
        return "?"
    return " to ".join(f"{end:.0f}" if end >= 1000 else f"{end:.3g}" for end in interval_ms)


def bound_column(times: Sequence[DeviceTime]) -> Column:
    """What bounds most of the time, and how much of it."""
    shares = percent([time.bound_share[time.bound] for time in times], most=0)
    cells = [f"{time.bound} {share}%" for time, share in zip(times, shares, strict=True)]
    return Column("Bound by", cells, "of the time", styles=[BOUND_STYLES[time.bound] for time in times])


def _counts(costs: Sequence[Cost], title: str) -> Sheet:
    macs, flops, traffic, intensity = size_columns(costs)
    return Sheet(
        (
            Column("Network", [cost.name for cost in costs]),
            Column("Params", aligned([cost.params for cost in costs], 1e6), "M", number=True),
            macs,
            flops,
            Column("Activations", aligned([cost.activations for cost in costs], 1e6), "M", number=True),
            traffic,
            intensity,
            *([_caches(costs)] if any(cost.kv_cache_bytes for cost in costs) else []),
            Column("Peak memory", aligned([cost.peak_memory_bytes for cost in costs], 1e6), "MB", number=True),
        ),
        title,
    )


def _caches(costs: Sequence[Cost]) -> Column:
    return Column("KV cache", aligned([cost.kv_cache_bytes for cost in costs], 1e6), "MB", number=True)


def _times(costs: Sequence[Cost]) -> Sheet:
    rows = [(cost, device) for cost in costs for device in cost.times]
    times = [cost.times[device] for cost, device in rows]
    speeds = [cost.throughput_per_s[device] for cost, device in rows]
    fits = [_FITS[time.fits] for time in times]
    return Sheet(
        (
            Column("Network", [cost.name for cost, _ in rows]),
            Column("Device", [device for _, device in rows]),
            *latency_columns([cost for cost, _ in rows], [device for _, device in rows]),
            Column("Throughput", aligned(speeds), "sequences/s" if costs[0].tokens else "images/s", number=True),
            bound_column(times),
            Column("Fits", fits, "memory", styles=["bold red" if cell == "NO" else "" for cell in fits]),
        ),
        keys=2,
    )
