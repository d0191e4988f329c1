from __future__ import annotations

import pytest

from oracle.errors import ConfigError
from oracle.query.trust import Trust
from search.space.certainty import bound_notes, check_confidence
from search.space.expressions import limits_of_texts

TRUST = {
    "t4": Trust("calibrated", 0.1, "10 measurements", (0.8, 1.3)),
    "p4": Trust("calibrated", None, "10 measurements; fitted to float32", None),
    "l4": Trust("roofline", None, "lower bound: nothing was measured"),
}


def test_a_confidence_needs_a_known_error() -> None:
    check_confidence(limits_of_texts(["latency_ms@t4 <= 2 at 90%", "latency_ms@l4 <= 2", "params <= 3"]), TRUST)
    for device, words in (("p4", "fitted to float32"), ("l4", "nothing was measured"), ("a10", "lower bound")):
        with pytest.raises(ConfigError, match=f"(?s)CONSTRAINTS.*{device} at 90%.*{words}.*oracle calibrate") as caught:
            check_confidence(limits_of_texts([f"latency_ms@{device} <= 2 at 90%"]), TRUST, "CONSTRAINTS")
        assert caught.value.key == "CONSTRAINTS"


def test_a_limit_on_a_bound_is_named_so() -> None:
    texts = [f"latency_ms@{device} <= 2" for device in ("t4", "p4", "l4", "a10")]
    notes = bound_notes(limits_of_texts([*texts, "roofline_ms@l4 <= 2", "latency_ms@b200 >= 1"]), TRUST)
    assert [note.split(" is judged by ")[1].split(",")[0] for note in notes] == ["roofline_ms@l4", "roofline_ms@a10"]
    assert all(note.startswith("Warning: latency_ms@") for note in notes)
