"""Peak memory of many chains at once, runs of equal cells in one step.

`oracle.memory.chain_peak` is the definition; this follows it with arrays. Within a run everything a
cell adds to the next is the same, so the peak of a run lies at its first, second or last cell.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.memory import CellMemory

Ints = NDArray[np.int64]


class _Run(NamedTuple):
    rows: Ints | slice
    counts: Ints
    memory: CellMemory


class ChainMemory:
    """Collects the cells of chains, from first to last, and tells each chain's peak."""

    def __init__(self, size: int, training: bool, held_bytes: int | Ints = 0) -> None:
        self._size = size
        self._training = training
        self._held_bytes = held_bytes
        self._begun = np.zeros(size, dtype=bool)  # which chains have had their first cell
        self._all_begun = False
        self._runs: list[_Run] = []
        self._resident = np.zeros(size, dtype=np.int64)
        self._gradients = np.zeros(size, dtype=np.int64)
        self._forward = np.zeros(size, dtype=np.int64)

    def add(self, rows: Ints | slice, counts: Ints, memory: CellMemory) -> None:
        """Add a run of equal cells to some chains."""
        own = memory.weights + memory.states if self._training else memory.weights
        self._resident[rows] += counts * own
        if self._training:
            self._gradients[rows] += counts * memory.gradients
            self._runs.append(_Run(rows, counts, memory))
        else:  # nothing is kept from one cell to the next but the tensor between them, which is in both
            forward = memory.forward + self._given(rows, counts)
            forward = forward if counts.min(initial=1) > 0 else np.where(counts > 0, forward, 0)
            self._forward[rows] = np.maximum(self._forward[rows], forward)

    def _given(self, rows: Ints | slice, counts: Ints) -> int | Ints:
        """Bytes of the chains' inputs where they are held while later cells run; the first cell counts its own."""
        held = self._held_bytes[rows] if isinstance(self._held_bytes, np.ndarray) else self._held_bytes
        if isinstance(held, int) and not held:
            return 0
        if self._all_begun:
            return held
        later = self._begun[rows] | (counts > 1)
        self._begun[rows] |= counts > 0
        self._all_begun = bool(self._begun.all())
        return np.where(later, held, 0)

    def peak_bytes(self) -> Ints:
        """The peak of every chain."""
        if not self._training:
            return np.asarray(self._resident + self._forward)
        forward, backward, optimizer = self._phases()
        top = np.maximum(np.maximum(forward, backward), self._gradients + optimizer)
        return np.asarray(self._resident + top)

    def flash_bytes(self) -> Ints:
        """What never changes in every chain: the weights in inference, nothing in training."""
        return np.zeros(self._size, dtype=np.int64) if self._training else self._resident

    def _phases(self) -> tuple[Ints, Ints, Ints]:
        forward, backward, optimizer = (np.zeros(self._size, dtype=np.int64) for _ in range(3))
        before = np.zeros(self._size, dtype=np.int64)  # kept by earlier cells, without the tensor entering this one
        later = self._gradients.copy()  # of the cells after this one
        held = np.zeros(self._size, dtype=bool)  # whether the cell before keeps the tensor between them
        for rows, counts, m in self._runs:
            present = counts > 0
            later[rows] -= counts * m.gradients
            own = m.retained + np.where(m.output_retained | m.input_retained, m.input, 0)
            first = m.retained + np.where(held[rows] | m.input_retained, m.input, 0)
            start = before[rows]
            for number in (0, 1, counts - 1):
                place: Any = np.minimum(number, np.maximum(counts - 1, 0))
                kept = start + np.where(place > 0, first + (place - 1) * own, 0)
                keeps = np.where(place > 0, m.output_retained, held[rows])
                rest = later[rows] + (counts - 1 - place) * m.gradients
                _raise(forward, rows, kept + np.where(keeps, m.forward_held, m.forward), present)
                _raise(backward, rows, kept + rest + np.where(keeps, m.backward_held, m.backward), present)
            optimizer[rows] += counts * m.optimizer
            before[rows] = np.where(present, start + first + (counts - 1) * own, start)
            held[rows] = np.where(present, m.output_retained, held[rows])
        return forward, backward, optimizer


def _raise(peaks: Ints, rows: Ints | slice, values: Ints, present: NDArray[np.bool_]) -> None:
    peaks[rows] = np.maximum(peaks[rows], np.where(present, values, 0))
