from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

STAGES = 3
LISTS: dict[str, list[Any]] = {
    "EN.DEPTHS": [1, 1, 1, 2, 2, 3, 9, 0, 9_999],
    "EN.WIDTHS": [8, 16, 16, 16, 24, 32, 64, 1, 2**20, 2**21],
    "EN.EXP_RATIOS": [1.0, 1.0, 4.0, 6.0, 6.0, 6.0, 1.9, 1e-300, 1e15],
    "EN.STRIDES": [1, 1, 2, 2, 2, 3, 2**20, 0],
    "EN.KERNELS": [3, 3, 3, 5, 7, 1, 4, 0],
}
SCALARS: dict[str, list[Any]] = {
    "EN.STEM_W": [8, 16, 32, 0],
    "EN.HEAD_W": [64, 1280, 0],
    "EN.SE_R": [0.0, 0.25, 0.25, 0.01, 1.5, 2.0**30],
    "EN.DC_RATIO": [0.0, 0.2, 1.0],
    "EN.DROPOUT_RATIO": [0.0, 0.2, 1.5],
    "MODEL.ACTIVATION_FUN": ["relu", "swish", "tanh"],
    "MODEL.NUM_CLASSES": [10, 1000, 0],
    "TRAIN.IM_SIZE": [8, 32, 224, 224, 0],
}


@st.composite
def candidates(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows over all lists and a few other keys; whether an example holds impossible numbers is drawn once."""
    values = {key: some if draw(st.booleans()) else some[:5] for key, some in LISTS.items()}
    lists = {key: st.lists(st.sampled_from(some), min_size=STAGES, max_size=STAGES) for key, some in values.items()}
    others = draw(st.sets(st.sampled_from(sorted(SCALARS)), max_size=3))
    row = st.fixed_dictionaries(lists | {key: st.sampled_from(SCALARS[key]) for key in sorted(others)})
    return draw(st.lists(row, min_size=1, max_size=10))


@given(candidates())
def test_columns_are_the_networks_that_configs_are(agree: Callable[..., Any], rows: list[dict[str, Any]]) -> None:
    agree({"MODEL": {"TYPE": "effnet"}}, rows)


def test_only_the_resolution_varies(agree: Callable[..., Any]) -> None:
    stages = {
        "DEPTHS": [1, 2],
        "WIDTHS": [16, 24],
        "EXP_RATIOS": [1, 6],
        "STRIDES": [1, 2],
        "KERNELS": [3, 5],
    }
    rows = [{"TRAIN.IM_SIZE": size} for size in (2, 3, 4, 128, 224)]
    population = agree({"MODEL": {"TYPE": "effnet"}, "EN": stages}, rows)

    assert population.size == 3
    assert population.input_shape[1].tolist() == [4, 128, 224]
