"""A kernel: rows that run together, and the memory that crosses its border."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from oracle.counting.traffic import reads_of
from oracle.optable import OpTable, Use, equal

__all__ = ["ANCHORS", "Kernel", "all_producers", "assemble", "live_rows", "main_row", "producer_rows"]

Producers = Sequence[Sequence[int]]
"""For each row of a table, the rows that made what it reads."""

ANCHORS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul", "attention"})
"""Classes that a fused kernel is built around, and named after."""

_RESIDENT = frozenset({"parameter", "buffer", "constant", "state", "gradient", "cache", "shared", "accumulated"})


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
    """Rows that made what a row really reads, ascending."""
    values, producers = table.values, set()
    for use in reads_of(table.rows[index]):
        value = use.value
        while value >= 0:  # as `OpTable.lineage` has it
            _, producer, value = values[value]
            if producer >= 0:
                producers.add(producer)
    return sorted(producers)


def all_producers(table: OpTable) -> list[list[int]]:
    """What `producer_rows` says of each row."""
    return [producer_rows(table, index) for index in range(len(table.rows))]


def live_rows(table: OpTable, producers: Producers | None = None) -> set[int]:
    """Rows whose result reaches an output, or memory that outlives the call."""
    known = all_producers(table) if producers is None else producers
    live: set[int] = set()
    stack = [table.values[value].producer for value in _staying(table)]
    while stack:
        row = stack.pop()
        if row >= 0 and row not in live:
            live.add(row)
            stack.extend(known[row])
    return live


def _staying(table: OpTable) -> set[int]:
    """Values that are there after the call: its outputs, and what memory that outlives it holds in the end."""
    last = {value.storage: index for index, value in enumerate(table.values)}
    resident = {index for storage, index in last.items() if table.storages[storage].kind in _RESIDENT}
    return {part for value in resident | table.outputs for part in table.lineage(value)}


def assemble(
    table: OpTable,
    groups: Iterable[Sequence[int]],
    *,
    producers: Producers | None = None,
    folded: Collection[int] = (),
    dropped: Mapping[int, Collection[int]] | None = None,
) -> tuple[Kernel, ...]:
    """Kernels from groups of rows, in order of execution.

    Args:
        table: the operators.
        groups: rows of each kernel; together they must not form a cycle.
        producers: what `all_producers` says, if it was requested already.
        folded: rows whose arithmetic is gone.
        dropped: row -> values it no longer reads (a folded norm's statistics).
    """
    groups = [sorted(group) for group in groups]
    owner = {row: number for number, group in enumerate(groups) for row in group}
    readers = _outside_readers(table, owner)
    kernels = [_kernel(table, group, owner, readers, folded, dropped or {}) for group in groups]
    return tuple(
        kernels[number] for number in _order(groups, owner, all_producers(table) if producers is None else producers)
    )


def _outside_readers(table: OpTable, owner: Mapping[int, int]) -> list[set[int]]:
    """For each value, the kernels that read it; -1 stands for the world after the call."""
    readers: list[set[int]] = [set() for _ in table.values]
    for row, number in owner.items():
        for use in reads_of(table.rows[row]):
            for value in table.lineage(use.value):
                readers[value].add(number)
    for value in _staying(table):
        readers[value].add(-1)
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
    rows, values, storages = table.rows, table.values, table.storages
    reads: dict[Any, tuple[int, Use]] = {}
    writes: list[tuple[int, Use]] = []
    for row in group:
        gone = dropped.get(row, ())
        for use in reads_of(rows[row]):
            value = use.value
            while value >= 0:
                storage, producer, base = values[value]
                if producer not in inside and value not in gone:
                    seen = use if value == use.value else use._replace(value=value)
                    whole = equal(use.elements, storages[storage].elements)  # however a view may shape it
                    reads.setdefault(value if whole else seen.memory, (row, seen))
                    break  # what came before it is in the same memory
                value = base
        for use in rows[row].writes:
            outside = readers[use.value]
            if len(outside) > 1 or (outside and number not in outside):
                writes.append((row, use))
    return Kernel(
        tuple(group),
        main_row(table, group),
        tuple(reads.values()),
        tuple(writes),
        tuple(row for row in group if row in folded),
    )


def main_row(table: OpTable, rows: Sequence[int]) -> int:
    """The row that a kernel is named after: its first contraction, else its first row."""
    return next((row for row in rows if table.rows[row].op_class in ANCHORS), rows[0])


def _order(groups: Sequence[Sequence[int]], owner: Mapping[int, int], producers: Producers) -> list[int]:
    """Topological order; among kernels that could run, the one whose first row comes first."""
    waits: list[set[int]] = [set() for _ in groups]
    unlocks: list[list[int]] = [[] for _ in groups]
    for number, group in enumerate(groups):
        for row in group:
            for producer in producers[row]:
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
