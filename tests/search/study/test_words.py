from __future__ import annotations

import pytest

from oracle.errors import ConfigError
from search.study.words import Objective, objectives_of


def test_objectives_in_every_spelling() -> None:
    texts = ["maximise quality", "min latency_ms@T4", "Minimize params"]
    assert objectives_of(texts) == (
        Objective("quality", maximise=True),
        Objective("latency_ms", maximise=False, device="t4"),
        Objective("params", maximise=False),
    )


def test_objectives_that_cannot_be() -> None:
    for texts, words in (([], "at least one"), (["best quality"], "expected `maximise"), (["max macs"] * 2, "twice")):
        with pytest.raises(ConfigError, match=words):
            objectives_of(texts)
