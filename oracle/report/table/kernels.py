"""Kernels of one network, one by one or in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from oracle._units import aligned, percent, prefix
from oracle.report.breakdown import Group, total
from oracle.report.captions import memory_caption, workload_caption
from oracle.report.grid import Column
from oracle.report.sheets import Sheet
from oracle.report.splits import PER_CALL
from oracle.report.table.costs import BOUND_STYLES, footer
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Cost, KernelCost

_Lines: TypeAlias = "Sequence[KernelCost] | Sequence[Group]"


def kernel_tables(cost: Cost, device: str, lines: _Lines, by: str = "", top: int | None = None) -> list[RenderableType]:
    """Lines of a breakdown, the sum of those left out, what belongs to the call and to no kernel, and the whole.

    Args:
        cost: the network's.
        device: whose times the lines have; "" for none, and then no column about time.
        lines: kernels or groups, in the order to show.
        by: what a group is; "" for kernels.
        top: how many lines to show; all if None.
    """
    shown, hidden = lines[:top], lines[len(lines) if top is None else top :]
    sums = [total(f"{len(hidden)} more", hidden)] if hidden else []
    call = _per_call(cost, device)
    sums += [*call, total("total", [total("kernels", lines), *call])]
    rows = [*shown, *sums]
    whole = sums[-1]
    columns = _labels(shown, sums, by)
    columns += _timed(rows, len(sums)) if device else _shares(rows, whole)
    notes = [footer([cost])]
    if by == "phase":
        columns += (_peaks(cost, shown, sums),)
        notes.insert(0, Text(memory_caption(cost.memory), style="dim"))
    title = cost.name
    if device:
        title += f" on {device}; ridge point {aligned([cost.times[device].ridge], digits=3)[0]} FLOP/byte"
    caption = Text(workload_caption(cost.workload, cost.tokens), style="bold")
    return [
        caption,
        Sheet(columns, title, totals=len(sums)),
        Text("\n".join(note.plain for note in notes), style="dim"),
    ]


def _per_call(cost: Cost, device: str) -> tuple[Group, ...]:
    """What belongs to a call on a device and to no kernel, if anything does."""
    if not device or not cost.times[device].call_ms:
        return ()
    time = cost.times[device]
    return (Group(PER_CALL, 0, 0, 0, 0, 0, time.call_ms, time.call_ms / time.latency_ms, "launch"),)


def _peaks(cost: Cost, shown: _Lines, sums: Sequence[Group]) -> Column:
    """The most memory that is alive in each phase, and in the whole call."""
    peaks = {phase.name: phase.peak_memory_bytes for phase in cost.phases()}
    named = [peaks.get(line.name) for line in (*shown, *sums[:-1])]
    unit, size = prefix([cost.peak_memory_bytes], "B")
    return Column("Peak memory", aligned([*named, cost.peak_memory_bytes], size), unit, number=True)


def _labels(shown: _Lines, sums: Sequence[Group], by: str) -> tuple[Column, ...]:
    """What each line is."""
    names = [group.name for group in sums]
    counted = [str(group.kernels) if group.kernels else "" for group in sums]
    if by:
        groups = [group for group in shown if isinstance(group, Group)]
        return (
            Column(by.capitalize(), [*(group.name for group in groups), *names]),
            Column("Kernels", [*(str(group.kernels) for group in groups), *counted], number=True),
        )
    kernels = [kernel for kernel in shown if not isinstance(kernel, Group)]
    operators = [kernel.name.removeprefix("aten.") for kernel in kernels]
    return (
        Column("Module", [*(kernel.module or "(network)" for kernel in kernels), *names]),
        Column("Operator", [*operators, *(count and f"{count} kernels" for count in counted)]),
    )


def _work(rows: Sequence[KernelCost | Group]) -> tuple[Column, ...]:
    flops, traffic = [row.flops for row in rows], [row.traffic_bytes for row in rows]
    flop_unit, flop_size = prefix(flops[:-1], "FLOP")
    byte_unit, byte_size = prefix(traffic[:-1], "B")
    return (
        Column("FLOPs", aligned(flops, flop_size, most=3), flop_unit, number=True),
        Column("Traffic", aligned(traffic, byte_size, most=3), byte_unit, number=True),
        Column("Intensity", aligned([row.intensity for row in rows], digits=3, most=2), "FLOP/byte", number=True),
    )


def _timed(rows: Sequence[KernelCost | Group], sums: int) -> tuple[Column, ...]:
    seconds = [row.time_ms * 1e-3 for row in rows]
    time_unit, time_size = prefix(seconds[:-1], "s")
    rates = [row.achieved_flops_per_s for row in rows]
    rate_unit, rate_size = prefix(rates, "FLOP/s")
    bounds = [row.bound for row in rows[:-sums]] + [""] * sums
    return (
        *_work(rows),
        Column("Time", aligned(seconds, time_size, most=3), time_unit, number=True),
        Column("Share", percent([row.share for row in rows]), "%", number=True),
        Column("Bound", bounds, styles=[BOUND_STYLES.get(bound, "") for bound in bounds]),
        Column("Achieved", aligned(rates, rate_size, digits=3, most=2), rate_unit, number=True),
    )


def _shares(rows: Sequence[KernelCost | Group], whole: Group) -> tuple[Column, ...]:
    """Without a device: shares of the work in place of times."""
    flops = [row.flops / whole.flops if whole.flops else 0.0 for row in rows]
    traffic = [row.traffic_bytes / whole.traffic_bytes if whole.traffic_bytes else 0.0 for row in rows]
    return (
        *_work(rows),
        Column("of FLOPs", percent(flops), "%", number=True),
        Column("of traffic", percent(traffic), "%", number=True),
    )
