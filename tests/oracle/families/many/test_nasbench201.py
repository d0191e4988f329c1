from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict
from oracle.families.many import population_of
from oracle.families.nasbench201 import OPERATIONS, STRING

BASE = {"MODEL": {"TYPE": "nasbench201"}}
_OP = st.sampled_from(OPERATIONS)
_OPS = st.lists(_OP, min_size=6, max_size=6)
_BAD = st.lists(st.sampled_from(["none", "conv", ""]), min_size=6, max_size=6)
_ARCH = _OPS.map(lambda ops: STRING.format(*ops)) | st.sampled_from(["", "|none~0|", "|none~0|+|none~0|none~1|"])
_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "TRAIN.IM_SIZE": st.sampled_from([0, 4, 6, 31, 32, 2**14 + 4]),
    "MODEL.NUM_CLASSES": st.sampled_from([0, 10, 120]),
    "MODEL.ACTIVATION_FUN": st.sampled_from(["relu", "silu"]),
    "BN.EPS": st.sampled_from([1e-5, 1e-3]),
}


@given(st.data())
def test_columns_are_the_networks_that_configs_are(agree: Callable[..., Any], data: st.DataObject) -> None:
    others = data.draw(st.sets(st.sampled_from(sorted(_OTHERS))))
    own: dict[str, st.SearchStrategy[Any]] = {"NB201.OPS": _OPS | _BAD}
    if data.draw(st.booleans()):
        own = {"NB201.ARCH": _ARCH}
    row = st.fixed_dictionaries({**own, **{key: _OTHERS[key] for key in sorted(others)}})
    agree(BASE, data.draw(st.lists(row, min_size=1, max_size=8)))


@pytest.mark.parametrize("length", [6, 5, 7])
def test_a_string_and_a_list_say_the_same_and_only_one_may(agree: Callable[..., Any], length: int) -> None:
    ops = ["nor_conv_1x1"] * length
    whole = STRING.format(*ops[:1] * 6)
    rows = [{"NB201.OPS": ops, "NB201.ARCH": arch} for arch in ("", whole)]
    assert agree(BASE, rows).size == (1 if length == 6 else 0)


@pytest.mark.parametrize(
    "section", [{"OPS": ["none"] * 6}, {"ARCH": STRING.format(*["none"] * 6)}, {"ARCH": "|x~0|"}, {}]
)
def test_one_architecture_for_all(agree: Callable[..., Any], section: dict[str, Any]) -> None:
    rows = [{"TRAIN.IM_SIZE": size} for size in (32, 30, 64)]
    sound = section and section.get("ARCH") != "|x~0|"
    assert agree(BASE | {"NB201": section}, rows).size == (2 if sound else 0)


def test_the_whole_space_is_there_at_once() -> None:
    columns = {"NB201.OPS": np.array(list(product(OPERATIONS, repeat=6)))}
    population, rows, rejected = population_of(cfg_from_dict(BASE), columns)

    assert (population.size, len(rows), rejected) == (15_625, 15_625, {})
    assert population.spec(-1).cells[1].kwargs["arch"] == STRING.format(*[OPERATIONS[-1]] * 6)
