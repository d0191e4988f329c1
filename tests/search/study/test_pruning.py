from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial

from search.study.pruning import is_below_median, is_left_behind
from search.study.rungs import Brackets
from search.study.words import objectives_of

OBJECTIVES = objectives_of(["maximise quality", "minimise params"])


def trial(params: float, *qualities: float) -> FrozenTrial:
    reports = {str(step): quality for step, quality in enumerate(qualities)}
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.PRUNED, user_attrs={"scores": {"params": params}, "reports": reports}
    )


OTHERS = [trial(10, 0.5, 0.6), trial(20, 0.7, 0.8), trial(30, 0.9), trial(1000, 0.99, 0.99)]


@pytest.mark.parametrize(
    ("params", "step", "value", "expected"),
    [
        (5, 0, 0.0, False),  # nobody is as cheap
        (10, 0, 0.4, True),  # the one that costs as much is better
        (30, 0, 0.69, True),  # median of 0.5, 0.7, 0.9
        (30, 0, 0.7, False),
        (30, 1, 0.69, True),  # median of 0.6, 0.8
        (30, 2, 0.0, False),  # nobody got there
        (2000, 0, 0.79, True),  # median of all four
        (30, 0, float("nan"), True),
    ],
)
def test_only_those_that_cost_no_more_count(params: float, step: int, value: float, expected: bool) -> None:
    assert is_below_median({step: value}, {"params": params}, OTHERS, OBJECTIVES, 1) == expected


def test_nothing_is_pruned_without_enough_to_compare_with() -> None:
    assert not is_below_median({0: 0.0}, {"params": 30}, OTHERS, OBJECTIVES, 4)
    assert is_below_median({0: 0.0}, {"params": 2000}, OTHERS, OBJECTIVES, 4)


def test_a_quality_that_is_minimised() -> None:
    objectives = objectives_of(["minimise quality"])
    assert is_below_median({0: 0.9}, {}, OTHERS, objectives, 1)
    assert not is_below_median({0: 0.6}, {}, OTHERS, objectives, 1)


def numbered(number: int, params: float, *qualities: float) -> FrozenTrial:
    found = trial(params, *qualities)
    found.number = number
    return found


@pytest.mark.parametrize(
    ("params", "quality", "expected"),
    [
        (5, 0.1, False),  # cheaper than all others: on the first front, and an end of it
        (10, 0.4, True),  # the first trial is better for as much
        (25, 0.6, True),  # behind the second
        (2000, 1.0, False),  # the best there is
        (30, float("nan"), True),
        (30, float("inf"), True),
    ],
)
def test_a_rung_is_left_by_the_first_fronts(params: float, quality: float, expected: bool) -> None:
    others = [
        numbered(n, *row) for n, row in enumerate([(10, 0.0, 0.5), (20, 0.0, 0.7), (30, 0.0, 0.4), (40, 0.0, 0.3)])
    ]
    halving = Brackets("halving", 1, 9, 2)
    scores = {"params": params}
    assert is_left_behind(9, {0: 0.0, 1: quality}, scores, others, OBJECTIVES, halving, 2) == expected
    assert not is_left_behind(9, {0: 0.0}, scores, others, OBJECTIVES, halving, 2)  # no rung yet
    assert not is_left_behind(9, {0: 0.0, 1: 0.9, 9: quality}, scores, [], OBJECTIVES, Brackets("halving", 9, 9, 2), 2)


def test_a_rung_is_judged_once() -> None:
    others = [numbered(0, 10, 0.0, 0.9, 0.9, 0.9)]
    halving = Brackets("halving", 1, 0, 3)
    assert is_left_behind(1, {1: 0.1}, {"params": 10}, others, OBJECTIVES, halving, 3)
    assert not is_left_behind(1, {1: 0.1, 2: 0.1}, {"params": 10}, others, OBJECTIVES, halving, 3)
    assert is_left_behind(1, {1: 0.1, 3: 0.1}, {"params": 10}, others, OBJECTIVES, halving, 3)
