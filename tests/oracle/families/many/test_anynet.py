from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.families.anynet import BLOCKS, STEM_STRIDES

STAGES = 3
LISTS: dict[str, list[Any]] = {
    "ANYNET.DEPTHS": [1, 1, 1, 2, 2, 3, 9, 0, 9_999],
    "ANYNET.WIDTHS": [8, 16, 16, 16, 24, 32, 64, 7, 2**20, 2**21],
    "ANYNET.STRIDES": [1, 1, 2, 2, 2, 3, 2**20, 0],
    "ANYNET.BOT_MULS": [0.25, 0.5, 1.0, 1.0, 1.0, 4.0, 0.3, 1e15],
    "ANYNET.GROUP_WS": [1, 1, 1, 2, 4, 8, 8, 16, 7, 0],
}
SCALARS: dict[str, list[Any]] = {
    "ANYNET.STEM_W": [8, 16, 16, 32, 0],
    "ANYNET.HEAD_W": [0, 100, 2**21],
    "ANYNET.SE_R": [0.0, 0.25, 0.5, 2.0**30],
    "ANYNET.SE_ON": [True, False],
    "ANYNET.STEM_TYPE": [*STEM_STRIDES, "stem"],
    "ANYNET.BLOCK_TYPE": [*BLOCKS, "block"],
    "MODEL.ACTIVATION_FUN": ["relu", "swish", "tanh"],
    "MODEL.NUM_CLASSES": [10, 1000, 0],
    "BN.EPS": [1e-5, 1e-3],
    "TRAIN.IM_SIZE": [8, 32, 224, 224, 0],
}
MOSTLY_SOUND = {"ANYNET.DEPTHS": 5, "ANYNET.WIDTHS": 7, "ANYNET.STRIDES": 5}


@st.composite
def candidates(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows over all lists and a few other keys; whether an example holds impossible numbers is drawn once."""
    wild = draw(st.booleans())
    lists = {
        key: st.lists(
            st.sampled_from(values if wild else values[: MOSTLY_SOUND.get(key)]),
            min_size=STAGES,
            max_size=STAGES,
        )
        for key, values in LISTS.items()
    }
    others = draw(st.sets(st.sampled_from(sorted(SCALARS)), max_size=3))
    row = st.fixed_dictionaries(lists | {key: st.sampled_from(SCALARS[key]) for key in sorted(others)})
    return draw(st.lists(row, min_size=1, max_size=10))


@given(candidates(), st.sampled_from(sorted(BLOCKS)))
def test_columns_are_the_networks_that_configs_are(
    agree: Callable[..., Any], rows: list[dict[str, Any]], block: str
) -> None:
    agree({"MODEL": {"TYPE": "anynet"}, "ANYNET": {"BLOCK_TYPE": block, "SE_ON": True}}, rows)


BASE: dict[str, Any] = {
    "DEPTHS": [1, 2],
    "WIDTHS": [16, 32],
    "STRIDES": [1, 2],
    "BOT_MULS": [1.0, 0.5],
    "GROUP_WS": [8, 4],
}


@pytest.mark.parametrize("key", BASE)
@pytest.mark.parametrize("block", ["res_bottleneck_block", "vanilla_block"])
def test_a_list_of_another_length_rejects_all(agree: Callable[..., Any], key: str, block: str) -> None:
    base = {"MODEL": {"TYPE": "anynet"}, "ANYNET": BASE | {"BLOCK_TYPE": block}}
    rows = [{f"ANYNET.{key}": [1, 1, 1]}, {f"ANYNET.{key}": [1, 1, 2]}]

    assert agree(base, rows).size == 0


@pytest.mark.parametrize("changes", [{}, {"BOT_MULS": [], "GROUP_WS": []}])
def test_only_the_depths_vary(agree: Callable[..., Any], changes: dict[str, Any]) -> None:
    base = {"MODEL": {"TYPE": "anynet"}, "ANYNET": BASE | {"BLOCK_TYPE": "res_basic_block"} | changes}
    population = agree(base, [{"ANYNET.DEPTHS": [a, b]} for a in (1, 2, 7) for b in (1, 3)])

    assert population.size == 6
    # Stem, two stages of a first and equal other blocks, head; widths are shared by all.
    assert [place[0].kind for place in population.places] == [
        "simple_stem_in", *["res_basic_block"] * 4, "head"
    ]  # fmt: skip
    assert dict(population.places[1][0].params)["w_out"] == 16
