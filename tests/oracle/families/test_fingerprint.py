from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict, list_networks, load_cfg
from oracle.families import to_spec
from oracle.families.fingerprint import Fingerprints, Seen, fingerprint, fingerprints, first_of_each
from oracle.families.many import population_of
from oracle.families.population import Population
from oracle.spec import CellSpec, NetSpec
from tests.programs import printed as printed_by

# So few cells, shapes and values that many networks are equal, and many differ in one thing only.
CELLS = st.builds(
    CellSpec.make,
    st.sampled_from(["a", "b"]),
    w_in=st.integers(0, 2),
    w_out=st.integers(0, 2),
    flag=st.booleans(),
    word=st.sampled_from(["relu", "silu"]),
    eps=st.sampled_from([0.1, 0.2]),
)
NETS = st.builds(NetSpec, st.lists(CELLS, max_size=3).map(tuple), st.sampled_from([(3, 1, 2), (3, 2, 1), (3, 2, 2)]))


def printed(nets: list[NetSpec]) -> list[tuple[int, ...]]:
    return [tuple(column) for column in fingerprints(Population.of(nets)).T.tolist()]


@given(st.lists(NETS, min_size=1, max_size=20))
def test_prints_are_equal_where_networks_are(nets: list[NetSpec]) -> None:
    prints = printed(nets)

    for one, mark in zip(nets, prints, strict=True):
        assert printed([one]) == [mark]  # whatever company it is in
        for other, another in zip(nets, prints, strict=True):
            assert (one == other) == (mark == another)
            assert (one == other) == (mark[0] == another[0])
            assert (one == other) == (mark[1] == another[1])


@given(st.lists(NETS, min_size=1, max_size=5))
def test_plain_integers_find_the_same(nets: list[NetSpec]) -> None:
    nets += [NetSpec((cell,) * 5, net.input_shape) for net in nets for cell in net.cells[:1]]
    nets += [to_spec(load_cfg(name)) for name in ("RegNetY-400MF", "ViT-S-16")]
    assert [fingerprint(net) for net in nets] == printed(nets)


def test_the_order_of_cells_matters() -> None:
    a, b = CellSpec.make("a", w_in=8), CellSpec.make("a", w_in=16)
    chains = [(a, b), (b, a), (a, a, b), (a, b, b), (b, a, a), (a,), (a, a), ()]

    assert len(set(printed([NetSpec(chain, (3, 8, 8)) for chain in chains]))) == len(chains)


def test_long_chains_that_swap_two_patterns_differ() -> None:
    # Thue and Morse's sequence and its complement, which polynomial hashes modulo 2**64 cannot tell apart.
    cells = [CellSpec.make("a", w_in=8), CellSpec.make("a", w_in=16)]
    bits = [position.bit_count() % 2 for position in range(2048)]
    pair = [tuple(cells[bit ^ flip] for bit in bits) for flip in (0, 1)]

    assert len(set(printed([NetSpec(chain, (3, 8, 8)) for chain in pair]))) == 2


def test_a_network_has_one_print_however_it_is_put_together() -> None:
    base = {
        "MODEL": {"TYPE": "anynet"},
        "ANYNET": {"STEM_W": 16, "BLOCK_TYPE": "vanilla_block", "WIDTHS": [16, 16, 16], "STRIDES": [1, 1, 1]},
    }
    depths = [[1, 1, 4], [4, 1, 1], [2, 2, 2], [1, 3, 2], [1, 3, 3]]
    population, _, _ = population_of(cfg_from_dict(base), {"ANYNET.DEPTHS": np.array(depths)})
    prints = [tuple(column) for column in fingerprints(population).T.tolist()]

    assert len(set(prints[:4])) == 1
    assert prints[4] != prints[0]
    # Folded into one run each, and stage by stage, as specs and as columns.
    assert prints == printed(list(population.specs()))


def test_texts_in_columns_are_those_of_single_networks() -> None:
    norm = {"bn_eps": 1e-5, "bn_momentum": 0.1}
    archs = ["|none~0|", "|skip_connect~0|", "|none~0|", "|avg_pool_3x3~0|"]
    cells = [CellSpec.make("nasbench201_cell", width=8, arch=arch, **norm) for arch in archs]
    nets = [NetSpec((cell,) * 3, (8, 4, 4)) for cell in cells]
    prints = fingerprints(Population.of(nets))

    assert [tuple(int(word) for word in column) for column in prints.T] == [fingerprint(net) for net in nets]
    assert first_of_each(prints).tolist() == [0, 1, 3]


def test_shipped_networks_all_differ() -> None:
    nets = [to_spec(load_cfg(name)) for name in list_networks()]
    images, tokens = ([net for net in nets if len(net.input_shape) == rank] for rank in (3, 1))

    assert len(set(printed(images) + printed(tokens))) == len(set(nets))


def test_every_process_finds_the_same() -> None:
    code = (
        "from oracle.config import load_cfg; from oracle.families import to_spec;"
        "from oracle.families.fingerprint import fingerprints;"
        "from oracle.families.population import Population;"
        "print(fingerprints(Population.of([to_spec(load_cfg('ResNet-50'))])).tolist())"
    )
    answers = {printed_by(code, PYTHONHASHSEED=seed) for seed in ("1", "2")}

    assert answers == {str(fingerprints(Population.of([to_spec(load_cfg("ResNet-50"))])).tolist())}


# First words from so few that they collide without the second ones doing so.
WORDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=40)


def as_prints(pairs: list[tuple[int, int]]) -> Fingerprints:
    return np.asarray(np.array(pairs, dtype=np.uint64).reshape(-1, 2).T)


@given(WORDS)
def test_the_first_of_equals_is_kept(pairs: list[tuple[int, int]]) -> None:
    assert first_of_each(as_prints(pairs)).tolist() == sorted(pairs.index(pair) for pair in set(pairs))


@given(st.lists(WORDS, max_size=12))
def test_what_was_met_before_is_not_new(batches: list[list[tuple[int, int]]]) -> None:
    seen, known = Seen(), set[tuple[int, int]]()
    for pairs in batches:
        new = [number for number, pair in enumerate(pairs) if pair not in known and pair not in pairs[:number]]
        assert seen.add(as_prints(pairs)).tolist() == new
        known |= set(pairs)
        assert len(seen) == len(known)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_many_batches_merge(batch: int) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3000, 5000).astype(np.uint64)
    prints: Any = np.stack([values * np.uint64(2**50), values])
    seen = Seen()

    new = [start + int(row) for start in range(0, 5000, batch) for row in seen.add(prints[:, start : start + batch])]

    assert new == sorted(np.unique(values, return_index=True)[1].tolist())
    assert len(seen) == len(new)
