from __future__ import annotations

import numpy as np
import pytest

from search.space import Space, load_space, space_of
from search.study.grid import Grid
from search.study.params import Parameters

SPACES = ["regnetx", "cifar-regnet", "anynet-grid", "effnet-grid", "fbnet", "nasbench201", "ofa"]


def grid_of(space: Space) -> Grid:
    return Grid(Parameters.of(space))


@pytest.mark.parametrize("name", SPACES)
def test_columns_and_places_are_two_ways_to_say_one_thing(name: str) -> None:
    space = load_space(name)
    grid, columns = grid_of(space), space.sample(0, 300)
    places = grid.places(columns)
    again = grid.columns(places)
    for key, column in columns.items():
        assert again[key].tolist() == column.tolist(), key
        assert again[key].dtype == column.dtype, key
    for row in range(0, 300, 37):  # as optuna's parameters have it, one at a time
        config = {key: column[row].tolist() for key, column in columns.items()}
        params = grid.parameters.suggestions(config)
        assert grid.suggestions(places[row]) == params
        assert grid.place(params) == places[row].tolist()
        units = grid.units(places[row : row + 1])[0]
        by_hand = [p.place(params[p.name]) for p in grid.parameters]
        numbers = [not axis.is_word for axis in grid.axes]
        assert units[numbers] == pytest.approx(np.array(by_hand)[numbers], abs=1e-6)


def test_how_many_combinations_there_are() -> None:
    assert grid_of(load_space("nasbench201")).size == 5**6
    assert grid_of(load_space("regnetx")).size == 17 * 32 * 2481 * 1001 * 16
    free = {"REGNET.WM": {"TYPE": "float_sampler", "RAND_TYPE": "uniform", "RANGE": [2, 3], "QUANTIZE": 0}}
    space = space_of({"SETUP": {"SAMPLERS": free, "BASE_CFG": {"MODEL": {"TYPE": "regnet"}}}})
    assert grid_of(space).size is None


def _small() -> Grid:
    samplers = {
        "REGNET.DEPTH": {"TYPE": "grid_sampler", "RANGE": [1, 9], "STEP": 1},
        "REGNET.SE_ON": {"TYPE": "value_sampler", "VALUES": [True, False]},
        "REGNET.STEM_W": {"TYPE": "grid_sampler", "VALUES": [32]},
        "REGNET.WM": {"TYPE": "float_sampler", "RAND_TYPE": "log_uniform", "RANGE": [2, 8], "QUANTIZE": 0},
    }
    return grid_of(space_of({"SETUP": {"SAMPLERS": samplers, "BASE_CFG": {"MODEL": {"TYPE": "regnet"}}}}))


def test_neighbours_by_hand() -> None:
    grid = _small()
    middle = np.array([[4.0, 0.0, 4.0]])  # depth 5 at place 4, squeeze-and-excitation, WM 4
    step = 4.0 ** (1 / 64)  # a part of the range on its logarithmic scale
    assert sorted(map(tuple, grid.neighbours(middle).tolist())) == [
        (3.0, 0.0, 4.0),
        (4.0, 0.0, pytest.approx(4 / step)),
        (4.0, 0.0, pytest.approx(4 * step)),
        (4.0, 1.0, 4.0),
        (5.0, 0.0, 4.0),
    ]
    depths = {depth for depth, word, _ in grid.neighbours(middle, reach=4).tolist() if word == 0}
    assert depths == {0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0}
    corner = grid.neighbours(np.array([[0.0, 1.0, 8.0]]))
    assert (corner >= [0, 0, 2]).all()
    assert (corner <= [8, 1, 8]).all()


def test_distances_by_hand() -> None:
    grid = _small()
    units = grid.units(np.array([[4.0, 0.0, 4.0], [8.0, 1.0, 2.0]]))
    params = {"REGNET.DEPTH": 5, "REGNET.SE_ON": True, "REGNET.WM": 4.0}
    assert grid.distances(units, params) == pytest.approx([0.0, 0.5**2 + 1 + 0.5**2], abs=1e-6)
