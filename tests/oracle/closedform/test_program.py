"""Programs against Python's own arithmetic."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.closedform.program import Program
from oracle.errors import OracleError

_PYTHON: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "max": max,
    "min": min,
}


@st.composite
def programs(draw: st.DrawFn) -> Program:
    steps = [("symbol", 0, 0), ("symbol", 1, 0), ("const", draw(st.integers(1, 64)), 0)]
    for _ in range(draw(st.integers(1, 8))):
        operation = draw(st.sampled_from(sorted(_PYTHON)))
        a = draw(st.integers(0, len(steps) - 1))
        # Divisors stay positive: symbols and constants are.
        b = draw(st.integers(0, 2 if operation in ("floordiv", "mod") else len(steps) - 1))
        steps.append((operation, a, b))
    return Program(("x", "y"), tuple(steps))


def by_hand(program: Program, x: int, y: int) -> list[int]:
    values: list[int] = []
    for operation, a, b in program.steps:
        if operation == "const":
            values.append(a)
        elif operation == "symbol":
            values.append((x, y)[a])
        else:
            values.append(_PYTHON[operation](values[a], values[b]))
    return values


@given(programs(), st.integers(1, 50), st.integers(1, 50))
def test_function_computes_every_step(program: Program, x: int, y: int) -> None:
    every = range(len(program.steps))
    assert list(program.function(list(every))(x, y)) == by_hand(program, x, y)


@given(programs(), st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_arrays_give_what_ints_give(program: Program, pairs: list[tuple[int, int]]) -> None:
    last = len(program.steps) - 1
    run = program.function([last])
    x, y = (np.array(column, dtype=object) for column in zip(*pairs, strict=True))
    (found,) = run(x, y)
    expected = [by_hand(program, a, b)[last] for a, b in pairs]
    assert list(np.broadcast_to(np.asarray(found, dtype=object), (len(pairs),))) == expected


@given(programs(), st.integers(1, 20), st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_bounds_hold_in_the_box(program: Program, x: int, y: int, dx: int, dy: int) -> None:
    last = len(program.steps) - 1
    (bound,) = program.bounds({"x": x + dx, "y": y + dy}, {"x": x, "y": y}, [last])
    corners = [by_hand(program, a, b)[last] for a in (x, x + dx) for b in (y, y + dy)]
    inner = by_hand(program, x + dx // 2, y + dy // 2)[last]
    assert bound >= max(abs(value) for value in (*corners, inner))


def test_predicate_joins_relations() -> None:
    program = Program(("x",), (("symbol", 0, 0), ("const", 3, 0), ("mod", 0, 1), ("const", 0, 0)))
    divisible_and_above = program.predicate([("eq", 2, 3), ("lt", 1, 0)])
    assert [bool(divisible_and_above(x)) for x in (3, 4, 6)] == [False, False, True]
    assert program.predicate([("eq", 2, 3)])(np.array([3, 4])).tolist() == [True, False]
    assert program.predicate([])(7) is True


@given(programs(), st.integers(1, 50), st.integers(1, 50))
def test_a_function_of_ints_says_the_same_before_and_after_it_is_compiled(program: Program, x: int, y: int) -> None:
    every = range(len(program.steps))
    run = program.scalar([("lt", 0, 1)], list(every))
    expected = tuple(by_hand(program, x, y)) if x < y else None
    assert [run(x, y) for _ in range(12)] == [expected] * 12


@given(programs(), st.integers(1, 50), st.integers(1, 50))
def test_what_is_packed_follows_as_bytes(program: Program, x: int, y: int) -> None:
    every = range(len(program.steps))
    run = program.scalar([], [0], list(every))
    values = by_hand(program, x, y)
    if max(map(abs, values)) < 2**63:
        assert [run(x, y) for _ in range(12)] == [(x, np.array(values, dtype=np.int64).tobytes())] * 12
    else:
        for _ in range(12):
            with pytest.raises(struct.error):
                run(x, y)
    assert program.scalar([], [0], [])(x, y) == (x, b"")


def test_what_a_relation_rules_out_may_divide_by_zero() -> None:
    program = Program(("x",), (("symbol", 0, 0), ("const", 0, 0), ("floordiv", 0, 0), ("const", -3, 0), ("mul", 2, 3)))
    run = program.scalar([("lt", 1, 0)], [4])
    assert [run(x) for x in (0, 5) * 8] == [None, (-3,)] * 8


def test_long_sums_are_written_in_several_lines() -> None:
    steps = [("symbol", 0, 0), *(("add", number, 0) for number in range(1000))]
    assert Program(("x",), tuple(steps)).function([1000])(7) == (7007,)


@pytest.mark.parametrize(
    "step",
    [("add", 0, 5), ("add", -1, 0), ("import", 0, 0), ("symbol", 4, 0), ("mul", "0", 0), ("const", "os", 0)],
)
def test_a_broken_step_is_refused(step: tuple[str, int, int]) -> None:
    with pytest.raises(OracleError, match="step 1"):
        Program(("x",), (("symbol", 0, 0), step))
