from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import ConfigError
from search.space import Limit
from search.space.expressions import limits_of_texts


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("params <= 6e6", [Limit("params", high=6e6)]),
        ("macs>=1_000", [Limit("macs", low=1000.0)]),
        ("4.5 <= latency_ms@t4 <= 5", [Limit("latency_ms", 4.5, 5.0, "t4")]),
        ("  peak_memory_bytes  <=  320e3 ", [Limit("peak_memory_bytes", high=320e3)]),
        ("intensity >= .5", [Limit("intensity", low=0.5)]),
        ("roofline_ms@t4 <= 2", [Limit("roofline_ms", high=2, device="t4")]),
        ("latency_ms@t4 <= 2 at 90%", [Limit("latency_ms", high=2, device="t4", quantile=0.9)]),
        ("latency_ms@t4 >= 2 at 90 %", [Limit("latency_ms", low=2, device="t4", quantile=0.1)]),
        ("latency_ms@t4<=2 at 97.5%", [Limit("latency_ms", high=2, device="t4", quantile=0.975)]),
        ("1 <= latency_ms@t4 <= 2 at 90%", [Limit("latency_ms", low=1, device="t4", quantile=0.1),
                                            Limit("latency_ms", high=2, device="t4", quantile=0.9)]),
    ],
)  # fmt: skip
def test_limits(text: str, limits: list[Limit]) -> None:
    assert limits_of_texts([text]) == tuple(limits)
    assert limits_of_texts(text) == tuple(limits)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["paramz <= 5"], "CONSTRAINTS[0]: unknown score 'paramz'; did you mean params"),
        (["params < 5"], "expected `SCORE <= number`"),
        (["params <= __import__('os')"], "expected `SCORE <= number`"),
        (["latency_ms <= 5"], "latency_ms needs a device"),
        (["roofline_ms <= 5"], "roofline_ms needs a device"),
        (["params@t4 <= 5"], "params is the same on every device"),
        (["latency_ms@t5 <= 5"], "t5"),
        (["quality >= 0.9"], "quality is known only after"),
        (["params <= 1e6", "params >= 2e6"], "CONSTRAINTS[1]: nothing can obey params"),
        (["5 <= params <= 4"], "nothing can obey params"),
        (["3 <= latency_ms@t4 <= 2 at 90%"], "CONSTRAINTS[0]: nothing can obey latency_ms@t4"),
        (["params <= 5 at 90%"], "params is exact; only latency_ms takes a confidence"),
        (["roofline_ms@t4 <= 5 at 90%"], "roofline_ms is exact"),
        (["latency_ms@t4 <= 5 at 40%"], "confidence 40%, expected 50% to 99%"),
        (["latency_ms@t4 <= 5 at 100%"], "confidence 100%"),
        (["latency_ms@t4 <= 5 at 0.9"], "expected `SCORE <= number`"),
        ([5], "CONSTRAINTS[0]: value 5: expected a text"),
        ({"params": 5}, "expected a list"),
    ],
)
def test_what_is_no_limit_says_why(texts: object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        limits_of_texts(texts)
    assert words in str(error.value)


def test_limits_on_one_score_become_one_with_those_of_the_space() -> None:
    own = [Limit("params", high=5e6, key="CX.PARAMS"), Limit("latency_ms", 1, 2, "t4", key="CX.LATENCY_MS.t4")]
    found = limits_of_texts(["params >= 1e6", "params <= 6e6"], own)
    assert found == (Limit("params", 1e6, 5e6), Limit("latency_ms", 1, 2, "t4"))
    assert [limit.label for limit in found] == ["params", "CX.LATENCY_MS.t4"]


def test_another_confidence_is_another_limit() -> None:
    texts = [f"latency_ms@t4 <= {ms} at {percent}%" for ms, percent in ((3, 99), (2, 90), (1.5, 90), (1, 50))]
    found = limits_of_texts([*texts, "latency_ms@t4 <= 1.2", "latency_ms@t4 >= .5 at 90%"])
    assert [(limit.name, limit.low, limit.high, limit.confidence) for limit in found] == [
        ("latency_ms@t4 at 99%", -inf, 3, 99),
        ("latency_ms@t4 at 90%", -inf, 1.5, 90),
        ("latency_ms@t4 at 50%", -inf, 1, 50),
        ("latency_ms@t4", -inf, 1.2, 0),
        ("latency_ms@t4 low end at 90%", 0.5, inf, 90),
    ]


@given(st.floats(-1e9, 1e9), st.floats(1, 1e6), st.floats(0, 1e6))
def test_violation_is_positive_exactly_outside(value: float, low: float, width: float) -> None:
    limit = Limit("params", low, low + width)
    assert (limit.violation(value) > 0) == (not low <= value <= low + width)
    assert limit.excess(np.array([value]))[0] == max(0.0, limit.violation(value))


def test_violation_by_hand() -> None:
    assert Limit("params", -inf, 100).violation(110) == pytest.approx(0.1)
    assert Limit("params", 100, inf).violation(75) == pytest.approx(0.25)
    assert Limit("params", 50, 100).violation(90) == pytest.approx(-0.1)
