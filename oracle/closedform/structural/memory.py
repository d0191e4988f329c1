"""The memory of many cells of different structure at once.

`oracle.counting.memory.measure` is the definition; this follows it with arrays. All cells' curves stand in one row of
steps, one after the other: at each step what is born less what died is added up, and every cell's top is taken. Each
cell's changes add up to nothing, so that none touches the next one's curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.template import MEMORY_SIZES
from oracle.counting.memory import Lifetimes, Span
from oracle.memory import CellMemory

Ints = NDArray[np.int64]

_SUMS = ("weights", "states", "gradients", "retained")
_PEAKS = ("forward", "forward_held", "backward", "backward_held", "optimizer")


class Spans(NamedTuple):
    """Who lives when in cells of one structure; storages are numbered.

    Attributes:
        members: of each of `_SUMS`, the storages that it adds up.
        curves: of each of `_PEAKS`, how many steps there are, and the storages alive with their first and last step.
        ends: the storages that enter and leave, -1 if there is none.
        flags: `output_retained` and `input_retained`.
    """

    members: tuple[Ints, ...]
    curves: tuple[tuple[int, Ints, Ints, Ints], ...]
    ends: tuple[int, int]
    flags: tuple[bool, bool]


def spans_of(lifetimes: Lifetimes, *, training: bool) -> Spans:
    """What `Curves` needs of lifetimes; in inference of the weights and of the forward pass only."""
    retained = lifetimes.input_backward >= 0
    ends = [steps - 1 for steps in lifetimes.steps]
    entering = {
        "forward": (0, ends[0] if retained else lifetimes.input_forward),
        "forward_held": (0, ends[0]),
        "backward": (1, lifetimes.input_backward),
        "backward_held": (1, ends[1]),
        "optimizer": (2, -1),
    }
    curves = []
    for name in _PEAKS if training else _PEAKS[:1]:
        phase, last = entering[name]
        spans = [*lifetimes.spans[phase]]
        if lifetimes.boundary_in >= 0 and last >= 0:
            spans.append(Span(lifetimes.boundary_in, 0, last))
        columns = np.array(spans, dtype=np.int64).reshape(-1, 3).T
        curves.append((lifetimes.steps[phase], *columns))
    members = tuple(np.array(getattr(lifetimes, name), dtype=np.int64) for name in (_SUMS if training else _SUMS[:1]))
    ends_of = lifetimes.boundary_in, lifetimes.boundary_out
    return Spans(members, tuple(curves), ends_of, (lifetimes.output_retained, retained))


class Curves:
    """The memory of cells, to be evaluated for sizes.

    Args:
        cells: the spans of each, and for each of its storages the number of its size.
    """

    def __init__(self, cells: Sequence[tuple[Spans, Ints]]) -> None:
        self._training = bool(cells) and len(cells[0][0].curves) > 1
        self._sums = [
            _Sums([sizes[spans.members[which]] for spans, sizes in cells]) for which in range(len(cells[0][0].members))
        ]
        self._peaks = [
            _Peaks([(spans.curves[which], sizes) for spans, sizes in cells]) for which in range(len(cells[0][0].curves))
        ]
        self._ends = [
            np.array([sizes[spans.ends[end]] if spans.ends[end] >= 0 else -1 for spans, sizes in cells])
            for end in (0, 1)
        ]
        self._flags = [np.array([spans.flags[flag] for spans, _ in cells]) for flag in (0, 1)]

    def memory(self, sizes: Ints) -> CellMemory:
        """The memory of every cell; `sizes` are bytes by number."""
        found: dict[str, Any] = dict.fromkeys(MEMORY_SIZES, 0)
        found |= {name: sums.of(sizes) for name, sums in zip(_SUMS, self._sums, strict=False)}
        found |= {name: peaks.of(sizes) for name, peaks in zip(_PEAKS, self._peaks, strict=False)}
        if self._training:
            padded = np.append(sizes, 0)  # the size of number -1
            found |= {name: padded[end] for name, end in zip(("input", "output"), self._ends, strict=True)}
        flags = (_one_of(flag) for flag in self._flags)
        return CellMemory(**found, **dict(zip(("output_retained", "input_retained"), flags, strict=True)))


def _one_of(flags: NDArray[np.bool_]) -> Any:
    return bool(flags[0]) if (flags == flags[0]).all() else flags


class _Sums:
    """Sums of some sizes for each cell."""

    def __init__(self, members: Sequence[Ints]) -> None:
        self._ends = np.cumsum([0, *map(len, members)])
        self._members = np.concatenate(members)

    def of(self, sizes: Ints) -> Ints:
        total = np.concatenate([[0], np.cumsum(sizes[self._members])])[self._ends]
        return np.diff(total)  # type: ignore[no-any-return] # what numpy annotates


class _Peaks:
    """The highest point of each cell's curve."""

    def __init__(self, cells: Sequence[tuple[tuple[int, Ints, Ints, Ints], Ints]]) -> None:
        steps = np.array([curve[0] + 1 for curve, _ in cells])
        self._starts = np.cumsum(steps) - steps
        counts = [len(curve[1]) for curve, _ in cells]
        shift = np.repeat(self._starts, counts)
        numbers = _joined(sizes[curve[1]] for curve, sizes in cells)
        first = _joined(curve[2] for curve, _ in cells) + shift
        last = _joined(curve[3] for curve, _ in cells) + shift + 1
        at, what = np.concatenate([first, last]), np.concatenate([numbers, ~numbers])  # ~: to be taken off
        order = np.argsort(at, kind="stable")
        at = at[order]
        self._what = what[order]
        new = np.flatnonzero(np.diff(at, prepend=-1))
        self._groups, self._at = new, at[new]
        self._steps = int(steps.sum())

    def of(self, sizes: Ints) -> Ints:
        curve = np.zeros(self._steps, dtype=np.int64)
        if len(self._at):
            born = np.concatenate([sizes, -sizes[::-1]])  # ~n is n places before the end
            curve[self._at] = np.add.reduceat(born[self._what], self._groups)
            np.cumsum(curve, out=curve)
        return np.maximum.reduceat(curve, self._starts)


def _joined(columns: Iterable[Ints]) -> Ints:
    found = list(columns)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
