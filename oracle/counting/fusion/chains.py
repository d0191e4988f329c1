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
    table: OpTable,
    rows: Iterable[int],
    producers: Producers,
    merged: Collection[str] = CHAINED,
    alone: Collection[str] = (),
) -> list[list[int]]:
    """Merge producers and consumers where no kernel has to run between them.

    Each row gets a level: how many borders lie on the longest path to it. A mergeable row joins the mergeable
    producers of its own level; as every path between rows of a level stays inside it, no cycle can arise. A cell's
    levels start above those of everything before it, so that a cell fuses alike alone and in its network.

    Args:
        table: the operators.
        rows: those that run.
        producers: what `all_producers` says.
        merged: the classes that merge.
        alone: operators of these classes that do not.
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
        return row.op_class in merged and row.name not in _ALONE and row.name not in alone

    for index in sorted(known):
        row = table.rows[index]
        parent[index] = index
        here = row.cell, row.phase
        if here not in floors:
            floors[here] = max(level.values(), default=-1) + 1
        before = [producer for producer in producers[index] if producer in known]
        partners = set()
        if joins(row):
            others = ((producer, table.rows[producer]) for producer in before)
            partners = {at for at, other in others if joins(other) and (other.cell, other.phase) == here}
        level[index] = max([floors[here], *(level[producer] + (producer not in partners) for producer in before)])
        for producer in partners:
            if level[producer] == level[index]:
                parent[find(producer)] = find(index)
    groups: dict[int, list[int]] = {}
    for index in parent:
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())
