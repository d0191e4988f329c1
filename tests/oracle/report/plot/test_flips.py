"""Flips as matplotlib draws them."""

from __future__ import annotations

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
