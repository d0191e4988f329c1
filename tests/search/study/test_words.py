from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import ConfigError
from search.space import Limit
from search.study.words import Bound, Objective, bounds_of, objectives_of


def test_objectives_in_every_spelling() -> None:
    texts = ["maximise quality", "min latency_ms@T4", "Minimize params"]
    assert objectives_of(texts) == (
        Objective("quality", maximise=True),
        Objective("latency_ms", maximise=False, device="t4"),
        Objective("params", maximise=False),
    )


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("params <= 6e6", Bound("params", high=6e6)),
        ("macs>=1_000", Bound("macs", low=1000.0)),
        ("4.5 <= latency_ms@t4 <= 5", Bound("latency_ms", 4.5, 5.0, "t4")),
        ("  peak_memory_bytes  <=  320e3 ", Bound("peak_memory_bytes", high=320e3)),
        ("intensity >= .5", Bound("intensity", low=0.5)),
    ],
)
def test_bounds(text: str, bound: Bound) -> None:
    assert bounds_of([text]) == (bound,)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["paramz <= 5"], "CONSTRAINTS[0]: unknown score 'paramz'; did you mean params"),
        (["params < 5"], "expected `SCORE <= number`"),
        (["params <= __import__('os')"], "expected `SCORE <= number`"),
        (["latency_ms <= 5"], "latency_ms needs a device"),
        (["params@t4 <= 5"], "params is the same on every device"),
        (["latency_ms@t5 <= 5"], "t5"),
        (["quality >= 0.9"], "quality is known only after"),
        (["params <= 1e6", "params >= 2e6"], "CONSTRAINTS[1]: nothing can obey params"),
        (["5 <= params <= 4"], "nothing can obey params"),
        ([5], "CONSTRAINTS[0]: value 5: expected a text"),
        ({"params": 5}, "expected a list"),
    ],
)
def test_what_is_no_bound_says_why(texts: object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        bounds_of(texts)
    assert words in str(error.value)


def test_objectives_that_cannot_be() -> None:
    for texts, words in (([], "at least one"), (["best quality"], "expected `maximise"), (["max macs"] * 2, "twice")):
        with pytest.raises(ConfigError, match=words):
            objectives_of(texts)


def test_bounds_on_one_score_become_one_with_those_of_the_space() -> None:
    limits = [Limit("PARAMS", 0, 5e6), Limit("LATENCY_MS", 1, 2, "t4")]
    assert bounds_of(["params >= 1e6", "params <= 6e6"], limits) == (
        Bound("params", 1e6, 5e6),
        Bound("latency_ms", 1, 2, "t4"),
    )


@given(st.floats(-1e9, 1e9), st.floats(1, 1e6), st.floats(0, 1e6))
def test_violation_is_positive_exactly_outside(value: float, low: float, width: float) -> None:
    bound = Bound("params", low, low + width)
    assert (bound.violation(value) > 0) == (not low <= value <= low + width)
    assert bound.excess(np.array([value]))[0] == max(0.0, bound.violation(value))


def test_violation_by_hand() -> None:
    assert Bound("params", -inf, 100).violation(110) == pytest.approx(0.1)
    assert Bound("params", 100, inf).violation(75) == pytest.approx(0.25)
    assert Bound("params", 50, 100).violation(90) == pytest.approx(-0.1)
