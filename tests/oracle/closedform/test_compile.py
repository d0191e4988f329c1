"""sympy expressions against the programs made of them."""

from __future__ import annotations

import pytest
import sympy
from torch.utils._sympy.functions import FloorDiv, Mod

from oracle.closedform.compile import ProgramBuilder, Term, UnsupportedExpressionError

X, Y = sympy.symbols("x y", positive=True, integer=True)


@pytest.mark.parametrize(
    "expression",
    [
        4 * X * Y + 3 * X**2,
        FloorDiv(X - 1, 2) + 1,
        X * FloorDiv(Y, 3) * 9,
        Mod(X, Y) + sympy.Max(X, Y) - sympy.Min(X, 5),
        sympy.Integer(7),
    ],
)
def test_programs_evaluate_as_sympy_does(expression: sympy.Expr) -> None:
    builder = ProgramBuilder([("x", X), ("y", Y)])
    run_step = builder.add(expression)
    run = builder.program().function([run_step])
    for x, y in ((2, 3), (17, 5), (8, 8), (1, 9)):
        assert run(x, y) == (int(expression.subs({X: x, Y: y})),)


def test_equal_expressions_are_one_step() -> None:
    builder = ProgramBuilder([("x", X), ("y", Y)])
    assert builder.add(X * Y) == builder.add(Y * X)
    before = len(builder.program().steps)
    builder.add(4 * X * Y)  # adds the constant and one product: x*y is there
    assert len(builder.program().steps) == before + 2


def test_relations_keep_their_direction() -> None:
    builder = ProgramBuilder([("x", X), ("y", Y)])
    relations = [*builder.relation(sympy.Gt(X, Y)), *builder.relation(sympy.Ne(X, 4))]
    holds = builder.program().predicate(relations)
    assert [bool(holds(*pair)) for pair in ((3, 2), (2, 3), (4, 1))] == [True, False, False]


def test_what_has_no_closed_form_is_refused() -> None:
    builder = ProgramBuilder([("x", X)])
    for expression in (sympy.sqrt(X), X / 2, sympy.Symbol("z")):
        with pytest.raises(UnsupportedExpressionError):
            builder.add(expression)


def test_terms_do_arithmetic_on_steps() -> None:
    builder = ProgramBuilder([("x", X), ("y", Y)])
    x, y = (builder.term(builder.add(symbol)) for symbol in (X, Y))
    total = (0 + x + 5 - y) * 2
    assert isinstance(total, Term)
    steps = [total.step, x.maximum(y).step, (10 - x).step]
    assert builder.program().function(steps)(3, 4) == (8, 4, 7)
    assert (x + 0).step == x.step
    assert (x - x).step == builder.add(0)
