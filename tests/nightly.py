"""Which parameters of a test run always, and which in the nightly run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

__all__ = ["unless"]


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
