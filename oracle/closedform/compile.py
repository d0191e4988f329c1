"""sympy -> program: equal subexpressions become one step.

Factors of a product are folded in one fixed order, image size first, so that products of a cell share prefixes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from torch.utils._sympy.functions import CleanDiv, FloorDiv, Max, Min, Mod, PythonMod

from oracle.closedform.program import Program, Step
from oracle.errors import OracleError
from oracle.experts import PACK

__all__ = ["ProgramBuilder", "Term", "UnsupportedExpressionError"]

_DIVISIONS = {FloorDiv: "floordiv", CleanDiv: "floordiv", Mod: "mod", PythonMod: "mod", sympy.Mod: "mod"}
_EXTREMA = {Max: "max", Min: "min", sympy.Max: "max", sympy.Min: "min"}
_RELATIONS = {
    sympy.Eq: ("eq", False),
    sympy.Ne: ("ne", False),
    sympy.StrictLessThan: ("lt", False),
    sympy.LessThan: ("le", False),
    sympy.StrictGreaterThan: ("lt", True),
    sympy.GreaterThan: ("le", True),
}


class UnsupportedExpressionError(OracleError):
    """An expression that programs cannot hold; the cell is traced concretely instead."""


class Term:
    """A step that can be added, subtracted, and multiplied by an int: runs counting code on expressions."""

    def __init__(self, builder: ProgramBuilder, step: int) -> None:
        self.builder = builder
        self.step = step

    def _with(self, operation: str, other: Any, swapped: bool = False) -> Term:
        step = other.step if isinstance(other, Term) else self.builder.add(int(other))
        pair = (step, self.step) if swapped else (self.step, step)
        return Term(self.builder, self.builder.combine(operation, *pair))

    def __add__(self, other: Any) -> Term:
        return self._with("add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Term:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Term:
        return self._with("sub", other, swapped=True)

    def __mul__(self, other: Any) -> Term:
        return self._with("mul", other)

    __rmul__ = __mul__

    def maximum(self, other: Any) -> Term:
        """The larger of two sizes."""
        return self._with("max", other)


class ProgramBuilder:
    """Collects expressions over given symbols."""

    def __init__(self, symbols: Sequence[tuple[str, Any]]) -> None:
        self._names = tuple(name for name, _ in symbols)
        self._steps: list[Step] = []
        self._numbers: dict[Step, int] = {}
        self._known: dict[Any, int] = {symbol: self._step("symbol", i, 0) for i, (_, symbol) in enumerate(symbols)}

    def add(self, expression: Any) -> int:
        """The step that computes an int or a sympy expression.

        Raises:
            UnsupportedExpressionError: an unknown symbol or function.
        """
        if isinstance(expression, int):
            return self._step("const", expression, 0)
        if expression not in self._known:
            self._known[expression] = self._convert(expression)
        return self._known[expression]

    def term(self, step: int) -> Term:
        """A number that stands for a step in arithmetic."""
        return Term(self, step)

    def combine(self, operation: str, a: int, b: int) -> int:
        """The step that applies an operation to two others; adding or subtracting nothing makes no step."""
        nothing = self._step("const", 0, 0)
        if b == nothing and operation in ("add", "sub"):
            return a
        if a == nothing and operation == "add":
            return b
        if nothing in (a, b) and operation == "mul":
            return nothing
        if a == b and operation in ("max", "sub"):
            return a if operation == "max" else nothing
        if operation == "max" and nothing in (a, b):  # sizes are never negative
            return a if b == nothing else b
        return self._step(operation, a, b)

    def total(self, steps: Iterable[int]) -> int:
        """The step that adds up others."""
        return reduce(lambda a, b: self.combine("add", a, b), steps, self.add(0))

    def relation(self, expression: Any) -> list[tuple[str, int, int]]:
        """The relations that a boolean expression stands for, all of which must hold."""
        if isinstance(expression, sympy.And):
            return [relation for term in expression.args for relation in self.relation(term)]
        if isinstance(expression, sympy.Not):
            return self.relation(sympy.Not(expression.args[0]).simplify())
        for kind, (name, swapped) in _RELATIONS.items():
            if isinstance(expression, kind):
                left, right = (self.add(side) for side in expression.args)
                return [(name, right, left) if swapped else (name, left, right)]
        raise UnsupportedExpressionError(f"guard {expression} is no relation of integers")

    def program(self) -> Program:
        """What was collected."""
        return Program(self._names, tuple(self._steps))

    def _step(self, operation: str, a: int, b: int) -> int:
        step = (operation, a, b)
        if step not in self._numbers:
            self._numbers[step] = len(self._steps)
            self._steps.append(step)
        return self._numbers[step]

    def _convert(self, expression: Any) -> int:
        if expression.is_Integer:
            return self._step("const", int(expression), 0)
        if expression.is_Add or expression.is_Mul:
            return self._fold("add" if expression.is_Add else "mul", expression.args)
        if expression.is_Pow and expression.exp.is_Integer and 0 < expression.exp <= 8:
            return self._fold("mul", (expression.base,) * int(expression.exp))
        for table in (_DIVISIONS, _EXTREMA):
            operation = table.get(type(expression))
            if operation is not None:
                return self._fold(operation, expression.args, keep_order=operation in ("floordiv", "mod"))
        if isinstance(expression, AppliedUndef) and expression.func.__name__ == "reached":
            experts, chosen, tokens = map(self.add, expression.args)
            pair = self.combine("add", self.combine("mul", experts, self.add(PACK)), chosen)
            return self._step("reached", pair, tokens)
        raise UnsupportedExpressionError(f"{expression} has no closed form in integers")

    def _fold(self, operation: str, terms: Sequence[Any], keep_order: bool = False) -> int:
        numbers = [self.add(term) for term in terms]
        if not keep_order:
            # Constants last: `n h w c` is then shared by `4 n h w c` and `2 n h w c`.
            numbers.sort(key=lambda number: (self._steps[number][0] == "const", number))
        total = numbers[0]
        for number in numbers[1:]:
            total = self._step(operation, total, number)
        return total
