"""Flips as matplotlib draws them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.errors import OracleError
from oracle.report.facts import Population
from oracle.report.plot import flips_figure


def test_ranks_are_joined_and_falls_are_dashed(candidates: Population) -> None:
    (axes,) = flips_figure(candidates).axes
    ends = {tuple(line.get_ydata()): line.get_linestyle() for line in axes.lines}
    assert ends == {(1, 3): "--", (2, 1): "-", (3, 2): "-"}
    assert axes.get_xlabel() == "Kendall tau -0.333"
    assert axes.yaxis_inverted()
    with pytest.raises(OracleError, match="expected two of t4, a10"):
        flips_figure(candidates, ["t4", "t5"])


def test_of_very_many_those_that_change_most_are_drawn(candidates: Population) -> None:
    size = 100
    before = list(range(1, size + 1))
    after = [2, 3, 1, *before[3:]]  # one gains, two lose
    ranks = {"t4": before, "a10": after}
    (axes,) = flips_figure(replace(candidates, names=list(map(str, before)), ranks=ranks)).axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines]
    assert len(drawn) == 40
    assert {(1, 2), (2, 3), (3, 1)} <= set(drawn)
