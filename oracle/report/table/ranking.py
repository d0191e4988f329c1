"""A ranking: one table per device, and how far the devices agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from oracle.report.captions import workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.table.costs import bound_column, footer, latency_columns, size_columns
from oracle.report.units import aligned

if TYPE_CHECKING:
    from oracle.query import Cost, Ranking

__all__ = ["ranking_tables"]


def ranking_tables(ranking: Ranking, top: int | None = None) -> list[RenderableType]:
    """The order on every device, agreement between devices if there are two, and what the numbers mean.

    Args:
        top: how many networks of each order to show; all if None.
    """
    found: list[RenderableType] = [_order(ranking, device, top) for device in ranking.devices]
    if ranking.kendall_tau:
        found.append(_agreement(ranking))
    return [*found, _meaning(ranking), footer(ranking.costs)]


def _order(ranking: Ranking, device: str, top: int | None) -> Grid:
    order = ranking.order[device][:top]
    costs = [ranking.costs[i] for i in order]
    dominated = [ranking.dominated[device][i] for i in order]
    return Grid(
        (
            Column("#", [str(place) for place in range(1, len(order) + 1)], number=True),
            Column("Network", [cost.name for cost in costs]),
            *latency_columns(costs, [device] * len(costs)),
            *size_columns(costs),
            bound_column([cost.times[device] for cost in costs]),
            Column("Pareto", ["dominated" if flag else "front" for flag in dominated]),
        ),
        f"{device}: {_shown(len(order), len(ranking.costs))}, fastest first",
        row_styles=["dim" if flag else "" for flag in dominated],
    )


def _shown(count: int, total: int) -> str:
    return f"{total} networks" if count == total else f"{count} of {total} networks"


def _agreement(ranking: Ranking) -> Grid:
    pairs = list(ranking.kendall_tau)
    return Grid(
        (
            Column("Device", [a for a, _ in pairs]),
            Column("and device", [b for _, b in pairs]),
            Column(
                "Kendall tau",
                aligned([ranking.kendall_tau[pair] for pair in pairs], most=3),
                number=True,
            ),
            Column(
                "Spearman rho",
                aligned([ranking.spearman_rho[pair] for pair in pairs], most=3),
                number=True,
            ),
        ),
        "Agreement of the orders (1: the same, -1: reversed)",
    )


def _meaning(ranking: Ranking) -> Text:
    worth = "as many MACs" if ranking.value_name == "macs" else f"as much {ranking.value_name}"
    lines = [
        *(workload_caption(workload) for workload in dict.fromkeys(cost.workload for cost in ranking.costs)),
        f"Pareto: dominated networks are no faster than another that has at least {worth}.",
        *(line for device in ranking.devices for line in _too_large(ranking.costs, device)),
    ]
    return Text("\n".join(lines), style="dim")


def _too_large(costs: Sequence[Cost], device: str) -> list[str]:
    names = [cost.name for cost in costs if cost.times[device].fits is False]
    return [f"Do not fit the memory of {device}: {', '.join(names)}."] if names else []
