"""Networks as profiled: the rates that operators and classes reach, beside what the roofs allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned, percent, prefix
from oracle.report.captions import workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.texts import Text
from oracle.spec import Workload

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.imports.kernels import MeasuredKernel
    from oracle.imports.profiles import NetworkProfile, OperatorTime
    from oracle.imports.roofs import OnRoofline
    from oracle.measure import KernelTime

_NOTES = """\
Measured per {what}, whose microseconds are in the times; \
FLOPs and least bytes are counted. of roof: the time that the device's roofs allow over the time measured."""


def profile_tables(profiles: Sequence[NetworkProfile], top: int = 10) -> list[RenderableType]:
    """Per network: what its classes of operators reach, its slowest operators, and what was not matched."""
    found: list[RenderableType] = []
    for profile in profiles:
        found += [
            Text(f"{profile.network}: {workload_caption(profile.workload)}", style="bold"),
            _classes(profile),
            _operators(profile, top),
            Text("\n".join(_left(profile)), style="dim"),
        ]
    engines = any(profile.workload.runtime == "engine" for profile in profiles)
    what = "node of its graph by the engine's profiler" if engines else "operator under torch.profiler"
    return [*found, Text(_NOTES.format(what=what), style="dim")]


def kernel_time_tables(
    network: str, workload: Workload, kernels: Sequence[KernelTime], top: int
) -> list[RenderableType]:
    """The slowest kernels that ran in a call of a network."""
    shown = kernels[:top]
    total = sum(kernel.time_s for kernel in kernels)
    unit, scale = prefix([kernel.time_s for kernel in shown], "s")
    whole, size = prefix([total], "s")
    grid = Grid(
        (
            Column("Kernel", [_cut(kernel.name) for kernel in shown]),
            Column("Operator", [kernel.operator.removeprefix("aten::") for kernel in shown]),
            Column("Launches", [str(kernel.launches) for kernel in shown], number=True),
            Column("Time", aligned([kernel.time_s for kernel in shown], scale), unit, number=True),
            Column("Share", percent([kernel.share for kernel in shown]), "%", number=True),
        ),
        f"The {len(shown)} slowest of {len(kernels)} kernels, {aligned([total], size)[0]} {whole} in all",
    )
    return [Text(f"{network}: {workload_caption(workload)}", style="bold"), grid]


def _classes(profile: NetworkProfile) -> Grid:
    classes = profile.by_class()
    whole = (profile.total_s, profile.achieved_flops_per_s, profile.achieved_bytes_per_s, profile.roof_share)
    seconds, flops, traffic, shares = zip(*classes.values(), whole, strict=True)
    unit, scale = prefix(seconds, "s")
    of_total = [value / profile.total_s for value in seconds]
    return Grid(
        (
            Column("Class", [*classes, "network"]),
            Column("Time", aligned(seconds, scale), unit, number=True),
            Column("Share", percent(of_total), "%", number=True),
            *_rates(flops, traffic),
            Column("of roof", percent(shares), "%", number=True),
        ),
        "By class, the slowest first",
        totals=1,
    )


def _operators(profile: NetworkProfile, top: int) -> Grid:
    slowest = sorted(profile.operators, key=lambda item: -item.time_s)[:top]
    unit, scale = prefix([item.time_s for item in slowest], "s")
    return Grid(
        (
            Column("Module", [item.module or "(network)" for item in slowest]),
            Column("Operator", [item.name.removeprefix("aten.") for item in slowest]),
            Column("Time", aligned([item.time_s for item in slowest], scale), unit, number=True),
            *_predicted(slowest, unit, scale),
            *_rates([item.achieved_flops_per_s for item in slowest], [item.achieved_bytes_per_s for item in slowest]),
            Column("of roof", percent([item.roof_share for item in slowest]), "%", number=True),
        ),
        f"The {len(slowest)} slowest of {len(profile.operators)} operators",
    )


def _predicted(items: Sequence[OperatorTime], unit: str, scale: float) -> tuple[Column, ...]:
    """By a calibration if there is one, else by the roofs."""
    values = [item.roof_s if item.predicted_s is None else item.predicted_s for item in items]
    if all(value is None for value in values):
        return ()
    return (Column("Predicted", aligned(values, scale), unit, number=True),)


def _rates(flops: Sequence[float | None], traffic: Sequence[float | None]) -> tuple[Column, Column]:
    flop_unit, flop_scale = prefix([value for value in flops if value is not None], "FLOP/s")
    byte_unit, byte_scale = prefix([value for value in traffic if value is not None], "B/s")
    return (
        Column("Achieved", aligned(flops, flop_scale), flop_unit, number=True),
        Column("Bandwidth", aligned(traffic, byte_scale), byte_unit, number=True),
    )


def _left(profile: NetworkProfile) -> list[str]:
    lines = [f"{profile.other_s / profile.total_s:.0%} of the time is in views and in operators that nothing predicts."]
    if profile.left:
        names = ", ".join(dict.fromkeys(kernel.name for kernel in profile.left))
        lines.append(f"{len(profile.left)} predicted kernels were not seen: {names}.")
    return lines


def measured_kernel_tables(
    found: Sequence[OnRoofline], notes: Sequence[str], top: int | None = None
) -> list[RenderableType]:
    """Measured kernels on the roofline of a device, the slowest first; what was not measured stays a dash."""
    rows = sorted(found, key=lambda row: -(row.kernel.time_s or 0.0))[:top]
    kernels = [row.kernel for row in rows]
    unit, scale = prefix([kernel.time_s for kernel in kernels if kernel.time_s], "s")
    grid = Grid(
        (
            Column("Kernel", [_short(kernel) for kernel in kernels]),
            Column("Time", aligned([kernel.time_s for kernel in kernels], scale), unit, number=True),
            Column("Calls", [str(kernel.invocations) for kernel in kernels], number=True),
            *_rates(
                [kernel.achieved_flops_per_s for kernel in kernels], [kernel.achieved_bytes_per_s for kernel in kernels]
            ),
            Column("Intensity", aligned([kernel.intensity for kernel in kernels], digits=3), "FLOP/byte", number=True),
            Column("Bound", [row.bound for row in rows]),
            Column("of roof", percent([row.roof_share for row in rows]), "%", number=True),
        ),
        f"{len(rows)} of {len(found)} kernels, the slowest first",
    )
    why = dict.fromkeys(f"No {name}: {reason}." for kernel in kernels for name, reason in kernel.missing)
    return [grid, Text("\n".join([*why, *notes]), style="dim")]


def _short(kernel: MeasuredKernel) -> str:
    return _cut(kernel.operator or kernel.name)


def _cut(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
