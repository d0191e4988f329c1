"""The tensors between the cells of many chains: what every candidate's next cell is handed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.template import Format

Ints = NDArray[np.int64]


class Boundary:
    """One tensor per candidate.

    Args:
        size: how many candidates.
        dims: its dimensions, each a number for all or an array with one entry per candidate.
        form: its format.
    """

    def __init__(self, size: int, dims: Sequence[int | Ints], form: Format) -> None:
        self._size = size
        self._dims: list[Any] = list(dims)
        self._forms = [form]
        self._form_of: Ints | None = None  # index into forms; None while there is one

    def at(self, rows: Ints) -> Iterator[tuple[Ints, tuple[Any, ...], Format]]:
        """Positions among some candidates (ascending), with the dimensions there and the format that they share."""
        everyone = np.arange(len(rows))
        here = None if self._form_of is None else self._form_of[rows]
        for number, form in enumerate(self._forms):
            chosen = everyone if here is None else np.flatnonzero(here == number)
            if len(chosen):
                yield chosen, self._taken(rows if here is None else rows[chosen], form), form

    def _taken(self, rows: Ints, form: Format) -> tuple[Any, ...]:
        whole = len(rows) == self._size
        dims = self._dims[: len(form.order)]
        return tuple(dim if whole or not isinstance(dim, np.ndarray) else dim[rows] for dim in dims)

    def leave(self, rows: Ints, dims: Sequence[int | Ints], form: Format) -> None:
        """Replace the tensor of some candidates (ascending)."""
        if len(rows) == self._size:
            self._dims, self._forms, self._form_of = list(dims), [form], None
            return
        for axis, sizes in enumerate(dims):
            before = self._dims[axis] if axis < len(self._dims) else 1
            if not (isinstance(sizes, int) and isinstance(before, int) and sizes == before):
                column = np.array(np.broadcast_to(before, self._size))  # a copy: others may hold the old one
                column[rows] = sizes
                self._dims[axis : axis + 1] = [column]
        if form not in self._forms:
            self._forms.append(form)
        if len(self._forms) > 1:
            if self._form_of is None:
                self._form_of = np.zeros(self._size, dtype=np.int64)
            self._form_of[rows] = self._forms.index(form)


def alike(before: Sequence[Any], after: Sequence[Any]) -> Any:
    """In which rows two tensors have the same dimensions: an array of bools, or one bool for all."""
    if len(before) != len(after):
        return False
    same: Any = True
    for old, new in zip(before, after, strict=True):
        if old is not new:
            same = same & (old == new)
    return same
