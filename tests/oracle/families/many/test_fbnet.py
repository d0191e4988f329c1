from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

_OPS = st.lists(st.integers(0, 8), min_size=22, max_size=22)
_BAD = st.lists(st.sampled_from([0, 3, 8, 9, -1]), min_size=22, max_size=22)
_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "TRAIN.IM_SIZE": st.sampled_from([0, 16, 31, 32, 97, 224]),
    "MODEL.NUM_CLASSES": st.sampled_from([0, 10, 1000]),
    "MODEL.ACTIVATION_FUN": st.sampled_from(["relu", "silu"]),
}


@given(st.data())
def test_columns_are_the_networks_that_configs_are(agree: Callable[..., Any], data: st.DataObject) -> None:
    others = data.draw(st.sets(st.sampled_from(sorted(_OTHERS))))
    row = st.fixed_dictionaries({"FBNET.OPS": _OPS | _BAD, **{key: _OTHERS[key] for key in sorted(others)}})
    agree({"MODEL": {"TYPE": "fbnet"}}, data.draw(st.lists(row, min_size=1, max_size=8)))


@pytest.mark.parametrize("ops", [[8] * 22, [8] * 21, []])
def test_one_list_for_all(agree: Callable[..., Any], ops: list[int]) -> None:
    population = agree(
        {"MODEL": {"TYPE": "fbnet"}, "FBNET": {"OPS": ops}}, [{"TRAIN.IM_SIZE": s} for s in (64, 8, 224)]
    )
    assert population.size == (2 if len(ops) == 22 else 0)
