"""Columns of config values over one base config: what the vectorised families read, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families._checks import MAX_IMAGE, MAX_WIDTH
from oracle.families.population import index_of

Ints = NDArray[np.int64]


class Rows:
    """Candidates as rows, and the first reason why a row is no network.

    A value is a plain one where all rows share it, an array where they differ. A row that breaks a rule is
    noted and goes on with a value that obeys it, so that nothing later divides by zero or overflows.

    Attributes:
        cfg: the base config; columns replace its values.
        size: how many rows.
        everyone: (size,) the position of every row.
        reason: (size,) 0, or the position in `keys` of the dotted key that makes the row impossible.
        keys: "" and dotted keys.
        num_stages: how few and how many stages a RegNet may have, None for any number.
    """

    def __init__(
        self,
        cfg: Any,
        columns: Mapping[str, NDArray[Any]],
        size: int,
        num_stages: tuple[int, int] | None = None,
    ) -> None:
        self.cfg = cfg
        self.size = size
        self.num_stages = num_stages
        self.everyone: Ints = np.arange(size)
        self.reason = np.zeros(size, dtype=np.int16)
        self.keys = [""]
        self._columns = columns

    def __getitem__(self, key: str) -> Any:
        """The column of a dotted key, or the value that all its entries have, else the base config's value."""
        if key in self._columns:
            column = self._columns[key]
            alike = column.ndim == 1 and len(column) and column[0] == column[-1] and (column == column[0]).all()
            return column[0].item() if alike else column
        section, name = key.split(".")
        return self.cfg[section][name]

    def entries(self, key: str) -> list[Any]:
        """The entries of a list, each a plain value or an array."""
        value = self[key]
        return list(np.ascontiguousarray(value.T)) if isinstance(value, np.ndarray) else list(value)

    def sound(self, key: str, value: Any, holds: Any, safe: Any, at: Ints | None = None) -> Any:
        """The value, `safe` put where the rule does not hold; those rows are rejected for `key`.

        Args:
            key: dotted key to blame.
            value: of the rows `at`, or one for all of them.
            holds: whether it obeys the rule, likewise.
            safe: a value that does.
            at: positions of the rows, all if None.
        """
        if np.all(holds):
            return value
        rows = self.everyone if at is None else at
        if isinstance(holds, np.ndarray):
            self.reject(key, rows[~holds])
            return np.where(holds, value, safe)
        self.reject(key, rows)
        return safe

    def integer(self, key: str, value: Any = None, low: int = 1, high: int = MAX_WIDTH, at: Ints | None = None) -> Any:
        """The integers (or whole floats) of a key, within a closed range."""
        value = self[key] if value is None else value
        if not isinstance(value, np.ndarray):
            return int(self.sound(key, value, low <= value <= high, low, at))
        if value.size and not low <= value.min() <= value.max() <= high:
            value = self.sound(key, value, (low <= value) & (value <= high), low, at)
        return value.astype(np.int64, copy=False)

    def image(self, strides: Iterable[tuple[Ints, Any]]) -> Any:
        """The image sizes; a pixel must be left after all strides, each given with the rows it is of."""
        key = "TRAIN.IM_SIZE"
        image = self.integer(key, high=MAX_IMAGE)
        total = np.ones(self.size)
        for at, stride in strides:
            rows = index_of(at, self.size)
            total[rows] = np.minimum(total[rows] * stride, 2.0 * MAX_IMAGE)  # beyond any image, far from overflow
        self.sound(key, total, total <= image, 1)
        return image

    @property
    def kept(self) -> Ints:
        """Positions of the rows without a reason against them, ascending."""
        return np.flatnonzero(self.reason == 0) if self.reason.any() else self.everyone

    @property
    def rejected(self) -> dict[str, int]:
        """How many rows each dotted key rejects."""
        counts = np.bincount(self.reason, minlength=len(self.keys)).tolist()
        return dict(zip(self.keys[1:], counts[1:], strict=True))

    def reject(self, key: str, rows: Ints) -> None:
        """Note a reason for some rows; a row keeps its first."""
        rows = rows[self.reason[rows] == 0]
        if len(rows):
            if key not in self.keys:
                self.keys.append(key)
            self.reason[rows] = self.keys.index(key)
