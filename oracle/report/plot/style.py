"""How figures for papers look: small type, few lines, the colours and shapes of the page.

Fonts are those of the reader's own matplotlibrc; sizes are in points, for figures that are printed as wide as they
are. Text in SVG stays text, and PDF embeds its fonts whole, so that both can be edited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from textwrap import wrap
from typing import Any, ParamSpec, TypeVar

from oracle._units import stated
from oracle.errors import MissingDependencyError
from oracle.report.marks import SERIES_COLORS

FULL_WIDTH = 7.2
"""Inches: both columns of a journal's page; 3.5 is one."""

FRONT = SERIES_COLORS[0]
INK, MUTED, PALE = "#1b1f24", "#575f69", "#c9ced3"

MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "P",
    "wedge": "v",
    "ring": "o",  # hollow
}
"""Shape of a mark -> matplotlib's name for it."""

_STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e9ebec",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "nas-cost-oracle",  # the same figure is the same file
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.dpi": 300,
}
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"))

_LETTERS = 21  # of the smallest type, in an inch

_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function that makes or writes a figure, under our style.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """

    @wraps(function)
    def under(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with matplotlib_with(_STYLE):
            return function(*args, **kwargs)

    return under


def matplotlib_with(style: Any) -> Any:
    """A context in which matplotlib has a style.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingDependencyError("figures need matplotlib: pip install 'nas-cost-oracle[plot]'") from None
    return mpl.rc_context(style)


def grid_of(count: int, width: float, height: float, most: int = 3) -> tuple[Any, list[Any]]:
    """A figure with so many panels, and their axes.

    Args:
        count: of panels.
        width: of the figure, inches.
        height: of a panel, inches.
        most: panels beside each other where the figure is as wide as a page; half of it holds fewer.
    """
    from matplotlib.figure import Figure

    across = max(1, min(count, most, round(most * width / FULL_WIDTH)))
    down = -(-count // across)
    figure = Figure(figsize=(width, height * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).flatten().tolist()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def note(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], **style: Any) -> None:
    """Small text some points away from a place in the data, on a ground that sets it off from lines."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.4}
    look = {"fontsize": 6.5, "bbox": ground, "zorder": 2.5, **style}
    axes.annotate(text, at, textcoords="offset points", xytext=offset, **look)


def heading(figure: Any, name: str, workload: str) -> None:
    """What a figure is about, above it; in two lines where it is as narrow as a column."""
    gap = " " if figure.get_figwidth() > FULL_WIDTH / 2 + 1 else "\n"
    figure.suptitle(f"{name}.{gap}{workload}", x=0.01, ha="left", fontsize=7.5, color=MUTED)


def footing(figure: Any, text: str) -> None:
    """What the numbers of a figure rest on, below it."""
    lines = [part for line in text.splitlines() for part in wrap(line, int(figure.get_figwidth() * _LETTERS))]
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, color=MUTED)


def panel_title(axes: Any, text: str) -> None:
    """A title no wider than its panel: long ones are smaller."""
    columns = axes.get_gridspec().ncols
    room = 72 * axes.figure.get_figwidth() / columns - 40  # points, but for the axis
    axes.set_title(text, fontsize=max(5.5, min(8.0, room / (0.62 * len(text) or 1))))


def short(value: float, digits: int = 3) -> str:
    """`165 T`, `1.01 G`, `20 µ`: a number with the prefix that suits it."""
    size, letter = next(((s, p) for s, p in _PREFIXES if s <= abs(value) * (1 + 1e-9)), _PREFIXES[-1])
    return f"{stated(value, size, digits)} {letter}".rstrip() if value else "0"


def number(value: float) -> str:
    """A number by itself: as it is where that is short, else with a prefix."""
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e5 or not value else short(value)


def short_axis(
    axis: Any, scale: float = 1.0, unit: str = "", decades: Sequence[float] = (1.0,), most: int | None = None
) -> None:
    """Ticks of an axis in words.

    Args:
        axis: matplotlib's.
        scale: what one of the axis's numbers is in the unit.
        unit: behind the prefix.
        decades: where ticks stand in each decade of a logarithmic axis.
        most: ticks that there is room for on a linear axis, about; matplotlib's own number if None.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=decades))
        axis.set_minor_formatter(NullFormatter())
    elif most is not None:
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{_tick(value * scale, unit)}{unit}"))


def _tick(value: float, unit: str) -> str:
    """A number without a unit is a count, or a share as it is: 0.75, not 750 m."""
    return short(value) if unit or abs(value) >= 1 else number(value)
