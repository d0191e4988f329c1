"""What of a table decides which rows become a kernel and who lives when: everything but most sizes.

The rules here and in `oracle.counting.memory` ask of two sizes whether they are equal, of a tensor whether it is all
of its storage and whether it is a vector, and nothing else. So two tables that differ only in sizes
that no other operator meets, such as those of their weights, are alike: in the place of each other, among the same
neighbours, they make the same kernels. A 1x1 and a 3x3 convolution are.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from oracle.optable import OpTable, Shape, Use, equal

__all__ = ["likeness"]


def likeness(table: OpTable) -> Hashable:
    """A key that alike tables share.

    Sizes of tensors that have the shape of one at the table's ends are part of it. All others are numbered as they
    appear, and of paddings and windows, which are lists of plain numbers, only the length is. How two tensors are
    laid out is compared in inference only (for zeros), so in training each has layouts of its own.
    """
    training = any(row.phase != "forward" for row in table.rows)
    ends = {table.boundary_in, table.boundary_out, table.grad_in, table.grad_out}
    shared = {
        use.shape for row in table.rows for use in (*row.reads, *row.writes) if table.values[use.value].storage in ends
    }
    numbers: dict[Any, int] = {}

    def token(kind: str, value: Any, shape: tuple[Any, ...]) -> Any:
        return value if shape in shared else numbers.setdefault((kind, value), len(numbers))

    def tree(value: Any) -> Any:
        if isinstance(value, Shape):
            return "shape", token("shape", tuple(value), tuple(value))
        if isinstance(value, tuple):
            lengths = all(type(item) is int for item in value)
            return ("numbers", len(value)) if lengths else tuple(map(tree, value))
        return type(value).__name__, value

    def seen(use: Use) -> Any:
        whole = equal(use.elements, table.storage_of(use).elements)
        vector = sum(size != 1 for size in use.shape) <= 1
        own = use.value if training else -1
        form = token("form", (own, use.shape, use.stride, use.offset), use.shape)
        memory = token("memory", (own, *use.memory[1:]), use.shape)
        return use.value, form, memory, token("shape", use.shape, use.shape), whole, vector, use.dtype

    rows = tuple(
        (
            (row.name, row.op_class, row.phase, row.cell, row.pointwise),
            tuple(map(tree, row.args)),
            tuple((name, tree(value)) for name, value in row.kwargs.items()),
            tree(row.out),
            tuple(map(seen, row.reads)),
            tuple(map(seen, row.writes)),
        )
        for row in table.rows
    )
    storages = tuple((storage.dtype, storage.kind, storage.requires_grad) for storage in table.storages)
    names = ("boundary_in", "boundary_out", "grad_in", "grad_out")
    return rows, table.values, storages, table.outputs, tuple(getattr(table, name) for name in names)
