"""Epilogues beside merged chains: what an epilogue takes out of a chain must not make more memory traffic.

A chain that merges reads what it needs once. An epilogue that takes its first rows saves writing and reading the
anchor's result; it costs where the rest of the chain then reads what the epilogue reads too, or the epilogue's result.
All tensors in question are of one size, that of the anchor's result, so that bytes per element decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from oracle.counting.traffic import reads_of
from oracle.optable import ITEMSIZE, OpTable, Row, equal

__all__ = ["CALLER", "trimmed"]

CALLER = -1
"""Stands among the readers for whoever called the network."""


def trimmed(
    table: OpTable,
    chains: Mapping[int, Sequence[int]],
    groups: Sequence[Sequence[int]],
    readers: Mapping[int, set[int]],
    folds: Callable[[Row], bool],
) -> dict[int, list[int]]:
    """The epilogues, each as long as it costs nothing and waits for no row of the chain that it was taken from.

    Args:
        table: the operators.
        chains: anchor -> the rows of its epilogue.
        groups: rows that merge, as if there were no epilogues.
        readers: for each value, the rows that read it.
        folds: whether a row goes into the anchor's weights, which is always worth it.
    """
    found = {anchor: list(chain) for anchor, chain in chains.items()}
    group = {row: number for number, rows in enumerate(groups) for row in rows}
    while True:
        owner = {row: anchor for anchor, chain in found.items() for row in (anchor, *chain)}
        scan = _Scan(table, groups, group, owner, readers)
        shorter = {
            anchor: max(scan.length(anchor, chain), int(folds(table.rows[chain[0]])))
            for anchor, chain in found.items()
            if chain
        }
        if all(shorter[anchor] == len(found[anchor]) for anchor in shorter):
            return found
        for anchor, length in shorter.items():
            del found[anchor][length:]


class _Scan:
    """Judges epilogues among the others as they are."""

    def __init__(
        self,
        table: OpTable,
        groups: Sequence[Sequence[int]],
        group: Mapping[int, int],
        owner: Mapping[int, int],
        readers: Mapping[int, set[int]],
    ) -> None:
        self._table, self._groups, self._group = table, groups, group
        self._owner, self._readers = owner, readers

    def length(self, anchor: int, chain: Sequence[int]) -> int:
        """How many rows of an epilogue are worth it."""
        for place, row in enumerate(chain):
            if any(self._is_left(producer, row) for producer in self._made_by(row)):
                chain = chain[:place]
                break
        return next((n for n in range(len(chain), 0, -1) if self._cost(anchor, chain, n) <= 0), 0)

    def _is_left(self, producer: int, row: int) -> bool:
        """Whether a row stays in the merged chain that another was in."""
        return producer not in self._owner and self._group.get(producer) == self._group[row]

    def _made_by(self, row: int) -> list[int]:
        values = self._table.values
        return [values[use.value].producer for use in reads_of(self._table.rows[row])]

    def _cost(self, anchor: int, chain: Sequence[int], length: int) -> int:
        """Bytes per element that the first rows of an epilogue cost more than merged."""
        table, taken = self._table, {anchor, *chain[:length]}
        tail, left = chain[length - 1], self._group[chain[length - 1]]
        (result,) = table.rows[tail].writes
        start = table.rows[anchor].writes[0]
        # What reads the result, in the chain that it was taken from, and elsewhere.
        readers = self._readers.get(result.value, set())
        inside = {row for row in readers if self._group.get(row, -1) == left}
        kernels = {self._owner.get(row, -1) if row not in chain else -1 for row in inside}
        written = inside == readers  # it was not, where it was merged
        cost = ITEMSIZE[result.dtype] * (len(kernels) + (written and bool(inside))) - 2 * ITEMSIZE[start.dtype]
        for row in chain[:length]:
            for use in reads_of(table.rows[row]):
                if table.values[use.value].producer in taken or not equal(use.elements, start.elements):
                    continue
                others = self._readers.get(use.value, set()) - taken
                cost += ITEMSIZE[use.dtype] * any(self._group.get(other, -1) == self._group[row] for other in others)
        return cost
