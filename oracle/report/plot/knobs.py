"""Knobs for papers: how each is distributed among all candidates, and among those on a front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from oracle.errors import OracleError
from oracle.report.facts import Knob, Population
from oracle.report.plot.style import FRONT, FULL_WIDTH, MUTED, PALE, grid_of, panel_title, short_axis, styled


@styled
def knobs_figure(found: Population, value: str = "", width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): how each knob is distributed among all, and among those on the front of any device.

    Args:
        found: the candidates.
        value: whose fronts; the first value if empty.
        width: inches.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: nothing varies, or there is no front.
    """
    name = value or next(iter(found.values), "")
    fronts = found.values[name].fronts.values() if name in found.values else []
    best = sorted({row for rows in fronts for row in rows})
    varied = {key: knob for key, knob in found.knobs.items() if len(knob.labels) > 1}
    if not varied or not best:
        raise OracleError(f"there is no {'front of ' + name if varied else 'knob that varies'} to draw")
    figure, panels = grid_of(len(varied), width, 1.35, most=4)
    for axes, (key, knob) in zip(panels, varied.items(), strict=True):
        _bars(axes, knob, range(len(knob.column)), PALE, 0.88, "all")
        _bars(axes, knob, best, FRONT, 0.45, "on a front")
        panel_title(axes, key)
        short_axis(axes.yaxis, 100.0, "%", most=3)
        every = -(-len(knob.labels) // 6)
        labels = dict(enumerate(knob.labels[::every])) if knob.ends is None else {}
        places = [place * every for place in labels] or [0, len(knob.labels) - 1]
        axes.set_xticks(places, [*labels.values()] or list(knob.ends or ()))
    figure.supylabel(f"share of {found.noun}", fontsize=7, color=MUTED)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure


def _bars(axes: Any, knob: Knob, rows: Sequence[int], color: str, width: float, label: str) -> None:
    """The share of some candidates that each class has."""
    counts = Counter(knob.classes[row] for row in rows)
    total = sum(count for place, count in counts.items() if place is not None) or 1
    heights = [counts[place] / total for place in range(len(knob.labels))]
    axes.bar(range(len(heights)), heights, width=width, color=color, label=label)
