"""Parts of cells and their tables as the plain data that `oracle.closedform.structural.parts` reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.closedform.structural.parts import Parts
from oracle.closedform.structural.sizes import Size, plain
from oracle.closedform.structural.tables import ENDS
from oracle.optable import OpTable, Row, Shape, Use

_PLAIN = (bool, int, float, str, type(None))


def plain_parts(parts: Parts) -> dict[str, Any]:
    """Parts as plain data: what a member of an archive holds."""
    known: dict[Any, int] = {}
    sizes: list[Any] = []

    def size(value: Size) -> Any:
        """An int, or where the polynomial stands among all."""
        if isinstance(value, int):
            return value
        if value not in known:
            known[value] = len(sizes)
            sizes.append(plain(value))
        return str(known[value])

    tables = [
        {
            "key": key,
            **plain_table(part.table, size),
            "guards": [[name, size(a), size(b)] for name, a, b in part.guards],
            "output": [[*map(size, part.output)], part.output_format, part.input_gradient],
            "pycls": [*map(size, part.pycls)],
        }
        for key, part in parts.items()
    ]
    return {"sizes": sizes, "parts": tables}


def plain_table(table: OpTable, size: Callable[[Any], Any]) -> dict[str, Any]:
    """A table as plain data for JSON, sizes through a function; without calls of modules and functions."""

    def tree(value: Any) -> Any:
        if isinstance(value, Shape):
            return {"s": [size(item) for item in value]}
        if isinstance(value, tuple):
            return [tree(item) for item in value]
        return value if isinstance(value, _PLAIN) else {"d": size(value)}

    def use(seen: Use) -> list[Any]:
        return [seen.value, [*map(size, seen.shape)], [*map(size, seen.stride)], size(seen.offset), seen.dtype]

    def row(one: Row) -> list[Any]:
        kwargs = {name: tree(value) for name, value in one.kwargs.items()}
        ends = [[*map(use, one.reads)], [*map(use, one.writes)]]
        return [*one[:7], tree(one.args), kwargs, tree(one.out), *ends, one.pointwise]

    return {
        "rows": [*map(row, table.rows)],
        "values": [*map(list, table.values)],
        "storages": [[size(s.elements), s.dtype, s.kind, s.requires_grad] for s in table.storages],
        "outputs": sorted(table.outputs),
        "ends": [getattr(table, name) for name in ENDS],
    }
