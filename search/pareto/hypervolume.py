"""The hypervolume that a set of candidates dominates, exactly, for two or three objectives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle._fronts import non_dominated
from oracle.errors import ConfigError

Floats = NDArray[np.float64]


def hypervolume(
    columns: Sequence[ArrayLike], reference: Sequence[float], maximise: Sequence[bool] | None = None
) -> float:
    """Compute the area or volume between a reference point and the candidates that beat it in every objective.

    Args:
        columns: two or three arrays of shape (n,), one per objective.
        reference: one number per objective.
        maximise: one bool per objective. Default: all are minimised.

    Raises:
        ConfigError: another number of objectives, or columns of different lengths.

    Examples:
        >>> from oracle.search import hypervolume
        >>> hypervolume([[1.0, 2.0], [2.0, 1.0]], [3.0, 3.0])
        3.0
    """
    if len(columns) not in (2, 3) or len(reference) != len(columns):
        raise ConfigError(f"{len(columns)} objectives, reference={list(reference)!r}: expected two or three of both")
    on_front = non_dominated(columns, maximise)
    signs = [-1.0 if flip else 1.0 for flip in maximise or [False] * len(columns)]
    sides: Floats = np.array(
        [
            sign * (end - np.asarray(column, dtype=np.float64)[on_front])
            for sign, end, column in zip(signs, reference, columns, strict=True)
        ]
    )
    sides = sides[:, (sides > 0).all(axis=0)]
    return _area(*sides) if len(sides) == 2 else _volume(*sides)


def _area(widths: Floats, heights: Floats) -> float:
    """The union of rectangles with a corner in common."""
    order = np.argsort(-widths, kind="stable")
    tallest = np.maximum.accumulate(heights[order])
    steps = np.diff(tallest, prepend=0.0)
    return float((widths[order] * steps).sum())


def _volume(widths: Floats, heights: Floats, depths: Floats) -> float:
    """The union of boxes with a corner in common; its cross-section grows from the far end on."""
    stairs, volume = _Stairs(), 0.0
    order = np.argsort(-depths, kind="stable")
    ends = np.append(depths[order], 0.0)
    for row, end, following in zip(order, ends[:-1], ends[1:], strict=True):
        stairs.add(float(widths[row]), float(heights[row]))
        volume += stairs.area * float(end - following)
    return volume


class _Stairs:
    """A growing union of rectangles with a corner in common; the opposite corners by ascending width."""

    def __init__(self) -> None:
        self.area = 0.0
        self._widths: list[float] = []
        self._heights: list[float] = []  # negated, so that they ascend too

    def add(self, width: float, height: float) -> None:
        at = bisect_left(self._widths, width)
        if at < len(self._widths) and -self._heights[at] >= height:
            return
        # Corners that the new one covers stand just before it, or have its width.
        end = bisect_right(self._widths, width)
        begin = bisect_left(self._heights, -height, 0, at)
        # What it adds: from the corner to its left, above the stairs it covers.
        left = self._widths[begin - 1] if begin else 0.0
        for corner in range(begin, end):
            self.area -= (self._widths[corner] - left) * -self._heights[corner]
            left = self._widths[corner]
        below = -self._heights[end] if end < len(self._heights) else 0.0
        self.area -= (width - left) * below
        left = self._widths[begin - 1] if begin else 0.0
        self.area += (width - left) * height
        self._widths[begin:end] = [width]
        self._heights[begin:end] = [-height]
