"""Studies as matplotlib draws them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.errors import OracleError
from oracle.report.facts import ConstraintFacts, ObjectiveFacts, Population, StudyFacts, knob_of
from oracle.report.plot import growth_figure, limits_figure, parallel_figure

STUDY = StudyFacts(
    objectives=(
        ObjectiveFacts("quality", True, [0.5, 0.9, 0.7]),
        ObjectiveFacts("latency_ms@t4", False, [1.0, 3.0, 2.0]),
    ),
    outcomes={"evaluated": 3},
    constraints=(ConstraintFacts("params at most 5", 9, 6, 2),),
    trials=[0, 4, 7],
    front=[0, 1, 2],
    snapshots=[(2, [0, 1]), (3, [0, 1, 2])],
    progress=[0.2, 0.8, 1.0],
    sampler="Sampler tpe.",
)
FOUND = Population(
    "trials", ["a", "b", "c"], {}, {}, {}, {"D": knob_of([1, 2, 3]), "K": knob_of(["x", "y", "x"])}, {}, (), 3
)


def test_every_snapshot_is_a_line() -> None:
    front, progress = growth_figure(STUDY).axes
    assert [line.get_label() for line in front.lines][:2] == ["after 2", "after 3"]
    assert front.lines[1].get_xydata().tolist() == [[1, 0.5], [2, 0.7], [3, 0.9]]
    assert front.get_xlabel() == "latency_ms@t4 (less is better)"
    assert progress.lines[0].get_ydata().tolist() == STUDY.progress


def test_one_objective_has_a_best_so_far() -> None:
    single = replace(STUDY, objectives=STUDY.objectives[:1], progress=[0.5, 0.9, 0.9])
    (axes,) = growth_figure(single).axes
    assert axes.lines[0].get_xydata().tolist() == [[0, 0.5], [4, 0.9], [7, 0.9]]


def test_limits_are_counted_alone_and_with_others() -> None:
    (axes,) = limits_figure(STUDY).axes
    assert [bar.get_width() for bar in axes.patches] == [2, 4]
    assert axes.texts[0].get_text() == "6 of 9"
    with pytest.raises(OracleError, match="no trial was judged"):
        limits_figure(replace(STUDY, constraints=()))


def test_every_trial_is_a_line_over_all_axes() -> None:
    (axes,) = parallel_figure(STUDY, FOUND).axes
    lines = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 4]
    assert sorted(map(list, lines)) == [pytest.approx(row) for row in ([0, 0, 0, 0], [0.5, 1, 1, 1], [1, 0, 0.5, 0.5])]
    with pytest.raises(OracleError, match="no feasible trial"):
        parallel_figure(replace(STUDY, trials=[]), FOUND)
