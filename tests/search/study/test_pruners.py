from __future__ import annotations

from typing import Any

import pytest

from oracle.errors import ConfigError
from search.study import study_of
from search.study.pruners import check_pruner, resolved

TRAIN = {"TYPE": "train", "EPOCHS": 9}
CALL = {"TYPE": "call"}


def test_what_is_absent_has_its_default() -> None:
    assert check_pruner({}, CALL) == {"TYPE": "median"}
    section = check_pruner({"TYPE": "hyperband"}, TRAIN)
    assert section == {"TYPE": "hyperband", "MIN": 1, "MAX": 0, "FACTOR": 3}
    assert resolved(section, TRAIN)["MAX"] == 9
    assert resolved(check_pruner({"TYPE": "halving"}, CALL), CALL)["MAX"] == 0
    assert resolved({"TYPE": "median"}, TRAIN) == {"TYPE": "median"}


@pytest.mark.parametrize(
    ("values", "quality", "words"),
    [
        ({"TYPE": "halfing"}, TRAIN, "PRUNER.TYPE: .*halving"),
        ({"TYPE": "median", "MIN": 1}, TRAIN, "PRUNER.MIN"),
        ({"TYPE": "halving", "MIN": 0}, TRAIN, "PRUNER.MIN: value 0"),
        ({"TYPE": "halving", "FACTOR": 1}, TRAIN, "PRUNER.FACTOR: value 1"),
        ({"TYPE": "halving", "MIN": 10}, TRAIN, "PRUNER.MIN: value 10: expected at most PRUNER.MAX, 9"),
        ({"TYPE": "hyperband", "MAX": 27}, TRAIN, "PRUNER.MAX: value 27: expected at most QUALITY.EPOCHS, 9"),
        ({"TYPE": "hyperband"}, CALL, "PRUNER.MAX: value 0: hyperband needs to know"),
        ({"TYPE": "halving"}, {"TYPE": "proxies"}, "PRUNER.TYPE: value 'halving', but QUALITY.TYPE proxies reports no"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], quality: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_pruner(values, quality)


def test_a_word_is_short_for_a_section_and_a_plan_makes_itself_again() -> None:
    values = {"SPACE": "cifar-regnet", "OBJECTIVES": "maximise quality", "QUALITY": {"TYPE": "train", "EPOCHS": 4}}
    plan = study_of({**values, "PRUNER": "halving"})
    assert plan.pruner == {"TYPE": "halving", "MIN": 1, "MAX": 4, "FACTOR": 3}
    assert study_of(plan.values).pruner == plan.pruner
    assert study_of(values).pruner == {"TYPE": "median"}
