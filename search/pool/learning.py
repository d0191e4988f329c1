"""What is learnt from evaluations, kept from one choice to the next.

All of it follows from the evaluations alone and not from when it was computed: a study that is resumed learns the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .choosing import Evaluations, subset, tamed
from .described import Aims, Described
from .history import Look
from .surrogate import Factor, Shape, shape_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_FITTED = 256  # evaluations that a surrogate knows; the covariance of more takes longer than a choice may
_MOST_SHAPED = 128  # from which the shape of a surrogate is found, some sixty covariances at a time
_LATEST = 64  # evaluations that are fitted in any case, at most
_BASE = 32  # evaluations after which a covariance is inverted anew; those since extend it


class Learning:
    """Surrogates of a study."""

    def __init__(self) -> None:
        self._earlier: tuple[bytes, Ints] | None = None  # evaluations, and which of them are fitted
        self._shapes: tuple[Any, list[Shape | None]] | None = None  # what they were found from, and the shapes
        self._bases: tuple[Any, dict[Shape, Factor]] | None = None  # the same, of covariances

    def evaluations(self, pool: Described, looks: Sequence[Look], values: Floats) -> Evaluations:
        """What surrogates know: all evaluations, or a subset of the earlier ones, and the latest.

        Args:
            pool: that scales features.
            looks: the evaluated members, in the order of their trials.
            values: (n, k) of their objectives, larger being better.
        """
        return pool.evaluations(looks, values, self._rows(values))

    def factors(
        self, pool: Described, looks: Sequence[Look], values: Floats, aims: Aims, startup: int
    ) -> list[Factor | None]:
        """The surrogate of each objective but for values, over the members of `evaluations`; None for known ones.

        Args:
            pool, looks, values: as of `evaluations`.
            aims: which objectives are known.
            startup: evaluations before the first surrogate, whose shape is found from them.
        """
        rows = self._rows(values)
        shapes = self._shapes_for(pool, looks, values, aims, startup)
        base = len(rows) - len(rows) % _BASE or len(rows)
        first, rest = (pool.scaled([looks[row] for row in part]) for part in np.split(rows, [base]))
        at = (pool, [looks[row].key for row in rows[:base]])
        if self._bases is None or self._bases[0] != at:
            self._bases = at, {}
        known = self._bases[1]
        for shape in {shape for shape in shapes if shape is not None} - known.keys():
            known[shape] = Factor.of(first, shape)
        return [None if shape is None else known[shape].extended(rest) for shape in shapes]

    def _rows(self, values: Floats) -> Ints:
        """Positions of the evaluations that surrogates know."""
        count = len(values)
        if count <= _MOST_FITTED:
            return np.arange(count)
        earlier = count - count % _LATEST
        at = values[:earlier].tobytes()
        if self._earlier is None or self._earlier[0] != at:
            self._earlier = at, subset(values[:earlier], _MOST_FITTED - _LATEST)
        return np.concatenate([self._earlier[1], np.arange(earlier, count)])

    def _shapes_for(
        self, pool: Described, looks: Sequence[Look], values: Floats, aims: Aims, startup: int
    ) -> list[Shape | None]:
        """Shapes by the first evaluations, looked for anew whenever there are an eighth more."""
        count = startup
        while (more := count + max(1, count // 8)) <= len(values):
            count = more
        first = values[:count]
        at = (aims.known, first.tobytes())
        if self._shapes is None or self._shapes[0] != at:
            learnt = pool.evaluations(looks, first, subset(first, _MOST_SHAPED))
            shapes = [
                None if sure else shape_of(learnt.blocks, tamed(learnt.values[:, column]))
                for column, sure in enumerate(aims.sure)
            ]
            self._shapes = at, shapes
        return self._shapes[1]
