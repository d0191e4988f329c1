"""Chains of operators that one kernel runs, found by levels."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from oracle.counting.fusion.kernel import Producers
from oracle.optable import OpTable, Row

__all__ = ["CHAINED", "merged_groups"]

CHAINED = frozenset({"norm", "activation", "elementwise", "softmax", "reduction", "copy", "embedding"})
"""Classes that compilers merge."""

_ALONE = frozenset(f"aten.{name}" for name in "sort topk kthvalue median mode cumsum cumprod".split())


def merged_groups(
    table: OpTable, rows: Iterable[int], producers: Producers, merged: Collection[str] = CHAINED
) -> list[list[int]]:
    """Merge producers and consumers where no kernel has to run between them.

    Each row gets a level: how many borders lie on the longest path to it. A mergeable row joins the mergeable
    producers of its own level; as every path between rows of a level stays inside it, no cycle can arise. A cell's
    levels start above those of everything before it, so that a cell fuses alike alone and in its network.

    Args:
        table: the operators.
        rows: those that run, ascending.
        producers: what `all_producers` says.
        merged: the classes that merge.
    """
    level: dict[int, int] = {}
    parent: dict[int, int] = {}
    floors: dict[tuple[int, str], int] = {}
    known = set(rows)

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def joins(row: Row) -> bool:
        return row.op_class in merged and row.name not in _ALONE

    def together(producer: Row, row: Row) -> bool:
        return joins(producer) and (producer.cell, producer.phase) == (row.cell, row.phase)

    for index in sorted(known):
        row = table.rows[index]
        parent[index] = index
        before = [producer for producer in producers[index] if producer in known]
        own = joins(row)
        floor = floors.get((row.cell, row.phase))
        if floor is None:
            floor = floors[row.cell, row.phase] = max(level.values(), default=-1) + 1
        level[index] = max((level[p] + (not (own and together(table.rows[p], row))) for p in before), default=floor)
        level[index] = max(level[index], floor)
        if own:
            for producer in before:
                if level[producer] == level[index] and together(table.rows[producer], row):
                    parent[find(producer)] = find(index)
    groups: dict[int, list[int]] = {}
    for index in parent:
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())
