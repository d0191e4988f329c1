from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from search.study.rungs import Brackets, first_of, is_promoted, ordered


def test_brackets_are_those_of_the_paper() -> None:
    """Li et al. 2018, table 1: with R = 81 and eta = 3, five brackets that begin with 81, 34, 15, 8 and 5 trials."""
    brackets = Brackets("hyperband", 1, 81, 3, seed=0)
    assert brackets.count == 5
    assert [brackets.rungs(bracket) for bracket in range(5)] == [[1, 3, 9, 27], [3, 9, 27], [9, 27], [27], []]
    assert (brackets._shares * (81 + 34 + 15 + 8 + 5)).tolist() == pytest.approx([81, 34, 15, 8, 5])
    counts = Counter(map(brackets.of, range(1430)))
    assert [counts[bracket] for bracket in range(5)] == pytest.approx([810, 340, 150, 80, 50], rel=0.25)
    assert [brackets.of(number) for number in range(50)] != [
        Brackets("hyperband", 1, 81, 3, 1).of(n) for n in range(50)
    ]


def test_halving_has_one_bracket_which_may_have_no_end() -> None:
    assert Brackets("halving", 2, 18, 3).rungs(0) == [2, 6]
    assert Brackets("halving", 2, 0, 3).rungs(0, last=18) == [2, 6, 18]


def test_a_rung_has_the_first_report_there_or_later() -> None:
    assert first_of({1: 0.1, 4: 0.4, 9: 0.9}, 3) == 0.4
    assert first_of({1: 0.1}, 3) is None


def test_fronts_follow_each_other_and_begin_with_their_ends() -> None:
    values = np.array([[1, 1], [3, 0], [2, 2], [0, 3], [1, 2.5], [0, 0]], dtype=float)
    assert ordered(values) == [1, 3, 2, 4, 0, 5]
    assert ordered(np.array([[1.0], [3.0], [2.0]])) == [1, 2, 0]  # with one objective, the order of the values
    assert ordered(np.ones((3, 2))) == [0, 1, 2]


@pytest.mark.parametrize(("own", "expected"), [(8.5, True), (6.5, True), (4.5, False), (float("nan"), False)])
def test_one_in_so_many_goes_on(own: float, expected: bool) -> None:
    assert is_promoted([own], [[float(value)] for value in range(8)], 3) == expected


def test_of_few_the_best_goes_on() -> None:
    assert is_promoted([0.0], [], 3)
    assert not is_promoted([0.0], [[1.0]], 3)
    assert is_promoted([2.0], [[1.0], [float("nan")]], 3)
