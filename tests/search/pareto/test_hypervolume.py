from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import ConfigError
from search.pareto import hypervolume

SIDE = 5


@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
def test_volumes_are_counted_in_unit_cubes(count: int, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.tuples(*[st.integers(0, SIDE + 2)] * count), max_size=15))
    columns = [list(column) for column in zip(*points, strict=True)] or [[]] * count
    cubes = sum(
        any(all(p <= c for p, c in zip(point, cube, strict=True)) for point in points)
        for cube in product(range(SIDE), repeat=count)
    )

    assert hypervolume(columns, [SIDE] * count) == pytest.approx(cubes)
    flipped = [[-value for value in columns[0]], *columns[1:]]
    assert hypervolume(flipped, [-SIDE] + [SIDE] * (count - 1), [True] + [False] * (count - 1)) == pytest.approx(cubes)


def test_a_ball_is_approached_from_within() -> None:
    rng = np.random.default_rng(2)
    points: Any = np.abs(rng.standard_normal((3, 3000)))
    points /= np.linalg.norm(points, axis=0)

    inside = hypervolume(list(points), [0, 0, 0], [True] * 3)
    assert inside < math.pi / 6
    assert inside == pytest.approx(math.pi / 6, rel=0.03)


@pytest.mark.parametrize(("count", "reference"), [(1, [1]), (4, [1] * 4), (2, [1, 1, 1])])
def test_other_numbers_of_objectives_are_refused(count: int, reference: list[float]) -> None:
    with pytest.raises(ConfigError, match="two or three"):
        hypervolume([[0.5]] * count, reference)
