"""Devices: all of them at a glance, and one with every figure, its unit and its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import MISSING, aligned, lined_up, stated
from oracle.devices import UNITS, Device, Figure, in_file_units
from oracle.errors import DeviceError
from oracle.report.grid import Column, Grid
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

_PEAKS = {"FP32": ("float32",), "FP16/BF16": ("float16", "bfloat16"), "INT8": ("int8",)}
_SMALL = ("microcontroller", "npu")
_UNITS = {
    "TFLOPS": "TFLOP/s",
    "TOPS": "TOP/s",
    "GBPS": "GB/s",
    "GIB": "GiB",
    "MIB": "MiB",
    "KIB": "KiB",
    "MHZ": "MHz",
    "US": "us",
    "W": "W",
}
"""Last word of a key in a device file -> the unit as people write it."""


def devices_tables(devices: Sequence[Device]) -> list[RenderableType]:
    """One line per device, microcontrollers and NPUs in a table and units of their own; and what marks mean."""
    small = [device for device in devices if device.kind in _SMALL]
    large = [device for device in devices if device.kind not in _SMALL]
    sheets: list[RenderableType] = [*([_sheet(large)] if large else []), *([_small_sheet(small)] if small else [])]
    return [*sheets, Text(_legend(devices), style="dim")]


def _small_sheet(devices: Sequence[Device]) -> Sheet:
    columns = (
        Column("Device", [device.name for device in devices]),
        Column("Kind", [device.kind for device in devices]),
        Column("INT8", _marked([_peak(device, "int8") for device in devices], 1e9), "GOP/s", number=True),
        Column("Bandwidth", _marked([device.bandwidth for device in devices], 1e9), "GB/s", number=True),
        Column("SRAM", _marked([device.sram for device in devices], 2.0**10), "KiB", number=True),
        Column("Flash port", _marked([device.flash_bandwidth for device in devices], 1e9), "GB/s", number=True),
        Column("Flash", _marked([device.flash for device in devices], 2.0**10), "KiB", number=True),
        Column("Clock", _marked([device.clock for device in devices], 1e6), "MHz", number=True),
    )
    return Sheet(columns, row_styles=["dim" if device.calibrate_only else "" for device in devices])


def _sheet(devices: Sequence[Device]) -> Sheet:
    columns = [
        Column("Device", [device.name for device in devices]),
        Column("Kind", [device.kind for device in devices]),
    ]
    for title, dtypes in _PEAKS.items():
        figures = [next(filter(None, (_peak(d, dtype) for dtype in dtypes)), None) for d in devices]
        unit = "TOP/s" if title == "INT8" else "TFLOP/s"
        columns.append(Column(title, _marked(figures, 1e12), unit, number=True))
    columns += [
        Column("Bandwidth", _marked([device.bandwidth for device in devices], 1e9), "GB/s", number=True),
        Column("Memory", _marked([device.memory for device in devices], 2.0**30), "GiB", number=True),
    ]
    styles = ["dim" if device.calibrate_only else "" for device in devices]
    return Sheet(tuple(columns), row_styles=styles)


def _legend(devices: Sequence[Device]) -> str:
    lines = [
        "Peaks are dense, of the unit that runs convolutions and matrix products.",
        f"{MISSING} nobody states it; * unsourced, nobody checked it. `oracle devices NAME` shows sources.",
    ]
    measured = [device.name for device in devices if device.calibrate_only]
    if measured:
        lines.append(f"To be measured and calibrated, as no trustworthy peaks are public: {', '.join(measured)}.")
    return "\n".join(lines)


def _peak(device: Device, dtype: str) -> Figure | None:
    """The peak for matrix-class work, with the source of the figure it is."""
    if dtype not in device.dtypes:
        return None
    value = device.peak_flops("matrix", dtype)
    stated = (peaks.get(word) for peaks in (device.matrix, device.vector) for word in (dtype, "float32"))
    return next(figure for figure in stated if figure is not None and figure.value == value)


def _marked(figures: Sequence[Figure | None], scale: float) -> tuple[str, ...]:
    """A column of figures, the unsourced with a star."""
    texts = ((stated(figure.value if figure else None, scale, digits=4), figure) for figure in figures)
    return lined_up([f"{text}*" if figure and figure.unsourced else f"{text} " for text, figure in texts])


def device_tables(device: Device) -> list[RenderableType]:
    """Every figure of a device with unit and source, its ridge points, and what else to know of it."""
    names = f" (also {', '.join(device.aliases)})" if device.aliases else ""
    found: list[RenderableType] = [_figures(device, f"{device.name}{names}: {device.title}, {device.kind}")]
    found.append(
        Text(
            "Calibrate only: no trustworthy peaks are public, so measure it before predicting.",
            style="yellow",
        )
        if device.calibrate_only
        else _ridges(device)
    )
    if device.notes:
        found.append(Text(f"Notes: {device.notes}"))
    return found


def _figures(device: Device, title: str) -> Grid:
    figures = in_file_units(device)
    names, units = zip(*map(_named, figures), strict=True) if figures else ((), ())
    return Grid(
        (
            Column("Figure", names),
            Column("Value", lined_up([stated(figure.value) for figure in figures.values()]), number=True),
            Column("Unit", units),
            Column(
                "Source",
                [figure.source for figure in figures.values()],
                styles=["yellow" if figure.unsourced else "" for figure in figures.values()],
            ),
        ),
        title,
    )


def _named(key: str) -> tuple[str, str]:
    """`MATRIX.FP16_TFLOPS` -> `matrix FP16`, `TFLOP/s`."""
    section, _, figure = key.rpartition(".")
    name, _, unit = figure.rpartition("_")
    if unit not in _UNITS:
        return figure.replace("_", " ").lower(), ""
    name = name if section else name.lower().replace("llc", "last-level cache").replace("sram", "SRAM")
    return f"{section.replace('_', ' ').lower()} {name}".replace("_", " ").strip(), _UNITS[unit]


def _ridges(device: Device) -> Grid:
    columns = [Column("Dtype", device.dtypes)]
    for unit in UNITS:
        peaks = [_at(device, unit, dtype) for dtype in device.dtypes]
        ridges = [None if peak is None else peak / device.peak_bandwidth() for peak in peaks]
        columns += [
            Column(
                f"{unit.capitalize()} peak",
                lined_up([stated(peak, 1e12) for peak in peaks]),
                "TFLOP/s",
                number=True,
            ),
            Column("Ridge point", aligned(ridges, digits=3), "FLOP/byte", number=True),
        ]
    return Grid(tuple(columns), "Roofs, and the intensity from which on compute is the bound")


def _at(device: Device, unit: str, dtype: str) -> float | None:
    try:
        return device.peak_flops(unit, dtype)
    except DeviceError:
        return None
