from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict
from oracle.families.many import population_of
from oracle.families.many.regnet import level_counts, stage_table
from oracle.families.regnet import block_levels, block_widths, level_widths

# Values in sense, each with a few that no network can have.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "REGNET.DEPTH": st.sampled_from([0, 10_001]) | st.integers(1, 40),
    "REGNET.W0": st.sampled_from([0, 12, 2**20, 2**30]) | st.integers(1, 40).map(lambda n: 8 * n),
    "REGNET.WA": st.sampled_from([0.0, 2.0**20, 1e9]) | st.floats(0, 300),
    "REGNET.WM": st.sampled_from([1.0, 1.001, 2.0, 2.5, 2.0**20, 1e9]) | st.floats(1.01, 4),
    "REGNET.GROUP_W": st.sampled_from([0, 2**40]) | st.integers(1, 64),
    "REGNET.BOT_MUL": st.sampled_from([0.0, 0.3, 0.25, 0.5, 1.0, 1.0, 1.5, 2.0, 4.0, 3.0, 2.0**20, 2.0**21]),
    "REGNET.STRIDE": st.sampled_from([0, 1, 2, 2, 2, 3]),
    "REGNET.STEM_W": st.sampled_from([0, 8, 32]),
    "REGNET.HEAD_W": st.sampled_from([0, 64, 2**21]),
    "REGNET.SE_R": st.sampled_from([0.0, 0.25, 0.5, 2.0**30]),
    "MODEL.NUM_CLASSES": st.sampled_from([0, 10, 1000]),
    "TRAIN.IM_SIZE": st.sampled_from([0, 16, 31, 32, 224, 224, 2**15]),
}
NEEDED = {"REGNET.DEPTH", "REGNET.W0", "REGNET.WA", "REGNET.WM"}


@st.composite
def candidates(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows over the four numbers of a RegNet and a few of the others."""
    others = draw(st.sets(st.sampled_from(sorted(VALUES.keys() - NEEDED)), max_size=3))
    row = st.fixed_dictionaries({key: VALUES[key] for key in sorted(NEEDED | others)})
    return draw(st.lists(row, min_size=1, max_size=12))


@given(candidates(), st.booleans(), st.sampled_from(["res_bottleneck_block", "vanilla_block"]))
def test_columns_are_the_networks_that_configs_are(
    agree: Callable[..., Any], rows: list[dict[str, Any]], se_on: bool, block: str
) -> None:
    agree({"MODEL": {"TYPE": "regnet"}, "REGNET": {"SE_ON": se_on, "BLOCK_TYPE": block}}, rows)


def draw_paper_space(size: int) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(5)
    return {
        "DEPTH": rng.integers(1, 60, size),
        "W0": 8 * rng.integers(1, 33, size),
        "WA": np.round(rng.uniform(0, 256, size), 1),
        "WM": np.round(rng.uniform(1.05, 3, size), 3),
    }


def test_stages_equal_those_of_networks_derived_alone() -> None:
    columns = draw_paper_space(20_000)
    table = stage_table(*columns.values())

    for row, (depth, w0, wa, wm) in enumerate(zip(*columns.values(), strict=True)):
        levels = block_levels(block_widths(np.arange(depth), int(w0), float(wa)), int(w0), float(wm))
        widths, depths = np.unique(level_widths(levels, int(w0), float(wm)), return_counts=True)
        count = table.counts[row]
        assert table.widths[:count, row].tolist() == widths.tolist()
        assert table.depths[:count, row].tolist() == depths.tolist()
        assert not table.depths[count:, row].any()


def test_a_block_at_a_crossing_is_asked_for_its_level() -> None:
    # 16 * 2.25 ** 0.5 = 24 and 16 * 2.25 ** 1.5 = 54: blocks there stand half-way between two levels
    slopes = np.array([8.0, 4.0, 2.0, 1.0, 38.0, 19.0, 9.5, 0.0])
    table = stage_table(np.full(8, 40), np.full(8, 16), slopes, np.full(8, 2.25))

    for row, wa in enumerate(slopes.tolist()):
        levels = block_levels(block_widths(np.arange(40), 16, wa), 16, 2.25)
        expected = np.unique(level_widths(levels, 16, 2.25), return_counts=True)[1]
        assert table.depths[: table.counts[row], row].tolist() == expected.tolist()


def test_a_few_extreme_networks_do_not_spoil_the_others() -> None:
    columns = draw_paper_space(50)
    plain = stage_table(*columns.values())
    columns["WM"][7], columns["WA"][7] = 1.0001, 200.0  # thousands of levels
    columns["DEPTH"][30] = 10_000
    table = stage_table(*columns.values())

    usual = np.delete(np.arange(50), [7, 30])
    assert (table.counts[usual] == plain.counts[usual]).all()
    assert (table.depths.sum(axis=0) == columns["DEPTH"]).all()
    assert table.counts[7] == columns["DEPTH"][7]  # a stage per block


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_squares_round_as_powers_do(size: int) -> None:
    # numpy squares where one exponent of 2 serves all rows; SIMD powers may differ from that in the last bit,
    # which decides where a width is half-way between two multiples of 8, as 16 * 2.5 ** 2 / 8 = 12.5 is.
    wm = np.tile(np.array([2.5, 2.1, 2.3, 2.7, 1.5]), -(-size // 5))[:size]
    w0, depth, wa = np.full(size, 16), np.full(size, 30), np.full(size, 8.0)
    table = stage_table(depth, w0, wa, wm)

    for row in range(size):
        levels = np.arange(3.0)
        expected = level_widths(levels, 16, float(wm[row]))
        assert set(expected) - set(table.widths[:, row]) == set()


@given(st.lists(st.tuples(*(VALUES[key] for key in sorted(NEEDED))), min_size=1, max_size=20))
def test_the_number_of_stages_is_counted_as_pycls_does(rows: list[tuple[Any, ...]]) -> None:
    depth, w0, wa, wm = (np.array(column) for column in zip(*rows, strict=True))
    cfg = cfg_from_dict({"MODEL": {"TYPE": "regnet"}, "REGNET": {"GROUP_W": 1, "STRIDE": 1}})
    columns = {"REGNET.DEPTH": depth, "REGNET.W0": w0, "REGNET.WA": wa, "REGNET.WM": wm}
    _, networks, _ = population_of(cfg, columns)

    _, found, rejected = population_of(cfg, columns, (2, 4))

    wanted = []
    for row in networks:
        levels = np.round(np.log((w0[row] + wa[row] * np.arange(depth[row])) / w0[row]) / np.log(wm[row]))
        widths = np.round(w0[row] * np.power(wm[row], levels) / 8).astype(int) * 8
        stages, total = len(np.unique(widths)), int(levels.max()) + 1
        if stages == total and 2 <= stages <= 4:
            wanted.append(int(row))
    assert found.tolist() == wanted
    assert rejected.get("REGNET.NUM_STAGES", 0) >= len(networks) - len(wanted)


def test_levels_are_counted_from_the_last_block() -> None:
    # u = 8, 16, 24, ...; log2(u / 8) rounds to 0, 1, 2, 2, 2, 3
    levels = level_counts(np.array([1, 2, 3, 5, 6]), np.full(5, 8), np.full(5, 8.0), np.full(5, 2.0))

    assert levels.tolist() == [1, 2, 3, 3, 4]


def test_scaled_networks_keep_the_rule_about_stages() -> None:
    base = {"MODEL": {"TYPE": "regnet", "SCALING_TYPE": "dw", "SCALING_FACTOR": 2.0}}
    # u = 32, 62, 92, ..., 362: levels 0; 0, 1, 1; up to 3
    columns = {"REGNET.DEPTH": np.array([1, 3, 12]), "REGNET.WA": np.array([30.0, 30.0, 30.0])}
    population, kept, rejected = population_of(cfg_from_dict(base), columns, (1, 2))

    assert kept.tolist() == [0, 1]
    assert rejected == {"REGNET.NUM_STAGES": 1}
    assert population.size == 2


def test_a_slope_of_minus_zero_is_flat(agree: Callable[..., Any]) -> None:
    base = {"MODEL": {"TYPE": "regnet"}, "REGNET": {"W0": 16, "DEPTH": 5, "WM": 2.0}}
    agree(base, [{"REGNET.WA": -0.0}, {"REGNET.WA": 20.0}])


@pytest.mark.parametrize("ratio", [-0.01, 0.25, 2.0**17])
def test_repetitions_that_are_not_there_are_not_to_blame(agree: Callable[..., Any], ratio: float) -> None:
    base = {"MODEL": {"TYPE": "regnet"}, "REGNET": {"SE_ON": True, "W0": 56, "WA": 0.0}}
    agree(base, [{"REGNET.DEPTH": depth, "REGNET.SE_R": ratio} for depth in (1, 2, 2)])
