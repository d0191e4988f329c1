"""Rank flips for papers: ranks on two devices, joined by lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oracle.errors import OracleError
from oracle.report.facts import Population
from oracle.report.marks import SERIES_COLORS
from oracle.report.plot.fronts import require_devices
from oracle.report.plot.style import FRONT, FULL_WIDTH, MUTED, PALE, grid_of, note, styled

_LINES = 40  # more are a cloud
_FALL = SERIES_COLORS[1]


@styled
def flips_figure(found: Population, devices: Sequence[str] = (), width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): ranks on two devices, joined by lines; of very many those that change most.

    Args:
        found: the candidates.
        devices: two names; the first two if empty.
        width: inches.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: not two devices of the population.
    """
    require_devices(found, 2)
    pair = tuple(devices) or tuple(found.ranks)[:2]
    if len(pair) != 2 or any(device not in found.ranks for device in pair):
        raise OracleError(f"devices={', '.join(pair)}: expected two of {', '.join(found.ranks)}")
    before, after = (found.ranks[device] for device in pair)
    rows = _most_changed([a - b for a, b in zip(before, after, strict=True)])
    named = len(rows) <= _LINES // 2
    figure, (axes,) = grid_of(1, min(width, 4.5), max(2.2, min(6.0, 0.17 * len(rows) + 0.8)), most=1)
    for row in rows:
        ends = before[row], after[row]
        axes.plot([0, 1], ends, marker="o", markersize=2.2, linewidth=0.9, **_slope(*ends))
        if named:
            note(axes, found.names[row], (0, ends[0]), (-5, 0), ha="right", va="center")
            note(axes, found.names[row], (1, ends[1]), (5, 0), va="center")
    axes.set_xticks([0, 1], [f"rank on {device}" for device in pair])
    axes.xaxis.tick_top()
    axes.set_xlim(*((-0.6, 1.6) if named else (-0.1, 1.1)))
    axes.invert_yaxis()
    axes.yaxis.set_visible(not named)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    tau = next((one.kendall_tau for one in found.pairs if set(one.devices) == set(pair)), None)
    if tau is not None:
        axes.set_xlabel(f"Kendall tau {tau:.3f}", color=MUTED)
    return figure


def _most_changed(gains: Sequence[int]) -> list[int]:
    """Positions, those that lose most first: as many as gain, or more where too few do."""
    rows = sorted(range(len(gains)), key=gains.__getitem__)
    if len(rows) <= _LINES:
        return rows
    losers = max(_LINES // 2, _LINES - sum(gain > 0 for gain in gains))
    shown = [row for row in rows if gains[row] < 0][:losers]
    return [*shown, *rows[len(shown) - _LINES :]]


def _slope(before: int, after: int) -> dict[str, Any]:
    if after < before:
        return {"color": FRONT}
    return {"color": _FALL, "linestyle": (0, (4, 2))} if after > before else {"color": PALE}
