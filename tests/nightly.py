"""Which parameters of a test run always, and which in the nightly run alone; how many examples are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import settings

__all__ = ["examples", "unless"]


def unless(always: Callable[[Any], bool], values: Iterable[Any]) -> list[Any]:
    """Parameters, of which the nightly run alone has those that are not run always.

    Args:
        always: whether a value is run always.
        values: of the parameter; a tuple stands for several parameters.
    """
    nightly = pytest.mark.nightly
    return [
        value if always(value) else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=nightly)
        for value in values
    ]


def examples(most: int) -> settings:
    """Settings of a test that draws at most so many examples; half of them with pinned seeds, which find nothing new."""
    return settings(max_examples=most * settings.default.max_examples // 100)
