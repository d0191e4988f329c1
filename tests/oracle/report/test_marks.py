"""Colours and shapes: every class has one, and no two kinds share one."""

from __future__ import annotations

import re

from oracle.optable import OP_CLASSES
from oracle.report.marks import BOUND_COLORS, MARKS, SERIES_COLORS, mark_of
from oracle.roofline import BOUNDS


def test_every_class_has_one_mark() -> None:
    named = [name for mark in MARKS for name in mark.classes]
    assert sorted(named) == sorted(OP_CLASSES)
    assert all(name in mark_of(name).classes for name in OP_CLASSES)
    assert mark_of("no such class") is mark_of("other")


def test_no_two_marks_share_a_colour_or_a_shape() -> None:
    assert len({mark.color for mark in MARKS}) == len({mark.shape for mark in MARKS}) == len(MARKS)


def test_colours_differ_for_people_who_see_two_of_three_primaries() -> None:
    # Deuteranopia, the commonest, by Vienot, Brettel and Mollon 1999 (Color Res. Appl. 24:243), in linear RGB.
    for colors in ([mark.color for mark in MARKS], SERIES_COLORS, list(BOUND_COLORS.values())):
        seen = [deuteranope(color) for color in colors]
        for index, one in enumerate(seen):
            assert all(distance(one, other) > 0.04 for other in seen[index + 1 :])


def deuteranope(color: str) -> tuple[float, float, float]:
    assert re.fullmatch("#[0-9a-f]{6}", color)
    red, green, blue = ((int(color[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5))
    yellow = 0.29275 * red + 0.70725 * green
    return yellow, yellow, -0.02234 * red + 0.02234 * green + blue


def distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def test_every_bound_has_a_colour() -> None:
    assert set(BOUND_COLORS) == set(BOUNDS)
