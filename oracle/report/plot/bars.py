"""Bars for papers: where the time goes, who runs the network, what memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.report.facts import MemoryParts
from oracle.report.marks import BOUND_COLORS, SERIES_COLORS
from oracle.report.plot.style import FULL_WIDTH, grid_of, heading, note, panel_title, short, styled
from oracle.report.splits import Split

_HATCHES = {"compute": "", "memory": "//////", "launch": "......"}
_ROW = 0.24  # inches
_HELD = {
    "weights": "weights_bytes",
    "optimiser state": "states_bytes",
    "activations, gradients, temporaries": "rest_bytes",
}


@styled
def split_figure(splits: Mapping[str, Sequence[Split]], name: str, workload: str, width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): per device a bar for each part of the time, split by what bounds it.

    Args:
        splits: title of a device -> its parts, drawn from the top.
        name, workload: of the network.
        width: inches.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    most = max(len(parts) for parts in splits.values())
    figure, panels = grid_of(len(splits), width, 0.75 + _ROW * most, most=2)
    every = [part for parts in splits.values() for part in parts]
    met = [bound for bound in BOUND_COLORS if any(getattr(part, f"{bound}_ms") > 0 for part in every)]
    looks = [(BOUND_COLORS[bound], _HATCHES[bound]) for bound in met]
    for axes, (device, parts) in zip(panels, splits.items(), strict=True):
        columns = {bound: [getattr(part, f"{bound}_ms") / 1e3 for part in parts] for bound in met}
        _bars(axes, [part.name for part in parts], columns, looks, "s")
        panel_title(axes, device)
    heading(figure, name, workload)
    handles = panels[0].get_legend_handles_labels()[0]
    figure.legend(handles, [f"{bound}-bound" for bound in met], loc="outside lower left", ncols=3)
    return figure


@styled
def memory_figure(parts: Sequence[MemoryParts], name: str, workload: str, width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): peak memory of each phase, split by what it holds; the same on every device.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure, (axes,) = grid_of(1, width, 0.8 + _ROW * len(parts), most=1)
    columns = {name: [getattr(part, field) for part in parts] for name, field in _HELD.items()}
    looks = [(SERIES_COLORS[index], "") for index in (0, 2, 3)]
    _bars(axes, [part.name for part in parts], columns, looks, "B")
    heading(figure, name, workload)
    figure.legend(loc="outside lower left", ncols=3)
    return figure


def _bars(
    axes: Any,
    names: Sequence[str],
    columns: Mapping[str, Sequence[float]],
    looks: Sequence[tuple[str, str]],
    unit: str,
) -> None:
    """Stacked bars from the top, each column in its colour and hatch; their sum behind each."""
    places = range(len(names))
    ends = [0.0] * len(names)
    for (name, values), (color, hatch) in zip(columns.items(), looks, strict=True):
        style = {"color": color, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        axes.barh(places, values, left=ends, height=0.68, label=name, **style)
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for place, end in zip(places, ends, strict=True):
        note(axes, f"{short(end)}{unit}", (end, place), (3, 0), va="center", fontsize=7)
    axes.set_yticks(list(places), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, max(ends) * 1.18 or 1)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
