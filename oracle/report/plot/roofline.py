"""Rooflines for papers: every kernel a mark, its area its share of the time, under the roofs of each device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.errors import OracleError
from oracle.report.facts import DeviceFacts, NetworkFacts, OnDevice
from oracle.report.marks import MARKS, mark_of
from oracle.report.plot.style import (
    FULL_WIDTH,
    INK,
    MARKERS,
    MUTED,
    grid_of,
    heading,
    note,
    number,
    panel_title,
    short,
    short_axis,
    styled,
)

_LARGEST = 420.0  # points^2 of a kernel that takes all the time
_SMALLEST = 5.0


@dataclass(frozen=True, slots=True)
class _Point:
    """A kernel, or several of a kind on one spot: where, and its share of the time."""

    x: float
    y: float
    share: float
    kind: str


@styled
def roofline_figure(network: NetworkFacts, devices: Sequence[DeviceFacts], width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): a panel for each device that has roofs.

    Args:
        network: its kernels on the devices.
        devices: in the order of the panels.
        width: inches.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: nothing that computes, on no device with roofs.
    """
    shown = [device for device in devices if device.slopes and _computes(network, device.name)]
    if not shown:
        raise OracleError(f"network={network.name!r}: no kernel computes on a device with roofs; there is no roofline")
    figure, panels = grid_of(len(shown), width, 2.75)
    for axes, device in zip(panels, shown, strict=True):
        _panel(axes, network, device)
    heading(figure, network.name, network.workload)
    kinds = [mark for mark in MARKS if any(name in mark.classes for name in network.kernels["op_class"])]
    figure.legend(handles=[_key(mark.name) for mark in kinds], loc="outside lower left", ncols=3 if width > 5 else 2)
    figure.draw_without_rendering()  # only now is it known how steep a slope is
    for axes, device in zip(panels, shown, strict=True):
        _label_slopes(axes, network.kernels, network.devices[device.name], device)
    return figure


def _computes(network: NetworkFacts, device: str) -> bool:
    return device in network.devices and bool(network.devices[device].ceilings)


def _panel(axes: Any, network: NetworkFacts, device: DeviceFacts) -> None:
    on = network.devices[device.name]
    points = _points(network.kernels, on)
    xs = [point.x for point in points] + [3 * ceiling.ridge for ceiling in on.ceilings]
    ys = [point.y for point in points]
    top = max(ceiling.flops_per_s for ceiling in on.ceilings)
    low, high = min(xs) / 1.8, max(xs) * 1.6
    least = min(min(ys, default=top) / 2, top / 30)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(least, top * (top / least) ** 0.13))
    panel_title(axes, device.title)
    axes.set_xlabel("arithmetic intensity, FLOP/byte")
    axes.set_ylabel("performance, FLOP/s")
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    short_axis(axes.yaxis)
    axes.grid(visible=True, axis="y")
    _roofs(axes, on, device, low, high)
    for stack in _stacked(points):
        _scatter(axes, [stack], alpha=0.22, width=0.3)
    for mark in MARKS:
        _scatter(axes, [point for point in points if point.kind == mark.name], alpha=0.8, width=0.5)


def _points(kernels: Mapping[str, Sequence[Any]], on: OnDevice) -> list[_Point]:
    """Kernels with a place on logarithmic axes."""
    rows = zip(
        kernels["flops"],
        kernels["traffic_bytes"],
        kernels["op_class"],
        on.kernels["time_ms"],
        on.kernels["share"],
        strict=True,
    )
    return [
        _Point(flops / traffic, flops / ms * 1e3, share, mark_of(op_class).name)
        for flops, traffic, op_class, ms, share in rows
        if flops and traffic and ms
    ]


def _stacked(points: Sequence[_Point]) -> list[_Point]:
    """Kernels of a kind that lie on one spot, as one."""
    spots: dict[tuple[str, str, str], list[_Point]] = {}
    for point in points:
        spots.setdefault((point.kind, f"{math.log10(point.x):.2f}", f"{math.log10(point.y):.2f}"), []).append(point)
    stacks = [stack for stack in spots.values() if len(stack) > 1]
    return [_Point(stack[0].x, stack[0].y, sum(one.share for one in stack), stack[0].kind) for stack in stacks]


def _scatter(axes: Any, points: Sequence[_Point], alpha: float, width: float) -> None:
    if not points:
        return
    (mark,) = (mark for mark in MARKS if mark.name == points[0].kind)
    hollow = mark.shape == "ring"
    axes.scatter(
        [point.x for point in points],
        [point.y for point in points],
        s=[max(_SMALLEST, _LARGEST * point.share) for point in points],
        marker=MARKERS[mark.shape],
        facecolors="none" if hollow else mark.color,
        edgecolors=mark.color if hollow else INK,
        alpha=alpha,
        linewidths=1.0 if hollow else width,
        zorder=3,
    )


def _roofs(axes: Any, on: OnDevice, device: DeviceFacts, low: float, high: float) -> None:
    peak = on.ceilings[0].flops_per_s
    fastest = max(slope.bytes_per_s for slope in device.slopes)
    for index, slope in enumerate(device.slopes):
        style = {"linewidth": 1.2} if index == 0 else {"linewidth": 1.0, "linestyle": (0, (4, 3))}
        axes.plot([low, peak / slope.bytes_per_s], [low * slope.bytes_per_s, peak], color=INK, **style)
    for index, ceiling in enumerate(on.ceilings):
        rate = ceiling.flops_per_s
        axes.plot([rate / fastest, high], [rate, rate], color=INK, linewidth=0.8 if index else 1.2)
        dtype, _, unit = ceiling.name.partition(", ")
        label = f"{short(rate)}FLOP/s {dtype} {unit.removesuffix(' unit')}"
        offset, va = ((0, -2), "top") if index else ((0, 3), "bottom")
        note(axes, label, (high, rate), offset, ha="right", va=va, zorder=4)  # no mark covers it
    ridge, bottom = on.time["ridge"], axes.get_ylim()[0]
    edge = ridge * device.slopes[0].bytes_per_s
    axes.plot([ridge, ridge], [bottom, edge], color=MUTED, linewidth=0.7, linestyle=":")
    side: dict[str, Any] = (
        {"ha": "right", "offset": (-3, 4)} if ridge > low**0.4 * high**0.6 else {"ha": "left", "offset": (3, 4)}
    )
    note(axes, f"ridge {short(ridge)}", (ridge, bottom), color=MUTED, **side)


def _label_slopes(axes: Any, kernels: Mapping[str, Sequence[Any]], on: OnDevice, device: DeviceFacts) -> None:
    """Along each slope, where it is furthest from all marks."""
    low, high = axes.get_xlim()
    bottom = axes.get_ylim()[0]
    marks = axes.transData.transform([(point.x, point.y) for point in _points(kernels, on)] or [(high, bottom)])
    for slope in device.slopes:
        rate = slope.bytes_per_s
        start, end = max(low, bottom / rate), min(high, on.ceilings[-1].flops_per_s / rate)
        xs = [start ** (1 - t) * end**t for t in (0.2, 0.3, 0.4, 0.5)]
        spots = axes.transData.transform([(x, x * rate) for x in xs])
        room = [float(((marks - spot) ** 2).sum(axis=1).min()) for spot in spots]
        x = xs[room.index(max(room))]
        (x0, y0), (x1, y1) = spots[0], spots[-1]
        angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
        text = f"{short(rate)}B/s {slope.name}"
        note(axes, text, (x, x * rate), (-2, 4), rotation=angle, rotation_mode="anchor", ha="center")


def _key(name: str) -> Any:
    from matplotlib.lines import Line2D

    (mark,) = (mark for mark in MARKS if mark.name == name)
    hollow = mark.shape == "ring"
    return Line2D(
        [],
        [],
        linestyle="",
        label=name,
        marker=MARKERS[mark.shape],
        markersize=4.5,
        markerfacecolor="none" if hollow else mark.color,
        markeredgecolor=mark.color if hollow else INK,
        markeredgewidth=1.0 if hollow else 0.5,
    )
