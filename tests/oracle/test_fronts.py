from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle._fronts import layers, non_dominated
from oracle.errors import ConfigError

# So few values that ties and equal candidates abound.
VALUES = st.integers(0, 5) | st.sampled_from([0.5, math.inf, -math.inf, 2**60, 2**60 + 1])


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[list[Any]], list[bool]]:
    """Columns and which to maximise."""
    count = draw(st.integers(1, 5))
    rows = draw(st.lists(st.tuples(*[VALUES] * count), min_size=1, max_size=30))
    flags = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return [list(column) for column in zip(*rows, strict=True)], flags


def dominates(a: tuple[Any, ...], b: tuple[Any, ...], maximise: list[bool]) -> bool:
    better = [x > y if flip else x < y for x, y, flip in zip(a, b, maximise, strict=True)]
    worse = [x < y if flip else x > y for x, y, flip in zip(a, b, maximise, strict=True)]
    return any(better) and not any(worse)


def as_columns(columns: list[list[Any]]) -> list[Any]:
    """Integers stay integers where a column has no floats: float64 could not tell 2**60 from the next."""
    return [
        np.array(column, dtype=np.int64 if all(isinstance(v, int) for v in column) else np.float64)
        for column in columns
    ]


@given(problems())
def test_fronts_are_those_of_two_loops(problem: tuple[list[list[Any]], list[bool]]) -> None:
    columns, maximise = problem
    arrays = as_columns(columns)
    rows = list(zip(*(array.tolist() for array in arrays), strict=True))

    found = non_dominated(arrays, maximise)

    assert found.tolist() == [not any(dominates(other, row, maximise) for other in rows) for row in rows]


@given(problems(), st.integers(0, 4))
def test_layers_are_fronts_of_the_rest(problem: tuple[list[list[Any]], list[bool]], count: int) -> None:
    columns, maximise = problem
    arrays = as_columns(columns)
    rows = list(zip(*(array.tolist() for array in arrays), strict=True))
    left, expected = set(range(len(rows))), [-1] * len(rows)
    for layer in range(count):
        front = {i for i in left if not any(dominates(rows[j], rows[i], maximise) for j in left)}
        left -= front
        for i in front:
            expected[i] = layer

    assert layers(arrays, maximise, count).tolist() == expected


def by_loop(columns: Any) -> Any:
    """All against each, in numpy, everything minimised."""
    found = np.ones(columns.shape[1], dtype=bool)
    for i, row in enumerate(columns.T[:, :, None]):
        found[i] = not ((columns <= row).all(axis=0) & (columns < row).any(axis=0)).any()
    return found


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", ["cube", "sphere", "coarse"])
def test_many_candidates(count: int, shape: str) -> None:
    rng = np.random.default_rng(8)
    columns = rng.random((count, 5000))
    if shape == "sphere":  # all on the front
        columns /= np.linalg.norm(columns, axis=0)
        columns[:, ::7] *= 1.5  # but these
        columns *= -1
        columns[:, ::7] *= 1 / 1.5**2
    if shape == "coarse":
        columns = np.floor(columns * 30)

    found = non_dominated(list(columns))

    assert (found == by_loop(columns)).all()
    assert (found.sum() > 2000) == (shape == "sphere")


def test_latency_and_accuracy() -> None:
    latency = [1.0, 2.0, 2.0, 3.0, 4.0]
    accuracy = [50, 70, 60, 70, 80]

    assert non_dominated([latency, accuracy], [False, True]).tolist() == [True, True, False, False, True]


def test_equal_candidates_share_the_front() -> None:
    assert non_dominated([[1, 1, 2], [1, 1, 2], [1, 1, 2]]).tolist() == [True, True, False]


def test_a_candidate_without_a_number_is_on_no_front() -> None:
    assert layers([[1.0, math.nan, 0.0], [1.0, 0.0, math.nan]], count=3).tolist() == [0, -1, -1]


def test_no_candidates_no_front() -> None:
    assert non_dominated([[], []]).tolist() == []


@pytest.mark.parametrize(
    ("columns", "maximise", "words"),
    [
        ([], None, "at least one"),
        ([[1, 2], [1]], None, "one length"),
        ([[[1], [2]]], None, "one dimension"),
        ([[1, 2], [1, 2]], [True], "one flag for each of 2"),
    ],
)
def test_objectives_that_do_not_fit(columns: Any, maximise: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        non_dominated(columns, maximise)
