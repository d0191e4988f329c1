"""The evaluated trials of a study as a table of candidates: the columns and rows that a sweep's file has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._resources import closest
from oracle.errors import OracleError

from .results import Results
from .words import QUALITY


class Trials:
    """Feasible evaluated trials; an objective of the study is the score of its name, or the quality.

    Args:
        results: of the study.
    """

    def __init__(self, results: Results) -> None:
        self.file = results.plan.name
        self.devices = tuple(device.name for device in results.plan.devices)
        self._rows = [
            {
                "trial": record.number,
                **record.config,
                **({} if record.quality is None else {QUALITY: record.quality}),
                **record.scores,
            }
            for record in results.evaluated
        ]

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Columns of numbers.

        Raises:
            OracleError: no such column, or one of other things than numbers.
        """
        there = [name for name, value in (self._rows or [{}])[0].items() if isinstance(value, (int, float))]
        for name in names if self._rows else ():
            if name not in there:
                hint = closest(name, there) or f"; there are {', '.join(there)}"
                raise OracleError(f"study {self.file}: no column {name!r}{hint}")
        return {name: np.array([row[name] for row in self._rows], dtype=np.float64) for name in names}

    def rows(self, positions: Iterable[int]) -> list[dict[str, Any]]:
        """Some trials, in the given order."""
        return [self._rows[position] for position in positions]
