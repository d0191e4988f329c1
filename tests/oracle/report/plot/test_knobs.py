"""Knobs as matplotlib draws them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.errors import OracleError
from oracle.report.facts import Population
from oracle.report.plot import knobs_figure


def test_knobs_are_shares_of_all_and_of_the_front(candidates: Population) -> None:
    figure = knobs_figure(candidates)
    (axes,) = figure.axes  # what is the same for all is no knob to look at
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([1 / 3, 2 / 3, 1 / 2, 1 / 2])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2"]
    figure.draw_without_rendering()
    assert figure.get_supylabel() == "share of candidates"
    assert {"0%", "50%"} <= {text.get_text().replace(" ", "") for text in axes.get_yticklabels()}


def test_what_cannot_be_drawn_says_why(candidates: Population) -> None:
    with pytest.raises(OracleError, match="no front of accuracy"):
        knobs_figure(candidates, "accuracy")
    with pytest.raises(OracleError, match="no knob that varies"):
        knobs_figure(replace(candidates, knobs={}))
