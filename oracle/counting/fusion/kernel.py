"""A kernel: rows that run together, and the memory that crosses its border."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from oracle.counting.traffic import reads_of
from oracle.optable import OpTable, Use

__all__ = ["ANCHORS", "Kernel", "assemble", "live_rows", "producer_rows"]

ANCHORS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul", "attention"})
"""Classes that a fused kernel is built around, and named after."""


class Kernel(NamedTuple):
    """Rows that one launch executes.

    Attributes:
        rows: indices into the table, ascending.
        main: the row it is named after: its first contraction, else its first row.
        reads, writes: (row, use) pairs that cross its border, each tensor once.
        folded: those of `rows` whose arithmetic went into the weights.
    """

    rows: tuple[int, ...]
    main: int
    reads: tuple[tuple[int, Use], ...]
    writes: tuple[tuple[int, Use], ...]
    folded: tuple[int, ...] = ()


def producer_rows(table: OpTable, index: int) -> list[int]:
    """Rows that made what a row really reads."""
    found = (table.values[use.value].producer for use in reads_of(table.rows[index]))
    return sorted({producer for producer in found if producer >= 0})


def live_rows(table: OpTable) -> set[int]:
    """Rows whose result reaches an output, or memory that outlives the call."""
    kept = {index for index, value in enumerate(table.values) if value.producer >= 0 and _stays(table, index)}
    live: set[int] = set()
    stack = [table.values[index].producer for index in kept]
    while stack:
        row = stack.pop()
        if row not in live:
            live.add(row)
            stack.extend(producer_rows(table, row))
            # An in-place operator continues what its storage held before, whole or in part.
            stack.extend(
                earlier
                for use in table.rows[row].writes
                for earlier in _earlier_writers(table, use.value)
                if table.rows[row].name in ("aten.copy_", "aten.index_put_")
            )
    return live


def _earlier_writers(table: OpTable, value: int) -> Iterable[int]:
    storage = table.values[value].storage
    return [v.producer for v in table.values[:value] if v.storage == storage and v.producer >= 0]


def _stays(table: OpTable, value: int) -> bool:
    storage = table.storages[table.values[value].storage]
    return value in table.outputs or storage.kind in ("parameter", "buffer", "constant", "state", "gradient")


def assemble(
    table: OpTable,
    groups: Iterable[Sequence[int]],
    *,
    ready: Collection[int] = (),
    folded: Collection[int] = (),
    dropped: Mapping[int, Collection[int]] | None = None,
) -> tuple[Kernel, ...]:
    """Kernels from groups of rows, in order of execution.

    Args:
        table: the operators.
        groups: rows of each kernel; together they must not form a cycle.
        ready: rows that were computed beforehand; their results are weights.
        folded: rows whose arithmetic is gone.
        dropped: row -> values it no longer reads (a folded norm's statistics).
    """
    groups = [sorted(group) for group in groups]
    owner = {row: number for number, group in enumerate(groups) for row in group}
    readers = _outside_readers(table, owner)
    kernels = [_kernel(table, group, owner, readers, folded, dropped or {}) for group in groups]
    return tuple(kernels[number] for number in _order(table, groups, owner, frozenset(ready)))


def _outside_readers(table: OpTable, owner: Mapping[int, int]) -> list[set[int]]:
    """For each value, the kernels that read it."""
    readers: list[set[int]] = [set() for _ in table.values]
    for row, number in owner.items():
        for use in reads_of(table.rows[row]):
            readers[use.value].add(number)
    return readers


def _kernel(
    table: OpTable,
    group: Sequence[int],
    owner: Mapping[int, int],
    readers: Sequence[set[int]],
    folded: Collection[int],
    dropped: Mapping[int, Collection[int]],
) -> Kernel:
    inside = set(group)
    number = owner[group[0]]
    reads: dict[Use, int] = {}
    writes: dict[Use, int] = {}
    for row in group:
        gone = dropped.get(row, ())
        for use in reads_of(table.rows[row]):
            if table.values[use.value].producer not in inside and use.value not in gone:
                reads.setdefault(use, row)
        for use in table.rows[row].writes:
            if readers[use.value] - {number} or _stays(table, use.value):
                writes[use] = row
    main = next((row for row in group if table.rows[row].op_class in ANCHORS), group[0])
    if not writes and len(group) == 1:  # eager runs it although nobody looks
        writes = dict.fromkeys(table.rows[main].writes, main)
    return Kernel(
        tuple(group),
        main,
        tuple((row, use) for use, row in reads.items()),
        tuple((row, use) for use, row in writes.items()),
        tuple(row for row in group if row in folded),
    )


def _order(
    table: OpTable, groups: Sequence[Sequence[int]], owner: Mapping[int, int], ready: Collection[int]
) -> list[int]:
    """Topological order; among kernels that could run, the one whose first row comes first."""
    waits: list[set[int]] = [set() for _ in groups]
    unlocks: list[list[int]] = [[] for _ in groups]
    for number, group in enumerate(groups):
        for row in group:
            for producer in producer_rows(table, row):
                other = owner.get(producer)
                if other is not None and other != number and other not in waits[number]:
                    waits[number].add(other)
                    unlocks[other].append(number)
    counts = [len(others) for others in waits]
    heap = [(group[0], number) for number, group in enumerate(groups) if not counts[number]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, number = heapq.heappop(heap)
        order.append(number)
        for other in unlocks[number]:
            counts[other] -= 1
            if not counts[other]:
                heapq.heappush(heap, (groups[other][0], other))
    return order
