"""Fronts as matplotlib draws them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest

from oracle.errors import OracleError
from oracle.report.facts import Population, PopulationValue
from oracle.report.plot import front_figure
from tests.nightly import unless


def test_candidates_are_points_and_the_front_has_steps(candidates: Population) -> None:
    figure = front_figure(candidates, {"t4": "NVIDIA T4"})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["NVIDIA T4", "a10"]
    points = figure.axes[0].collections[0].get_offsets().tolist()
    assert points == [[1, 10], [2, 30], [4, 20]]
    steps, marks = figure.axes[0].lines
    assert steps.get_drawstyle() == "steps-post"
    assert marks.get_xydata().tolist() == [[1, 10], [2, 30]]
    assert front_figure(candidates, {}, "loss").axes[0].get_ylabel() == "loss"
    with pytest.raises(OracleError, match="expected one of macs, loss"):
        front_figure(candidates, {}, "lo")


def test_captions_stand_above_and_below(candidates: Population) -> None:
    figure = front_figure(candidates, {}, width=3.5, about=("Per call of 1 image.", "Times: a bound. " * 8))
    assert figure.get_suptitle() == "3 candidates.\nPer call of 1 image."
    below = figure.get_supxlabel()
    assert " ".join(below.split()) == ("Times: a bound. " * 8).strip()
    assert max(map(len, below.splitlines())) < 80  # a column of a page is no wider
    assert front_figure(candidates, {}).get_supxlabel() == ""


_LOWS = [0.11, 0.31, 0.51]
_SPREADS = [1.6, 2.9, 3.05, 3.9, 4.1, 5.9, 6.1, 29.0, 31.0, 101.0, 1e5]


@pytest.mark.parametrize(
    ("low", "spread"),
    # by day every spread once, from different places
    unless(lambda pair: _SPREADS.index(pair[1]) % 3 == _LOWS.index(pair[0]), product(_LOWS, _SPREADS)),
)
def test_labels_of_ticks_keep_apart(candidates: Population, low: float, spread: float) -> None:
    latency = {"t4": [low, low * spread**0.5, low * spread]}
    weighed = {"macs": PopulationValue([10, 30, 20], True, {"t4": [0, 1]})}
    figure = front_figure(replace(candidates, latency_ms=latency, values=weighed), {}, width=2.4)  # a third of a page
    figure.draw_without_rendering()
    boxes = _shown(figure.axes[0])
    assert 2 <= len(boxes) <= 7
    assert all(left.x1 + 2 < right.x0 for left, right in pairwise(boxes))


def _shown(axes: Any) -> list[Any]:
    """Where the labels are that stand within an axis, left to right."""
    low, high = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    boxes = [label.get_window_extent() for place, label in ticks if low <= place <= high and label.get_text()]
    return sorted(boxes, key=lambda box: box.x0)


def test_shares_are_no_thousandths(candidates: Population) -> None:
    quality = PopulationValue([0.7, 0.75, 0.8], True, {"t4": [0], "a10": [1]})
    figure = front_figure(replace(candidates, values={"quality": quality}), {})
    figure.draw_without_rendering()
    assert "0.75" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
