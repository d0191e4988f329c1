"""A ranking: one table per device, and how far the devices agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._units import aligned, counted
from oracle.report.captions import workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.sheets import Sheet
from oracle.report.table.costs import bound_column, footer, latency_columns, size_columns
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Ranking


def ranking_tables(ranking: Ranking, top: int | None = None) -> list[RenderableType]:
    """The order on every device, agreement between devices if there are two, and what the numbers mean.

    Args:
        top: how many networks of each order to show; all if None.
    """
    workloads = dict.fromkeys(workload_caption(cost.workload) for cost in ranking.costs)
    found: list[RenderableType] = [Text("\n".join(workloads), style="bold")]
    found += [_order(ranking, device, top) for device in ranking.devices]
    if ranking.kendall_tau:
        found.append(_agreement(ranking))
    return [*found, Text("\n".join([*_notes(ranking), footer(ranking.costs).plain]), style="dim")]


def _order(ranking: Ranking, device: str, top: int | None) -> Grid:
    order = ranking.order[device][:top]
    costs = [ranking.costs[i] for i in order]
    dominated = [ranking.dominated[device][i] for i in order]
    ridges = aligned(sorted({cost.times[device].ridge for cost in ranking.costs}), digits=3)
    count = counted(len(ranking.costs), "network")
    if len(order) < len(ranking.costs):
        count = f"{len(order)} of {count}"
    macs, _, traffic, _ = size_columns(costs)
    return Sheet(
        (
            Column("#", [str(place) for place in range(1, len(order) + 1)], number=True),
            Column("Network", [cost.name for cost in costs]),
            *latency_columns(costs, [device] * len(costs)),
            macs,
            traffic,
            bound_column([cost.times[device] for cost in costs]),
            Column("Pareto", ["" if flag else "yes" for flag in dominated], "front"),
        ),
        f"{device}: {count}, fastest first; ridge point {', '.join(ridges)} FLOP/byte",
        row_styles=["dim" if flag else "" for flag in dominated],
        keys=2,
    )


def _agreement(ranking: Ranking) -> Grid:
    pairs = list(ranking.kendall_tau)
    tau = aligned([ranking.kendall_tau[pair] for pair in pairs], most=3)
    rho = aligned([ranking.spearman_rho[pair] for pair in pairs], most=3)
    return Grid(
        (
            Column("Device", [a for a, _ in pairs]),
            Column("and device", [b for _, b in pairs]),
            Column("Kendall tau", tau, number=True),
            Column("Spearman rho", rho, number=True),
        ),
        "Agreement of the orders: 1 the same, -1 reversed",
    )


def _notes(ranking: Ranking) -> list[str]:
    more, same = ("more MACs", "as many") if ranking.value_name == "macs" else (f"more {ranking.value_name}", "as much")
    lines = [f"Pareto front: no other network has {more} in no more time, or {same} in less time."]
    for device in ranking.devices:
        names = [cost.name for cost in ranking.costs if cost.times[device].fits is False]
        if names:
            lines.append(f"Peak memory exceeds that of {device}: {', '.join(names)}.")
    return lines
