"""Distinct rows against numpy's unique."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oracle.closedform.distinct import distinct, members

_ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([8, 16, 24]), st.integers(5, 6)), min_size=1, max_size=60)


@given(_ROWS)
def test_distinct_rows_are_those_of_numpy(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    found = distinct(columns)
    kinds = np.unique(np.stack(columns), axis=1).shape[1]
    if found is None:  # too many for it to pay
        assert 2 * kinds > len(rows) or 16 * len(rows) < 4 * 3 * 2
        return
    assert len(found.first) == kinds
    for column in columns:
        assert np.array_equal(column[found.first][found.inverse], column)


def test_values_that_spread_too_far_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert distinct([rng.integers(0, 2**40, size=100) for _ in range(3)]) is None


@given(_ROWS, st.data())
def test_members_are_the_rows_of_the_chosen_kinds(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    found = distinct(columns)
    count = len(rows) if found is None else len(found.first)
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1)))), dtype=np.int64)
    index, take = members(found, chosen, count)
    everyone = np.arange(len(rows))
    kinds = everyone if found is None else found.inverse
    expected = np.flatnonzero(np.isin(kinds, chosen))
    got = everyone if index is None else index
    assert np.array_equal(got, expected)
    places = np.arange(len(got)) if take is None else take
    assert np.array_equal(chosen[places] if len(chosen) else places, kinds[expected])
