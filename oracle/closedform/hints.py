"""Questions about sizes that are expressions: answered for the cell at hand, and noted as what a template holds for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from torch.utils._sympy.functions import Mod

from oracle.counting.fusion.blocks import decided

__all__ = ["Hints"]


class Hints:
    """The values of symbols.

    Args:
        symbols: names with their expressions.
        values: of the names.

    Attributes:
        guards: what was requested, as relations that hold.
    """

    def __init__(self, symbols: Sequence[tuple[str, Any]], values: Mapping[str, Any]) -> None:
        self._known = {symbol: values[name] for name, symbol in symbols if name in values}
        self.guards: list[Any] = []

    def of(self, size: Any) -> int:
        """A size as a number."""
        return int(size) if isinstance(size, int) else int(size.subs(self._known))

    def decide(self, relation: str, size: Any, number: Any) -> bool:
        """As `oracle.counting.fusion.blocks.decided`, of an expression; what holds becomes a guard."""
        size, number = sympy.sympify(size), sympy.sympify(number)
        holds = decided(relation, self.of(size), self.of(number))
        if size.is_Integer and number.is_Integer:
            return holds
        if relation == "multiple":
            rest = Mod(size, number)
            guard = sympy.Eq(rest, 0) if holds else sympy.Ne(rest, 0)
        else:
            guard = sympy.Lt(size, number) if holds else sympy.Ge(size, number)
        if guard not in (sympy.true, *self.guards):
            self.guards.append(guard)
        return holds
