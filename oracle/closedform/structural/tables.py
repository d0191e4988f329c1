"""Operator tables from plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.optable import OpTable, Row, Shape, Storage, Use, Value

ENDS = ("boundary_in", "boundary_out", "grad_in", "grad_out")


def table_of(plain: dict[str, Any], size: Callable[[Any], Any]) -> OpTable:
    """The table in plain data, sizes through a function; without calls of modules and functions."""

    def tree(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(tree, value))
        if isinstance(value, dict):
            return Shape(map(size, value["s"])) if "s" in value else size(value["d"])
        return value

    def use(seen: list[Any]) -> Use:
        return Use(seen[0], tuple(map(size, seen[1])), tuple(map(size, seen[2])), size(seen[3]), seen[4])

    def row(one: list[Any]) -> Row:
        kwargs = {name: tree(value) for name, value in one[8].items()}
        ends = tuple(map(use, one[10])), tuple(map(use, one[11]))
        name, op_class, module, phase, cell, call, function = one[:7]
        args, out = tree(one[7]), tree(one[9])
        return Row(name, op_class, module, phase, cell, call, function, args, kwargs, out, *ends, one[12])

    return OpTable(
        rows=tuple(map(row, plain["rows"])),
        values=tuple(Value(*value) for value in plain["values"]),
        storages=tuple(Storage(size(one[0]), *one[1:]) for one in plain["storages"]),
        outputs=frozenset(plain["outputs"]),
        calls=(),
        **dict(zip(ENDS, plain["ends"], strict=True)),
    )
