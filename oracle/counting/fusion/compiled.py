"""Compiled: chains of pointwise, norm, softmax and reduction operators merge; the rest stays."""

from __future__ import annotations

from oracle.counting.fusion.kernel import Kernel, all_producers, assemble, live_rows
from oracle.optable import OpTable, Row

__all__ = ["compiled"]

_MERGED = frozenset({"norm", "activation", "elementwise", "softmax", "reduction", "copy", "embedding"})
_ALONE = frozenset(f"aten.{name}" for name in "sort topk kthvalue median mode cumsum cumprod".split())


def compiled(table: OpTable) -> tuple[Kernel, ...]:
    """Merge producers and consumers where no kernel has to run between them.

    Each row gets a level: how many borders lie on the longest path to it. A mergeable row joins the mergeable
    producers of its own level; as every path between rows of a level stays inside it, no cycle can arise. A cell's
    levels start above those of everything before it, so that a cell fuses alike alone and in its network.
    """
    known = all_producers(table)
    live = live_rows(table, known)
    level: dict[int, int] = {}
    parent: dict[int, int] = {}
    floors: dict[tuple[int, str], int] = {}

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for index, row in enumerate(table.rows):
        if index not in live:
            continue
        parent[index] = index
        producers = [producer for producer in known[index] if producer in live]
        joins = _joins(row)
        floor = floors.get((row.cell, row.phase))
        if floor is None:
            floor = floors[row.cell, row.phase] = max(level.values(), default=-1) + 1
        level[index] = max(
            (level[p] + (not (joins and _together(table.rows[p], row))) for p in producers), default=floor
        )
        level[index] = max(level[index], floor)
        if joins:
            for producer in producers:
                if level[producer] == level[index] and _together(table.rows[producer], row):
                    parent[find(producer)] = find(index)
    groups: dict[int, list[int]] = {}
    for index in parent:
        groups.setdefault(find(index), []).append(index)
    return assemble(table, groups.values(), producers=known)


def _joins(row: Row) -> bool:
    return row.op_class in _MERGED and row.name not in _ALONE


def _together(producer: Row, row: Row) -> bool:
    return _joins(producer) and (producer.cell, producer.phase) == (row.cell, row.phase)
