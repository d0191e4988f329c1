from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.fingerprint import fingerprints
from search.space import Space, load_space, space_of
from tests.nightly import examples


def regnets(**changes: Any) -> Space:
    setup: dict[str, Any] = {
        "SAMPLERS": {"REGNET": {"TYPE": "regnet_sampler"}},
        "BASE_CFG": {"MODEL": {"TYPE": "regnet"}},
        "CHUNK_SIZE": 300,
        "NUM_SAMPLES": 1000,
    }
    return space_of({"SETUP": setup | changes})


def grid(**changes: Any) -> Space:
    values = [{"TYPE": "grid_sampler", "VALUES": [1, 2]}, {"TYPE": "grid_sampler", "VALUES": [1, 3, 5]}]
    setup: dict[str, Any] = {
        "SAMPLERS": {
            "ANYNET.DEPTHS": {"TYPE": "list_sampler", "ITEM_SAMPLERS": values},
            "TRAIN.IM_SIZE": {"TYPE": "grid_sampler", "RANGE": [32, 64], "STEP": 16},
            "ANYNET.STEM_W": {"TYPE": "value_sampler", "VALUES": [8, 16]},
        },
        "BASE_CFG": {
            "MODEL": {"TYPE": "anynet"},
            "ANYNET": {"WIDTHS": [16, 32], "STRIDES": [2, 2], "BLOCK_TYPE": "vanilla_block"},
        },
        "CHUNK_SIZE": 7,
    }
    return space_of({"SETUP": setup | changes})


def as_rows(columns: dict[str, Any]) -> list[tuple[Any, ...]]:
    def plain(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    return list(zip(*([plain(value) for value in column.tolist()] for column in columns.values()), strict=True))


@examples(30)
@given(st.integers(0, 1100), st.integers(0, 1100))
def test_a_stream_is_the_same_in_whatever_parts_it_is_read(start: int, count: int) -> None:
    for space in (regnets(), grid()):
        whole = as_rows(space.sample(0, 5000))
        assert len(whole) == space.length
        assert as_rows(space.sample(start, count)) == whole[start : start + count]


def prints_of(args: tuple[Space, int]) -> Any:
    space, index = args
    return space.chunk(index).prints.tolist()


def test_workers_find_what_one_process_finds() -> None:
    space = regnets()
    tasks = [(space, index) for index in reversed(range(space.chunks))]
    with ProcessPoolExecutor(2) as pool:
        spread = list(pool.map(prints_of, tasks))

    assert spread == [prints_of(task) for task in tasks]


def test_the_seed_makes_the_stream() -> None:
    first, again, other = (as_rows(regnets(RNG_SEED=seed).sample(0, 50)) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    # Chunks have streams of their own.
    assert first[:20] != as_rows(regnets(RNG_SEED=1).sample(300, 20))


def test_a_grid_is_gone_through_once_in_order() -> None:
    space = grid()

    assert (space.size, space.enumerated, space.length, space.chunks) == (36, True, 36, 6)
    depths = list(product((1, 2), (1, 3, 5)))
    assert as_rows(space.sample(0, 100)) == list(product(depths, (32, 48, 64), (8, 16)))


def test_a_grid_beyond_the_samples_is_drawn_from() -> None:
    space = grid(NUM_SAMPLES=20)
    members = set(as_rows(grid().sample(0, 36)))

    assert (space.size, space.enumerated, space.length, space.chunks) == (36, False, 20, 3)
    drawn = as_rows(space.sample(0, 100))
    assert len(drawn) == 20
    assert set(drawn) <= members


def test_a_grid_too_large_to_count_in_64_bits_can_be_drawn_from() -> None:
    item = {"TYPE": "grid_sampler", "RANGE": [8, 800], "STEP": 8}
    sampler = {"TYPE": "list_sampler", "LENGTH": 40, "ITEM_SAMPLER": item}
    ones = {"DEPTHS": [1] * 40, "STRIDES": [1] * 40, "BLOCK_TYPE": "vanilla_block"}
    space = grid(SAMPLERS={"ANYNET.WIDTHS": sampler}, BASE_CFG={"MODEL": {"TYPE": "anynet"}, "ANYNET": ones})

    assert space.size == 100**40
    assert space.length == 1_000_000
    assert space.chunk(3).population.size == 7


def pycls_keeps(numbers: tuple[Any, ...], allowed: tuple[int, int]) -> bool:
    """The rule about stages as pycls's sweeps have it, one network at a time."""
    depth, w0, wa, wm = numbers
    levels = np.round(np.log((np.arange(depth) * wa + w0) / w0) / np.log(wm))
    widths = (np.round(w0 * np.power(wm, levels) / 8) * 8).astype(int)
    stages, total = len(np.unique(widths)), int(levels.max()) + 1
    return stages == total and allowed[0] <= stages <= allowed[1]


@pytest.mark.parametrize(("low", "high"), [(4, 4), (2, 3), (0, 0), (3, 0)])
def test_a_chunk_holds_every_network_that_may_be_once(low: int, high: int) -> None:
    ranges = {"W0": [8, 64], "WA": [8, 200], "WM": [1.5, 3], "DEPTH": [2, 6]}
    space = regnets(
        SAMPLERS={"REGNET": {"TYPE": "regnet_sampler", **ranges}},
        CONSTRAINTS={"REGNET": {"NUM_STAGES": [low, high]}},
    )
    columns = space.sample(300, 300)
    numbers = [columns[f"REGNET.{name}"].tolist() for name in ("DEPTH", "W0", "WA", "WM")]
    wanted, met, repeated, staged = [], set(), 0, 0
    for row, values in enumerate(zip(*numbers, strict=True)):
        if (low or high) and not pycls_keeps(values, (low, high or 100)):
            staged += 1
            continue
        net = to_spec(space.cfg(columns, row))
        repeated += net in met
        if net not in met:
            wanted.append((300 + row, net))
        met.add(net)

    chunk = space.chunk(1)

    assert list(zip(chunk.rows.tolist(), chunk.population.specs(), strict=True)) == wanted
    assert (chunk.tally.drawn, chunk.tally.feasible) == (300, 0)
    counts = {"REGNET.NUM_STAGES": staged, "repeated": repeated}
    assert chunk.tally.rejected == {name: count for name, count in counts.items() if count}
    assert (chunk.prints == fingerprints(chunk.population)).all()
    for key, column in chunk.columns.items():
        assert column.tolist() == columns[key][chunk.rows - 300].tolist()


def test_the_nearest_number_of_stages_is_told() -> None:
    tally = regnets(CONSTRAINTS={"REGNET": {"NUM_STAGES": [20, 25]}}).chunk(0).tally
    most = max(
        int(np.round(np.log((w0 + wa * (depth - 1)) / w0) / np.log(wm))) + 1
        for depth, w0, wa, wm, *_ in as_rows(regnets().sample(0, 300))
    )

    assert tally.rejected == {"REGNET.NUM_STAGES": 300}
    assert tally.nearest["REGNET.NUM_STAGES"].value == most
    assert tally.nearest["REGNET.NUM_STAGES"].excess == pytest.approx((20 - most) / 20)
    assert f"nearest is {most}" in tally.explain()


def test_impossible_networks_are_counted_by_their_key() -> None:
    space = grid(BASE_CFG={
        "MODEL": {"TYPE": "anynet"},
        "ANYNET": {"WIDTHS": [16, 32], "STRIDES": [4, 6], "BLOCK_TYPE": "vanilla_block"},
    })  # fmt: skip
    total = space.chunk(0).tally
    for index in range(1, space.chunks):
        total += space.chunk(index).tally

    assert total.drawn == 36
    assert total.rejected == {"TRAIN.IM_SIZE": 12}  # 32 pixels, of 2 * 4 * 6


def test_training_keys_are_columns_that_make_no_other_network() -> None:
    space = regnets(
        SAMPLERS={
            "REGNET.DEPTH": {"TYPE": "value_sampler", "VALUES": [4]},
            "OPTIM.BASE_LR": {"TYPE": "float_sampler", "RANGE": [0.1, 1.0]},
            "NUM_GPUS": {"TYPE": "int_sampler", "RANGE": [1, 8]},
        },
        CONSTRAINTS={"REGNET": {"NUM_STAGES": [0, 0]}},
    )
    chunk = space.chunk(0)

    assert chunk.population.size == 1
    assert chunk.tally.rejected == {"repeated": 299}
    cfg = space.cfg(chunk.columns, 0)
    assert 0.1 <= cfg.OPTIM.BASE_LR <= 1.0
    assert chunk.columns["NUM_GPUS"].tolist() == [cfg.NUM_GPUS]


def test_a_candidates_config_is_a_whole_one() -> None:
    space = grid()
    columns = space.sample(17, 1)
    cfg = space.cfg(columns, 0)

    assert list(cfg.ANYNET.DEPTHS) == columns["ANYNET.DEPTHS"][0].tolist()
    assert (cfg.ANYNET.WIDTHS, cfg.ANYNET.BLOCK_TYPE) == ([16, 32], "vanilla_block")
    with pytest.raises(ConfigError, match=r"ANYNET\.STEM_W"):
        space.cfg({"ANYNET.STEM_W": np.array([0.5])}, 0)


def test_beyond_the_end_there_is_nothing() -> None:
    for space in (regnets(), grid()):
        chunk = space.chunk(space.chunks)
        assert (chunk.population.size, len(chunk.rows), chunk.tally.drawn) == (0, 0, 0)
        assert chunk.columns.keys() == dict(space.samplers).keys()


def test_limits_are_judged_by_score_columns() -> None:
    space = regnets(CONSTRAINTS={"CX": {"PARAMS": [0, 10], "LATENCY_MS": {"t4": [1, 2]}}})
    scores = SimpleNamespace(params=np.array([5, 20, 10]), latency_ms={"t4": np.array([1.5, 1.5, 2.1])})
    feasible, tally = space.judge(scores, 3)

    assert feasible.tolist() == [True, False, False]
    assert tally.rejected == {"CX.PARAMS": 1, "CX.LATENCY_MS.t4": 1}


def test_the_paper_space_is_what_the_paper_says() -> None:
    chunk = load_space("regnetx").chunk(0)

    assert chunk.population.size > 5000
    for row in range(0, chunk.population.size, 500):
        blocks = chunk.population.spec(row).cells[1:-1]
        widths = [block["w_out"] for block in blocks if block["stride"] == 2]
        assert len(widths) == 4
        assert widths == sorted(widths)
        assert 12 <= len(blocks) <= 28
        for block in blocks:
            assert block["w_b"] == block["w_out"]
            assert (block["w_se"], int(block["w_b"]) % int(block["groups"])) == (0, 0)
