"""Fronts as matplotlib draws them."""

from __future__ import annotations

import pytest

from oracle.errors import OracleError
from oracle.report.facts import Population
from oracle.report.plot import front_figure


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
