"""Predicted against measured, as a figure: every network a point, the closer to the diagonal the better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oracle.report.plot.style import styled

if TYPE_CHECKING:
    from oracle.query import Case, Comparison

_OTHERS = "others"
_SHOWN = 9  # families with a colour of their own: more cannot be told apart


@styled
def parity_figure(found: Comparison) -> Any:
    """The figure (matplotlib's): both axes logarithmic, in milliseconds per image, a colour per family.

    Between the dotted lines predictions are off by 10 % at most.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    points = [_point(case) for case in found.cases]
    for name, own in _groups(points).items():
        color = "grey" if name == _OTHERS else None
        label = f"{name or 'networks'} ({len(own)})"
        axes.scatter([x for x, _ in own], [y for _, y in own], s=14, alpha=0.7, label=label, color=color)
    values = [value for _, *pair in points for value in pair]
    low, high = 0.8 * min(values), 1.25 * max(values)
    axes.plot([low, high], [low, high], color="black", linewidth=1)
    for factor in (0.9, 1.1):
        axes.plot([low, high], [factor * low, factor * high], color="black", linewidth=0.7, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("measured, ms per image")
    axes.set_ylabel("predicted, ms per image")
    axes.set_title(f"{found.device}: {len(points)} networks, MAPE {found.mape:.1%}, tau {found.kendall_tau:.3f}")
    axes.legend()
    return figure


def _point(case: Case) -> tuple[str, float, float]:
    """Family, measured and predicted milliseconds per image."""
    batch = case.workload.batch_size
    return case.family, case.measured_ms / batch, case.time.latency_ms / batch


def _groups(points: Sequence[tuple[str, float, float]]) -> dict[str, list[tuple[float, float]]]:
    """Measured and predicted by family, the largest families first; small ones together, for colours run out."""
    often = [name for name, _ in Counter(family for family, _, _ in points).most_common(_SHOWN)]
    groups: dict[str, list[tuple[float, float]]] = {name: [] for name in often}
    for family, x, y in points:
        groups.setdefault(family if family in often else _OTHERS, []).append((x, y))
    return groups
