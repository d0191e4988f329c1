"""Studies for papers: how the front grew, what limits turned away, knobs and objectives together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oracle.errors import OracleError
from oracle.report.facts import ObjectiveFacts, Population, StudyFacts
from oracle.report.marks import SERIES_COLORS
from oracle.report.plot.fronts import front_line, front_marks
from oracle.report.plot.style import (
    FRONT,
    FULL_WIDTH,
    MUTED,
    PALE,
    grid_of,
    note,
    number,
    styled,
)


@styled
def growth_figure(study: StudyFacts, width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): the front of two objectives as it grew, or the best value so far of a single one.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: no feasible trial.
    """
    _require_trials(study)
    first, *others = study.objectives
    figure, panels = grid_of(2 if others and study.progress else 1, width if others else min(width, 4.5), 2.6, most=2)
    axes = panels[0]
    if not others:
        axes.scatter(study.trials, first.column, s=9, color=PALE, linewidths=0)
        axes.plot(study.trials, study.progress, color=FRONT, drawstyle="steps-post")
        axes.set(xlabel="trial", ylabel=_label(first))
        return figure
    second = others[0]
    axes.scatter(second.column, first.column, s=9, color=PALE, linewidths=0)
    for index, (count, rows) in enumerate(study.snapshots):
        last = index == len(study.snapshots) - 1
        steps = [second.column[row] for row in rows], [first.column[row] for row in rows]
        style: dict[str, Any] = {} if last else {"color": MUTED, "linestyle": ":", "linewidth": 0.4 + 0.2 * index}
        if len(study.objectives) == 2:  # of more, a projection has no steps
            front_line(axes, *steps, second.maximise, label=f"after {count:,}", **style)
        if last:
            front_marks(axes, *steps)
    axes.set(xlabel=_label(second), ylabel=_label(first))
    if len(study.objectives) == 2:
        axes.legend(title="evaluated trials", title_fontsize=7)
    if len(panels) > 1:
        panels[1].plot(range(1, len(study.progress) + 1), study.progress, color=FRONT, drawstyle="steps-post")
        panels[1].set(xlabel="evaluated trials", ylabel="share of the last hypervolume", ylim=(0, 1.02))
        panels[1].grid(visible=True, axis="y")
    return figure


@styled
def limits_figure(study: StudyFacts, width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): trials that broke each limit, alone or with others.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: nothing was judged.
    """
    if not study.constraints:
        raise OracleError("no trial was judged by any limit yet")
    figure, (axes,) = grid_of(1, min(width, 5.0), 0.7 + 0.24 * len(study.constraints), most=1)
    places = range(len(study.constraints))
    alone = [one.alone for one in study.constraints]
    others = [one.broken - one.alone for one in study.constraints]
    axes.barh(places, alone, height=0.68, color=SERIES_COLORS[1], label="this limit alone")
    axes.barh(
        places,
        others,
        left=alone,
        height=0.68,
        color=SERIES_COLORS[4],
        hatch="//////",
        edgecolor="white",
        linewidth=0,
        label="others too",
    )
    for place, one in zip(places, study.constraints, strict=True):
        label = f"{one.broken:,} of {one.judged:,}"
        note(axes, label, (one.broken, place), (3, 0), va="center", fontsize=7)
    axes.set_yticks(list(places), [one.name for one in study.constraints])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlim(0, 1.25 * max(one.broken for one in study.constraints) or 1)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    figure.legend(loc="outside lower left", ncols=2)
    return figure


@styled
def parallel_figure(study: StudyFacts, found: Population, width: float = FULL_WIDTH) -> Any:
    """The figure (matplotlib's): an axis for each knob that varies and each objective, a line for each trial.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: no feasible trial.
    """
    _require_trials(study)
    columns: dict[str, Sequence[Any]] = {
        name: knob.column for name, knob in found.knobs.items() if len(knob.labels) > 1
    }
    columns |= {f"{one.name} {'↑' if one.maximise else '↓'}": one.column for one in study.objectives}
    places = {name: _places(column) for name, column in columns.items()}
    figure, (axes,) = grid_of(1, width, 2.6, most=1)
    xs = range(len(columns))
    front = set(study.front)
    for row in sorted(range(len(study.trials)), key=front.__contains__):
        style = {"color": FRONT, "linewidth": 1.1} if row in front else {"color": PALE, "linewidth": 0.5}
        axes.plot(xs, [places[name][row] for name in columns], **style)
    for x, (name, column) in enumerate(columns.items()):
        axes.plot([x, x], [0, 1], color=MUTED, linewidth=0.6)
        for place, text in _ends(column):
            below: dict[str, Any] = (
                {"va": "top", "offset": (0, -4)} if place == 0 else {"va": "bottom", "offset": (0, 3)}
            )
            note(axes, text, (x, place), ha="center", **below)
        note(axes, name.rpartition(".")[2].replace("@", "\n@"), (x, 1), (0, 13), ha="center", va="bottom", fontsize=7)
    axes.set_axis_off()
    axes.set_ylim(-0.12, 1.28)
    return figure


def _places(column: Sequence[Any]) -> list[float]:
    """Where values lie along an axis, 0 to 1: numbers by size, texts in order."""
    known = [value for value in column if value is not None]
    if all(isinstance(value, (int, float)) for value in known):
        low, high = min(known), max(known)
        return [float("nan") if value is None else (value - low) / ((high - low) or 1) for value in column]
    order = {value: index for index, value in enumerate(sorted(set(known), key=str))}
    return [float("nan") if value is None else order[value] / (max(order.values()) or 1) for value in column]


def _ends(column: Sequence[Any]) -> list[tuple[float, str]]:
    known = [value for value in column if value is not None]
    if all(isinstance(value, (int, float)) for value in known):
        return [(0.0, number(min(known))), (1.0, number(max(known)))]
    ordered = sorted(set(known), key=str)
    return [(0.0, str(ordered[0])), (1.0, str(ordered[-1]))]


def _label(objective: ObjectiveFacts) -> str:
    return f"{objective.name} ({'more' if objective.maximise else 'less'} is better)"


def _require_trials(study: StudyFacts) -> None:
    if not study.trials:
        raise OracleError("no feasible trial has been evaluated yet")
