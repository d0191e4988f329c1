"""Calibrations: what share of each roof a device reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._units import aligned, percent
from oracle.report.grid import Column, Grid
from oracle.report.texts import Text
from oracle.spec import GENERIC

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.calibration import Calibration


def calibration_tables(found: Calibration) -> list[RenderableType]:
    """Shares by class of kernel, constants, and how far to trust them."""
    shares = found.efficiency
    classes = list(shares.compute)
    runner = found.runtime if found.engine == GENERIC else found.engine
    title = f"{found.device}: {found.dtype}, {found.mode}, {runner}, {found.layout}"
    grid = Grid(
        (
            Column("Class", classes),
            Column("of compute", percent([shares.compute[name] for name in classes]), "%", number=True),
            Column("of bandwidth", percent([shares.memory.get(name) for name in classes]), "%", number=True),
            Column("Launch", aligned(shares.launch_of(classes), 1e-6), "us", number=True),
        ),
        f"{title}. Shares of the roofs that kernels reach, and what their launch costs",
    )
    return [grid, Text("\n".join(_notes(found)), style="dim")]


def _notes(found: Calibration) -> list[str]:
    floor, call = (
        aligned([seconds], 1e-6)[0].strip() for seconds in (found.efficiency.floor_s, found.efficiency.call_s)
    )
    lines = [
        f"A kernel takes its launch and at least {floor} us; a call {call} us beside its kernels.",
        f"Fitted to {found.source}.",
    ]
    if found.error is None:
        return [*lines, "Error not measured: too few networks to leave any out, and none known of the prior."]
    error = f"Mean error {percent([found.error])[0].strip()} %, {found.protocol}"
    if found.interval is not None:
        low, high = (100 * (edge - 1) for edge in found.interval)
        error += f"; measured latency lies from {low:+.0f} to {high:+.0f} % of the prediction in 80 % of cases"
    return [*lines, f"{error}."]
