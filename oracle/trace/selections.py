"""Selections by values, whose sizes no shape tells: with a stated number of rows that each keeps, they have one.

`scores > 0.5` and non-maximum suppression keep what the values say. Where the caller states how many rows a selection
keeps, it keeps so many, or all where there are fewer. The same mask keeps the same number each time, and what
`levels == 0`, `levels == 1`, ... keep of one tensor adds up to the stated number, as the parts of a whole do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from oracle.errors import WorkloadError
from oracle.optable import Row, Value, prod

__all__ = ["COUNTS", "SELECTS", "UNSTATED", "Selections", "selected_in"]

_NONZERO, _NMS, _MASKED, _INDEX = "aten.nonzero", "torchvision.nms", "aten.masked_select", "aten.index"
SELECTS = frozenset({_NONZERO, _NMS, _MASKED, _INDEX})
"""Operators that select by values, an index by a mask among them."""
UNSTATED = "returns follows from values"
"""What the error of a selection says where nobody stated how many rows it keeps."""
_SUMS = frozenset({"aten.sum", "aten.count_nonzero"})
_LARGEST = frozenset({"aten.max", "aten.amax"})
COUNTS = _SUMS | _LARGEST
"""Operators that may say how many a mask keeps."""
_CASTS = frozenset({"aten._to_copy", "aten.clone"})
_MASKS = frozenset({torch.bool, torch.uint8})


def selected_in(selected: Any) -> int | None:
    """A number of rows that was stated, checked.

    Raises:
        WorkloadError: neither a natural number nor None.
    """
    if selected is None or (type(selected) is int and selected >= 0):
        return selected
    raise WorkloadError(f"selected={selected!r}: expected how many rows a selection by values keeps, 0 or more")


class Selections:
    """What selections keep of tensors without data.

    Attributes:
        most: rows that each keeps at most; None where nobody stated a number.
    """

    def __init__(
        self, most: int | None, value_of: Callable[[Any], int], rows: Sequence[Row], values: Sequence[Value]
    ) -> None:
        """Say what is known of tensors.

        Args:
            most: rows that each selection keeps at most, None for an error.
            value_of: the value that a tensor holds.
            rows, values: recorded so far; they grow.
        """
        self.most = most
        self._value_of, self._rows, self._values = value_of, rows, values
        self._kept: dict[Any, int] = {}  # what a mask says -> rows that it keeps
        self._left: dict[int, int] = {}  # value -> rows that no test for equality with a number has kept

    @property
    def note(self) -> str:
        """What was stated, for results."""
        return f"each selection by values keeps {self.most:,} rows, or all where there are fewer: as stated"

    def result(self, name: str, args: tuple[Any, ...]) -> Any:
        """What one of `SELECTS` returns, on meta; NotImplemented for an index without a mask.

        Raises:
            RuntimeError: nobody stated how many rows it keeps.
        """
        by_mask = name != _INDEX or any(index is not None and index.dtype in _MASKS for index in args[1])
        if not by_mask:
            return NotImplemented
        if self.most is None:
            shown = "an index by a mask" if name == _INDEX else name.replace(".", "::")
            raise RuntimeError(f"what {shown} {UNSTATED}")
        if name == _NONZERO:
            return self._places(args[0])
        if name == _NMS:
            return args[1].new_empty(self._most_of(len(args[1])), dtype=torch.int64)
        if name == _MASKED:
            x, mask = torch.broadcast_tensors(args[0], args[1])
            return x.new_empty(self._rows_of(args[1], mask.numel()))
        indices: list[Any] = []
        for index in args[1]:
            masks = index is not None and index.dtype in _MASKS
            indices += self._places(index).unbind(1) if masks else [index]
        return torch.ops.aten.index(args[0], indices)

    def counted(self, tensor: Any) -> int | None:
        """How many a mask keeps, where a tensor of one number is that count or the largest of such; None for others.

        Raises:
            RuntimeError: nobody stated how many rows a selection keeps.
        """
        value, size = self._value_of(tensor), None
        while (row := self._row_of(value)) is not None and row.reads:
            if row.name in _SUMS:
                size = prod(row.args[0]) // max(prod(row.out), 1)
            elif row.name not in _LARGEST and row.name not in _CASTS:
                break
            value = row.reads[0].value
            if size is not None and row.reads[0].dtype == "bool":
                if self.most is None:
                    raise RuntimeError(f"what a count of a mask {UNSTATED}")
                return self._most_of(size)
        return None

    def _row_of(self, value: int) -> Row | None:
        producer = self._values[value].producer
        return self._rows[producer] if producer >= 0 else None

    def _most_of(self, size: int) -> int:
        return size if self.most is None else min(self.most, size)

    def _places(self, mask: Any) -> Any:
        return mask.new_empty((self._rows_of(mask, mask.numel()), mask.dim()), dtype=torch.int64)

    def _rows_of(self, mask: Any, size: int) -> int:
        value = self._value_of(mask)
        row = self._row_of(value)
        if row is None or row.name != "aten.eq" or not isinstance(row.args[1], (int, float)):
            return self._kept.setdefault(value, self._most_of(size))
        source = row.reads[0].value
        if (source, row.args[1]) not in self._kept:
            left = self._left.setdefault(source, self._most_of(size))
            self._kept[source, row.args[1]], self._left[source] = left, 0
        return self._kept[source, row.args[1]]
