"""Pareto fronts for papers: latency against what it buys on every device, and lines with marks for any front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from oracle.errors import OracleError
from oracle.report.facts import Population
from oracle.report.plot.style import FRONT, FULL_WIDTH, PALE, footing, grid_of, heading, panel_title, short_axis, styled

_TICKS = 4  # on a linear axis
_DECADES = (
    (4.0, (1.0, 2.0, 3.0, 5.0, 7.0)),
    (6.0, (1.0, 2.0, 3.0, 5.0)),
    (30.0, (1.0, 2.0, 5.0)),
    (100.0, (1.0, 3.0)),
    (math.inf, (1.0,)),
)
"""How much values span -> where ticks stand in each decade."""
_MANY = 80  # members of a front
_CLOUD = 2000  # points that a vector file holds as a picture
_SAID = {
    "macs": "MACs",
    "flops": "FLOPs",
    "params": "parameters",
    "traffic_bytes": "traffic, bytes",
    "peak_memory_bytes": "peak memory, bytes",
    "sram_bytes": "SRAM, bytes",
    "flash_bytes": "flash, bytes",
}


@styled
def front_figure(
    found: Population,
    titles: Mapping[str, str],
    value: str = "",
    width: float = FULL_WIDTH,
    *,
    about: tuple[str, str] = ("", ""),
) -> Any:
    """The figure (matplotlib's): latency against a value on every device, with the Pareto front.

    Args:
        found: the candidates.
        titles: of devices, where they have one.
        value: name of the value; the first if empty.
        width: inches.
        about: captions: the workload, which stands above, and what made the times, which stands below.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: no such value, or no device.
    """
    name = value or next(iter(found.values), "")
    if name not in found.values:
        raise OracleError(f"value={name!r}: expected one of {', '.join(found.values) or 'none'}")
    require_devices(found, 1)
    weighed = found.values[name]
    figure, panels = grid_of(len(found.latency_ms), width, 2.4)
    for axes, (device, latency) in zip(panels, found.latency_ms.items(), strict=True):
        many = len(latency) > _CLOUD
        axes.scatter(latency, weighed.column, s=2 if many else 9, color=PALE, linewidths=0, rasterized=many)
        rows = weighed.fronts[device]
        front = [latency[row] for row in rows], [weighed.column[row] or 0.0 for row in rows]
        front_line(axes, *front)
        front_marks(axes, *front)
        panel_title(axes, titles.get(device, device))
        axes.set_xlabel("latency per call")
        axes.set_ylabel(_SAID.get(name, name))
        _scale(axes.set_xscale, axes.xaxis, latency, 1e-3, "s")
        _scale(axes.set_yscale, axes.yaxis, weighed.column)
        axes.grid(visible=True, axis="y")
    above, below = about
    heading(figure, f"{found.total:,} {found.noun}", above)
    if below:
        footing(figure, below)
    return figure


def front_line(axes: Any, xs: Sequence[float], ys: Sequence[float], maximise_x: bool = False, **style: Any) -> None:
    """Steps through the points of a front: what is reached at least, between one and the next."""
    points = sorted(zip(xs, ys, strict=True))
    steps = "steps-pre" if maximise_x else "steps-post"
    axes.plot([x for x, _ in points], [y for _, y in points], drawstyle=steps, **{"color": FRONT, **style})


def front_marks(axes: Any, xs: Sequence[float], ys: Sequence[float]) -> None:
    """The points of a front; of very many small ones, a line with beads and no wall."""
    size = 3.5 if len(xs) < _MANY else 2.0
    axes.plot(
        xs,
        ys,
        linestyle="",
        marker="D",
        markersize=size,
        markerfacecolor="white",
        markeredgecolor=FRONT,
        markeredgewidth=0.8,
    )


def require_devices(found: Population, count: int) -> None:
    """Refuse a population on fewer devices.

    Raises:
        OracleError: there are fewer.
    """
    if len(found.latency_ms) < count:
        there = ", ".join(found.latency_ms) or "none"
        raise OracleError(f"expected latencies on {count} devices at least; there are {there}")


def _scale(choose: Any, axis: Any, values: Sequence[float | None], scale: float = 1.0, unit: str = "") -> None:
    """Logarithmic where values span much, with ticks in words; few, for words are wide."""
    known = [value for value in values if value is not None]
    spread = max(known) / min(known) if known and min(known) > 0 else 1.0
    if spread > 3:
        choose("log")
    # Two ticks at least are in any such range: of a single one matplotlib makes many, which run into each other.
    decades = next(ticks for most, ticks in _DECADES if spread < most)
    short_axis(axis, scale, unit, decades, _TICKS)
