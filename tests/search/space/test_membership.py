from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle._resources import shipped
from search.space import Choice, Entries, Number, load_space
from search.space.membership import described, excess, strays
from search.space.samplers import draw

SAMPLERS = {
    "steps": Number("uniform", 8, 64, 8, integer=True),
    "decimals": Number("log_uniform", 0.1, 5, 0.1, integer=False),
    "any": Number("uniform", -1, 1, 0, integer=False),
    "powers": Number("power2_uniform", 1, 64, 1, integer=True),
    "mixed": Number("power2_or_log_uniform", 1, 128, 8, integer=True),
    "one": Number("uniform", 3, 3, 1, integer=True),
    "words": Choice(("a", "b")),
    "lists": Choice(((1, 2), (3,))),
    "entries": Entries((Choice((8, 16)), Number("uniform", 8, 64, 8, integer=True))),
}


@given(st.sampled_from(sorted(SAMPLERS)), st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_a_member(name: str, seed: int) -> None:
    column = draw(SAMPLERS[name], np.random.default_rng(seed), 50)
    assert not excess(SAMPLERS[name], column).any()
    alone = np.empty(1, dtype=object)
    alone[0] = column[0].tolist() if hasattr(column[0], "tolist") else column[0]
    assert not excess(SAMPLERS[name], alone).any()


@pytest.mark.parametrize(
    ("name", "value", "off"),
    [
        ("steps", 12, 0.25),  # the nearest is 16: a half rounds to even
        ("steps", 72, 1 / 8),
        ("steps", 0, 1),
        ("decimals", 0.36, 0.1),
        ("decimals", 0.1 + 0.2, 0),
        ("any", 1.5, 0.5),
        ("powers", 48, 0.5),
        ("mixed", 4, 0),
        ("mixed", 6, None),
        ("mixed", 136, 1 / 16),
        ("one", 4, 1 / 3),
        ("words", "c", 1),
        ("words", 1, 1),
        ("lists", [1, 2], 0),
        ("lists", [2, 1], 1),
        ("entries", [8, 24], 0),
        ("entries", [8, 25], 1 / 24),
        ("entries", [24, 24], 1),
        ("entries", [8], 1),
        ("entries", 8, 1),
        ("steps", "x", 1),
        ("steps", [8], 1),
        ("steps", float("nan"), 1),
    ],
)
def test_how_far_off_a_value_is(name: str, value: Any, off: float | None) -> None:
    column = np.empty(1, dtype=object)
    column[0] = value
    found = excess(SAMPLERS[name], column)[0]
    assert found > 0 if off is None else found == pytest.approx(off)


def test_values_in_words() -> None:
    assert {name: described(sampler) for name, sampler in SAMPLERS.items()} == {
        "steps": "8 to 64 in steps of 8",
        "decimals": "0.1 to 5 in steps of 0.1",
        "any": "-1 to 1",
        "powers": "a power of two from 1 to 64",
        "mixed": "1 to 128 in steps of 8, below 8 powers of two",
        "one": "3",
        "words": "one of a, b",
        "lists": "one of [1, 2], [3]",
        "entries": "[one of 8, 16; 8 to 64 in steps of 8]",
    }


@pytest.mark.parametrize("name", sorted(shipped("spaces")))
def test_members_of_shipped_spaces_are_members(name: str) -> None:
    space = load_space(name)
    columns = space.sample(0, 60)
    for key, sampler in space.samplers:
        assert not excess(sampler, columns[key]).any()
    for row in range(0, 60, 20):
        assert not list(strays(space, space.cfg(columns, row)))


def test_other_keys_are_those_of_the_base() -> None:
    space = load_space("regnetx")
    cfg = space.cfg(space.sample(0, 1), 0).clone()
    cfg.defrost()
    cfg.REGNET.SE_ON, cfg.TRAIN.IM_SIZE, cfg.OPTIM.BASE_LR = True, 128, 3.0
    assert {(stray.key, stray.value, stray.expected) for stray in strays(space, cfg)} == {
        ("REGNET.SE_ON", True, "False, as in the base of the space"),
        ("TRAIN.IM_SIZE", 128, "224, as in the base of the space"),
    }
    cfg.MODEL.TYPE = "resnet"
    assert [stray.key for stray in strays(space, cfg)] == ["MODEL.TYPE"]
