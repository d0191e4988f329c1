"""Bars as matplotlib draws them."""

from __future__ import annotations

import pytest

import oracle
from oracle.query import Cost
from oracle.report.facts import training_facts
from oracle.report.plot import memory_figure, split_figure
from oracle.report.splits import by_stage


def test_bars_add_up_to_the_latency(cost: Cost) -> None:
    splits = {device: by_stage(cost, device) for device in cost.times}
    figure = split_figure(splits, "R-56", "Per call.")
    for axes, device in zip(figure.axes, splits, strict=True):
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(cost.latency_ms[device] / 1e3)
        assert [text.get_text() for text in axes.get_yticklabels()] == [part.name for part in splits[device]]
    hatches = {bar.get_hatch() for bar in figure.axes[0].patches}
    assert "......" in hatches  # launch-bound, also without colour
    bound = oracle.score("R-56", ["t4"], model="roofline")
    figure = split_figure({"t4": by_stage(bound, "t4")}, "R-56", "Per call.")
    assert "//////" in {bar.get_hatch() for bar in figure.axes[0].patches}  # memory-bound


def test_memory_is_split_by_what_it_holds() -> None:
    step = oracle.score("R-56", ["t4"], batch_size=8, mode="training")
    (axes,) = memory_figure(training_facts(step, ()).memory, "R-56", "Per call.").axes
    ends: dict[float, float] = {}
    for bar in axes.patches:
        ends[bar.get_y()] = ends.get(bar.get_y(), 0) + bar.get_width()
    assert sorted(ends.values()) == sorted(phase.peak_memory_bytes for phase in step.phases())
