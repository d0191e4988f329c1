"""Predictions beside measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned, percent
from oracle.report.captions import time_caption, workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.measure import Measurement
    from oracle.query import Case, Comparison, Cost

_NOTES = """\
Orders, front and regret are of latency per image. Pareto front: no other network has more
{0} in no more time, or as {1} in less time. Regret: measured latency of a network that
the predicted front names, over that of the fastest with as {1} {0}."""


def comparison_tables(found: Comparison, worst: int = 5) -> list[RenderableType]:
    """Errors over all and by family, the worst cases, and what the numbers mean.

    Args:
        worst: how many cases to show.
    """
    worth = ("MACs", "many") if found.worth == "macs" else ("accuracy", "much")
    notes = [_NOTES.format(*worth), time_caption(case.time for case in found.cases)]
    if any(case.time.model == "calibrated" for case in found.cases):
        notes.append("On the networks that a calibration was fitted to, it looks better than it is.")
    return [_summary(found), _families(found), _cases(found.worst[:worst]), Text("\n".join(notes), style="dim")]


def _summary(found: Comparison) -> Grid:
    true, both, named = found.front
    regret, largest = found.regret
    tau, rho = aligned([found.kendall_tau, found.spearman_rho], digits=3, most=3)
    shares = percent([found.mape, found.median, found.within_10, found.coverage, regret, largest])
    mape, median, within, coverage, mean, most = (share.strip() for share in shares)
    lines = {
        "Kendall tau": tau.strip(),
        "Spearman rho": rho.strip(),
        "Mean error": f"{mape} %",
        "Median error": f"{median} %",
        "Within 10 %": f"{within} % of networks",
        "Inside the interval": f"{coverage} % of networks" if found.coverage is not None else "-",
        "Pareto front": f"{both} of {true} found, {named} named",
        "Regret": f"{mean} % mean, {most} % at most",
    }
    title = f"{found.device}: {len(found.cases)} measurements"
    return Grid((Column("Predicted against measured", list(lines)), Column("", list(lines.values()))), title)


def _families(found: Comparison) -> Grid:
    rows = found.by_family
    return Grid(
        (
            Column("Family", list(rows)),
            Column("Networks", [str(count) for count, _, _ in rows.values()], number=True),
            Column("Mean error", percent([error for _, error, _ in rows.values()]), "%", number=True),
            Column("Bias", [_signed(bias) for _, _, bias in rows.values()], "%", number=True),
        ),
        "By family, the worst first",
    )


def _cases(cases: Sequence[Case]) -> Grid:
    return Grid(
        (
            Column("Network", [case.network for case in cases]),
            Column("Batch", [str(case.workload.batch_size) for case in cases], number=True),
            Column("Measured", aligned([case.measured_ms for case in cases]), "ms", number=True),
            Column("Predicted", aligned([case.time.latency_ms for case in cases]), "ms", number=True),
            Column("Error", [_signed(case.error) for case in cases], "%", number=True),
        ),
        "The worst cases",
    )


def measurement_tables(found: Sequence[Measurement], costs: Sequence[Cost]) -> list[RenderableType]:
    """Measured latencies; where costs have a device, its prediction beside each, and the share of the roof reached."""
    workloads = dict.fromkeys(workload_caption(item.workload) for item in found)
    measured = [item.latency_ms for item in found]
    rates = [cost.executed_flops / ms * 1e3 for cost, ms in zip(costs, measured, strict=True)]
    sizes = [str(item.workload.batch_size) for item in found]
    columns = [
        Column("Network", [item.network for item in found]),
        *([Column("Batch", sizes, "images", number=True)] if len(set(sizes)) > 1 else []),
        Column("Measured", aligned(measured), "ms", number=True, styles=["bold"] * len(measured)),
        Column("Spread", percent([item.spread for item in found]), "%", number=True),
        Column("Achieved", aligned(rates, 1e9), "GFLOP/s", number=True),
        Column(
            "Bandwidth",
            aligned([cost.traffic_bytes / ms * 1e3 for cost, ms in zip(costs, measured, strict=True)], 1e9),
            "GB/s",
            number=True,
        ),
    ]
    times = [time for cost in costs for time in cost.times.values()]
    first = found[0]
    threads = f"threads: {first.workload.threads} " if first.workload.threads else ""
    host = f"{threads}on CPUs {first.affinity}, {first.clock} clock, {first.release or f'torch {first.torch}'}"
    host += ", cache swept before every call" if first.cache == "cold" else ""
    host += ", replayed from CUDA graphs" if first.workload.cuda_graphs else ""
    blocks = " or ".join(map(str, sorted({item.repeats for item in found})))  # several where a run was interrupted
    word = "block" if blocks == "1" else "blocks"
    notes = [f"Median of {blocks} {word} of calls; spread: interquartile range over median; {host}."]
    if times:
        errors = [time.latency_ms / ms - 1 for time, ms in zip(times, measured, strict=True)]
        columns += [
            Column("Predicted", aligned([time.latency_ms for time in times]), "ms", number=True),
            Column("Error", [_signed(error) for error in errors], "%", number=True),
        ]
        notes.append(time_caption(times))
    roofs = [bound for cost in costs for bound in cost.roofline_ms.values()]
    if roofs:
        shares = [roof / ms for roof, ms in zip(roofs, measured, strict=True)]
        columns.insert(5 + (len(set(sizes)) > 1), Column("of roof", percent(shares), "%", number=True))
        notes.append("of roof: the time that the device's roofs allow over the time measured.")
    return [
        Text("\n".join(workloads), style="bold"),
        Sheet(tuple(columns), first.device),
        Text("\n".join(notes), style="dim"),
    ]


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
