from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial

from search.study.pruning import should_prune
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
    assert should_prune(step, value, {"params": params}, OTHERS, OBJECTIVES, 1) == expected


def test_nothing_is_pruned_without_enough_to_compare_with() -> None:
    assert not should_prune(0, 0.0, {"params": 30}, OTHERS, OBJECTIVES, 4)
    assert should_prune(0, 0.0, {"params": 2000}, OTHERS, OBJECTIVES, 4)


def test_a_quality_that_is_minimised() -> None:
    objectives = objectives_of(["minimise quality"])
    assert should_prune(0, 0.9, {}, OTHERS, objectives, 1)
    assert not should_prune(0, 0.6, {}, OTHERS, objectives, 1)
