"""Classes of knobs: one per value where they are few, else ranges of whole steps."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.report.facts import knob_of


def test_few_values_have_a_class_each() -> None:
    knob = knob_of([16, 8, 8, None, 24])
    assert (list(knob.labels), list(knob.classes), knob.ends) == (["8", "16", "24"], [1, 0, 0, None, 2], None)
    assert list(knob_of(["res", "simple", "res"]).labels) == ["res", "simple"]
    assert list(knob_of([True, False]).labels) == ["False", "True"]
    assert list(knob_of([0.5, 1.0]).labels) == ["0.5", "1"]


def test_a_grid_of_two_dozen_has_a_class_each_also_for_what_nobody_has() -> None:
    column = [value for value in range(12, 29) if value != 20]
    knob = knob_of(column)
    assert list(knob.labels) == [str(value) for value in range(12, 29)]
    assert Counter(knob.classes)[8] == 0
    assert knob.ends == ("12", "28")


def test_ranges_hold_equally_many_steps() -> None:
    knob = knob_of(list(range(100)))
    counts = Counter(knob.classes)
    assert set(list(counts.values())[:-1]) == {8}
    assert knob.labels[0] == "0 to 7"
    assert knob.ends == ("0", "99")


@given(st.lists(st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=80))
def test_everybody_is_in_a_class_and_order_is_kept(column: list[float]) -> None:
    knob = knob_of(column)
    assert None not in knob.classes
    places = [int(place or 0) for _, place in sorted(zip(column, knob.classes, strict=True))]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] < len(knob.labels)
    assert len(knob.labels) <= 24


@pytest.mark.parametrize("column", [[], [None, None]])
def test_nothing_has_no_classes(column: list[None]) -> None:
    assert list(knob_of(column).labels) == []
