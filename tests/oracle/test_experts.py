"""The number of experts that tokens reach, against exact fractions, as an int, as a column and as a closed form."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

from oracle.closedform.compile import ProgramBuilder
from oracle.experts import PACK, reached, reached_of


def _exact(experts: int, chosen: int, tokens: int) -> Fraction:
    return experts * (1 - (1 - Fraction(chosen, experts)) ** tokens)


@pytest.mark.parametrize("experts", [1, 8, 60, 128])
@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 64, 4096])
def test_it_is_the_expectation_to_the_nearest_expert(experts: int, tokens: int) -> None:
    for chosen in {1, min(2, experts), min(8, experts), experts}:
        found = reached(experts, chosen, tokens)
        assert abs(found - _exact(experts, chosen, tokens)) <= Fraction(1, 2)


@pytest.mark.parametrize(("experts", "chosen"), [(8, 2), (60, 4), (128, 8), (32, 4), (7, 3)])
def test_one_token_reaches_those_that_it_chose_and_many_reach_all(experts: int, chosen: int) -> None:
    assert reached(experts, chosen, 1) == chosen
    assert reached(experts, chosen, 10_000_000) == experts


def test_a_tie_is_rounded_up() -> None:
    assert _exact(8, 2, 2) == Fraction(7, 2)
    assert reached(8, 2, 2) == 4


def test_a_column_is_what_its_entries_are() -> None:
    draw = np.random.default_rng(0)
    experts = draw.integers(1, 300, 500)
    chosen, tokens = np.minimum(draw.integers(1, 12, 500), experts), draw.integers(0, 5000, 500)
    column = reached(experts, chosen, tokens)
    assert column.tolist() == [reached(int(e), int(k), int(n)) for e, k, n in zip(experts, chosen, tokens, strict=True)]
    assert reached_of(8 * PACK + 2, tokens).tolist() == [reached(8, 2, int(n)) for n in tokens]


def test_a_program_computes_it_for_ints_and_for_columns() -> None:
    e, k, n = sympy.symbols("e k n", positive=True, integer=True)
    builder = ProgramBuilder([("e", e), ("k", k), ("n", n)])
    step = builder.add(3 * reached(e, k, n) + 1)
    program = builder.program()
    assert program.function([step])(8, 2, 4) == (3 * reached(8, 2, 4) + 1,)
    assert program.scalar((), [step])(8, 2, 4) == (16,)
    tokens = np.array([1, 4, 64])
    assert program.function([step])(8, 2, tokens)[0].tolist() == [7, 16, 25]
    assert program.bounds({"e": 8, "k": 2, "n": 64}, {"e": 8, "k": 2, "n": 1}, [step]) == [25]
