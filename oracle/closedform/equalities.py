"""Sizes that are equal are written alike in the whole table.

Counting compares shapes (may this addition run in an epilogue? does this copy fill its storage?), and
expressions compare as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sympy

from oracle.optable import OpTable

__all__ = ["equalities", "rewritten"]


def equalities(guards: Iterable[Any], replacements: Mapping[Any, Any]) -> dict[Any, Any]:
    """Symbol -> the expression that it equals, from guards such as Eq(seq_len, (h // 16) * (w // 16))."""
    found: dict[Any, Any] = dict(replacements)
    for guard in guards:
        if isinstance(guard, sympy.Eq):
            for symbol, other in (guard.args, guard.args[::-1]):
                if symbol.is_Symbol and symbol not in found and not other.has(symbol):
                    found[symbol] = other.xreplace(found)
                    break
    return {symbol: other for symbol, other in found.items() if not other.has(*found)}


def rewritten(table: OpTable, equal: Mapping[Any, Any]) -> OpTable:
    """The table with every symbol replaced by what it equals, and sums of products multiplied out."""
    known: dict[Any, Any] = {}

    def dim(size: Any) -> Any:
        if not isinstance(size, sympy.Basic):
            return size
        if size not in known:
            replaced = size.xreplace(equal)
            if replaced.is_Add:  # c * (n - 1) + c is c * n; products stay, so that their factors are shared
                replaced = sympy.expand(replaced)
            known[size] = int(replaced) if replaced.is_Integer else replaced
        return known[size]

    found = table.mapped(dim)
    # What was read in two ways that turn out to be equal is read once.
    rows = tuple(row._replace(reads=tuple(dict.fromkeys(row.reads))) for row in found.rows)
    return replace(found, rows=rows)
