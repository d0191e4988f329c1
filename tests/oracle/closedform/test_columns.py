"""Columns, and their distinct rows, against numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oracle.closedform.columns import CONSTANT, Columns, Distinct, Known

_ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([8, 16, 24]), st.integers(5, 6)), min_size=1, max_size=60)


def columns(rows: list[tuple[int, ...]]) -> Columns:
    arrays = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    return Columns([f"c{number}" for number in range(len(arrays))], arrays, len(rows))


@given(_ROWS)
def test_distinct_rows_are_those_of_numpy(rows: list[tuple[int, int, int]]) -> None:
    asked = columns(rows)
    found = asked.distinct()
    kinds = len(set(rows))
    if found is None:  # too many for it to pay
        assert 2 * kinds > len(rows) or 16 * len(rows) < 4 * 3 * 2
        return
    assert len(found.first) == kinds
    for array in asked.values:
        assert np.array_equal(array[found.first][found.inverse], array)


@given(_ROWS)
def test_distinct_rows_of_some_columns(rows: list[tuple[int, int, int]]) -> None:
    asked = columns(rows * 3)
    found = asked.distinct(frozenset([0, 2]))
    assert found is not None or 16 * len(asked) < 4 * 2 or 2 * len({(a, c) for a, _, c in rows}) > len(asked)
    if found is not None:
        assert len(found.first) == len({(a, c) for a, _, c in rows})
        for number in (0, 2):
            assert np.array_equal(asked.values[number][found.first][found.inverse], asked.values[number])


@given(_ROWS, st.data())
def test_distinct_rows_of_some_rows(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    asked = columns(rows * 4)
    inside = np.array(sorted(data.draw(st.sets(st.integers(0, len(asked) - 1), min_size=1))), dtype=np.int64)
    part = asked.rows(inside)
    found = part.distinct(frozenset([0, 1]))
    pairs = np.stack([asked.values[0][inside], asked.values[1][inside]])
    kinds = np.unique(pairs, axis=1)
    assert found is not None or 2 * kinds.shape[1] > len(part) or 16 * len(part) < 4 * 3
    if found is not None:
        assert np.array_equal(pairs[:, found.first], kinds)
        assert np.array_equal(kinds[:, found.inverse], pairs)


def test_what_is_known_of_arrays_is_found_once() -> None:
    known, array = Known(), np.array([8, 8, 16, 16, 16])
    first, second = Columns("a", [array], 5, known), Columns("bc", [3, array], 5, known)
    assert first.distinct() is second.distinct()
    assert Columns("a", [array.copy()], 5, known).distinct() is not first.distinct()


def test_the_column_that_an_array_equals() -> None:
    asked = Columns("abc", [7, np.array([1, 2]), np.array([2, 1])], 2)
    assert (asked.place(np.array([2, 1])), asked.place(np.array([7, 7])), asked.place(7)) == (2, None, None)


def test_values_that_spread_too_far_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert Columns("abc", [rng.integers(0, 2**40, size=100) for _ in range(3)], 100).distinct() is None


def test_twins_are_columns_with_the_same_entries() -> None:
    first = np.array([1, 2, 3])
    asked = Columns("abcdefg", [7, first, np.array([2, 2, 2]), first, first.copy(), np.array([1, 3, 2]), 9], 3)
    assert asked.twins == (CONSTANT, 1, CONSTANT, 1, 1, 5, CONSTANT)
    assert asked.spans == ((7, 7), (1, 3), (2, 2), (1, 3), (1, 3), (1, 3), (9, 9))
    assert asked.row(1) == {"a": 7, "b": 2, "c": 2, "d": 2, "e": 2, "f": 3, "g": 9}
    assert asked.rows(np.array([0, 2])).row(1) == asked.row(2)


@given(_ROWS, st.data())
def test_members_are_the_rows_of_the_chosen_kinds(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    first, inverse = np.unique(np.array(rows), axis=0, return_index=True, return_inverse=True)[1:]
    found = Distinct(first, inverse.reshape(-1))
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, len(first) - 1)))), dtype=np.int64)
    where, take = found.members(chosen)
    assert np.array_equal(where, np.flatnonzero(np.isin(found.inverse, chosen)))
    assert np.array_equal(chosen[take], found.inverse[where])
