"""Facts about a knob: its values among candidates, in classes whose sizes can be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_BINS = 14
_GRID = 24  # so many values of a grid have a class each


@dataclass(frozen=True, slots=True)
class Knob:
    """What one key of a config was among candidates.

    Attributes:
        column: numbers or texts; None where it is not set.
        labels: of the classes, in order.
        classes: which class each candidate is in; None where it is in none.
        ends: of the range that classes divide evenly; None where each class is one value.
    """

    column: Sequence[Any]
    labels: Sequence[str]
    classes: Sequence[int | None]
    ends: tuple[str, str] | None = None


def knob_of(column: Sequence[Any]) -> Knob:
    """A knob, with a class for each value where they are few, else for ranges of equal width.

    Ranges hold whole steps of the grid that values lie on, each as many, so that none is wider than another.
    """
    known = {value for value in column if value is not None}
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return _by_value(column, sorted(known, key=str), str)
    distinct = sorted(known)
    if len(distinct) <= _BINS:
        return _by_value(column, distinct, "{:.12g}".format)
    low, high = distinct[0], distinct[-1]
    step = min(b - a for a, b in pairwise(distinct))
    steps = round((high - low) / step) + 1
    wide = 1 if steps <= _GRID else math.ceil(steps / _BINS)
    count = math.ceil(steps / wide)

    def edge(index: int) -> str:
        return f"{low + min(index, steps - 1) * step:.4g}"

    labels = [edge(i) if wide == 1 else f"{edge(i * wide)} to {edge((i + 1) * wide - 1)}" for i in range(count)]
    classes = [None if v is None else min(count - 1, int((v - low) / step / wide + 1e-9)) for v in column]
    return Knob(column, labels, classes, (edge(0), edge(steps - 1)))


def _by_value(column: Sequence[Any], distinct: Sequence[Any], text: Any) -> Knob:
    place = {value: index for index, value in enumerate(distinct)}
    return Knob(column, [text(value) for value in distinct], [place.get(value) for value in column])
