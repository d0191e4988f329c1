"""Knobs: what a step of each changes, in the order in which it pays on a device, or in the network's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned, prefix
from oracle.report.captions import trust_caption, workload_caption
from oracle.report.grid import Column
from oracle.report.rows import knob_orders
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Effect, Sensitivity

_NOTES = """\
One step at a time; every change is the new network minus the old one.
ms/GMAC: latency that a step saves per 10^9 MACs given up, or costs per 10^9 gained."""


_HIDDEN = """\
A latency that does not change: the host launches as many kernels, and the device waits for it. A larger batch, or the \
lower bound (--model roofline), tells such steps apart."""


def knob_tables(found: Sensitivity, by: str = "device") -> list[RenderableType]:
    """The network itself, its steps, and what the numbers mean.

    Args:
        by: "device" for a table per device in the order of `knob_orders`, "knob" for one in the network's.
    """
    latencies = "; ".join(f"{aligned([value])[0].strip()} ms on {name}" for name, value in found.latency_ms.items())
    heading = f"{workload_caption(found.workload)}\n{found.name or 'network'}: {latencies}"
    tables = [
        Sheet(
            (
                *_step_columns(effects),
                *(column for name in devices for column in _time_columns(effects, name, len(devices) > 1)),
                *_size_columns(effects),
            ),
            f"{devices[0]}: the step that pays most first" if by == "device" else "Every step of every knob",
            keys=2,
        )
        for devices, effects in knob_orders(found, by)
    ]
    hidden = any(effect.delta_macs and not all(effect.delta_latency_ms.values()) for effect in found.effects)
    notes = "\n".join(filter(None, [_NOTES, _HIDDEN if hidden else "", trust_caption(found.trust)]))
    return [Text(heading, style="bold"), *tables, Text(notes, style="dim")]


def _step_columns(effects: Sequence[Effect]) -> tuple[Column, ...]:
    return (
        Column("Knob", [effect.knob for effect in effects]),
        Column("Step", [f"{effect.before} to {effect.after}" for effect in effects]),
    )


def _time_columns(effects: Sequence[Effect], device: str, several: bool) -> tuple[Column, ...]:
    title = device if several else "Latency"
    changes = [effect.delta_latency_ms[device] for effect in effects]
    latency = Column(title, _signed(changes), "ms", number=True, styles=[_style(value) for value in changes])
    if several:
        return (latency,)
    worth = [effect.ms_per_gmac(device) for effect in effects]
    return (latency, Column("Per MAC", aligned(worth), "ms/GMAC", number=True))


def _size_columns(effects: Sequence[Effect]) -> tuple[Column, ...]:
    columns = []
    for title, name, unit in (
        ("MACs", "delta_macs", ""),
        ("Params", "delta_params", ""),
        ("Traffic", "delta_traffic_bytes", "B"),
    ):
        values = [getattr(effect, name) for effect in effects]
        shown, scale = prefix(values, unit)
        columns.append(Column(title, _signed(values, scale), shown, number=True))
    return tuple(columns)


def _signed(values: Sequence[float], scale: float = 1.0) -> tuple[str, ...]:
    """Changes: with a sign, none for no change."""
    sizes = aligned([abs(value) for value in values], scale)
    signs = ["+" if value > 0 else "-" if value < 0 else "" for value in values]
    width = max(map(len, sizes), default=0) + 1
    return tuple(f"{sign}{size.lstrip()}".rjust(width) for sign, size in zip(signs, sizes, strict=True))


def _style(change: float) -> str:
    return "green" if change < 0 else ""
