from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import load_cfg
from oracle.families import to_spec
from oracle.families.population import CellArray, Population
from oracle.spec import CellSpec, NetSpec

CELLS = st.builds(
    CellSpec.make,
    st.sampled_from(["stem", "block"]),
    w_in=st.integers(1, 3),
    flag=st.booleans(),
    eps=st.sampled_from([0.1, 0.2]),
)
NETS = st.builds(
    NetSpec,
    st.lists(CELLS, max_size=5).map(tuple),
    st.integers(1, 2).map(lambda size: (3, size, size)),
    st.sampled_from(["", "one"]),
)


@given(st.lists(NETS, max_size=6))
def test_a_population_holds_what_it_was_made_of(nets: list[NetSpec]) -> None:
    population = Population.of(nets)

    assert population.size == len(nets)
    assert list(population.specs()) == nets
    assert [spec.name for spec in population.specs()] == [net.name for net in nets]


@given(st.lists(NETS, min_size=1, max_size=6), st.data())
def test_parts_of_a_population(nets: list[NetSpec], data: st.DataObject) -> None:
    population = Population.of(nets)
    rows = sorted(data.draw(st.sets(st.integers(0, len(nets) - 1))))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, len(nets)), st.integers(0, len(nets)))))

    taken = population.take(np.array(rows, dtype=np.int64))
    assert list(taken.specs()) == [nets[row] for row in rows]
    for place in taken.places:
        for group in place:
            assert (np.diff(group.rows) > 0).all()
    assert list(population.part(start, stop).specs()) == nets[start:stop]


def test_cells_of_a_part_share_the_columns_that_they_shared() -> None:
    width, rows, ones = np.array([8, 16, 24]), np.arange(3), np.ones(3, dtype=np.int64)
    cells = [CellArray("block", (("w_in", width),), rows, ones), CellArray("head", (("w_out", width),), rows, ones)]
    part = Population(3, (3, 8, 8), tuple((cell,) for cell in cells)).part(1, 3)
    first, second = (dict(place[0].params) for place in part.places)
    assert first["w_in"] is second["w_out"]
    assert first["w_in"].tolist() == [16, 24]


def test_parameters_that_spell_out_graphs_are_columns() -> None:
    archs = ["|none~0|", "|skip_connect~0|", "|none~0|"]
    norm = {"bn_eps": 1e-5, "bn_momentum": 0.1}
    cells = [CellSpec.make("nasbench201_cell", width=8, arch=arch, **norm) for arch in archs]
    nets = [NetSpec((cell, cell), (8, 4, 4)) for cell in cells]
    population = Population.of(nets)

    ((group,),) = population.places
    assert dict(group.params)["arch"].tolist() == archs
    assert list(population.specs()) == nets
    assert list(population.take(np.array([0, 2])).specs()) == [nets[0], nets[2]]
    assert list(population.part(1, 3).specs()) == nets[1:]
    assert type(population.spec(1).cells[0].kwargs["arch"]) is str


def test_equal_cells_in_a_row_are_one_entry() -> None:
    net = to_spec(load_cfg("RegNetX-200MF"))  # 13 blocks in four stages of 1, 1, 4 and 7
    population = Population.of([net])

    assert len(net.cells) == 15
    assert [place[0].counts.tolist() for place in population.places] == [[n] for n in (1, 1, 1, 1, 3, 1, 6, 1)]


@pytest.mark.parametrize("names", [["RegNetX-200MF", "EfficientNet-B0", "ViT-S-16"], ["ResNet-50", "R-56"]])
def test_networks_of_different_families_mix(names: list[str]) -> None:
    nets = [to_spec(load_cfg(name)) for name in names]

    assert list(Population.of(nets).specs()) == nets


def test_candidates_count_from_both_ends() -> None:
    nets = [to_spec(load_cfg(name)) for name in ("R-56", "R-110")]
    population = Population.of(nets)

    assert len(population) == 2
    assert population.spec(-1) == nets[1]
    for row in (2, -3):
        with pytest.raises(IndexError):
            population.spec(row)
