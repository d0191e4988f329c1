from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import ConfigError
from oracle.families._stages import Names, Stage, compatible, fit_width

NAMES = Names("X", "X.D", "X.W", "X.S", "X.B", "X.G")


@pytest.mark.parametrize(
    ("width", "bot_mul", "group_w", "expected"),
    [
        (24, 1.0, 8, (24, 8)),  # fits
        (24, 1.0, 32, (24, 24)),  # no group wider than the bottleneck
        (368, 1.0, 16, (368, 16)),
        (100, 1.0, 16, (96, 16)),  # 6.25 groups
        (24, 1.0, 16, (32, 16)),  # 1.5 groups: to even, 2
        (40, 1.0, 16, (32, 16)),  # 2.5 groups: to even, 2
        (64, 0.25, 8, (64, 8)),
        (72, 0.25, 8, (64, 8)),  # inner 18, 2.25 groups
        (8, 0.125, 16, (8, 1)),  # inner 1
        (10, 4.0, 8, (10, 8)),  # inner 40 is five times lcm(8, 4)
        (10, 3.0, 8, (8, 8)),  # inner 30, lcm 24: once
    ],
)
def test_fitting_by_hand(width: int, bot_mul: float, group_w: int, expected: tuple[int, int]) -> None:
    assert fit_width(width, bot_mul, group_w) == expected


@given(
    width=st.integers(1, 5000),
    bot_mul=st.sampled_from([1 / 128, 1 / 32, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0]),
    group_w=st.integers(1, 300),
)
def test_groups_always_divide_and_fitting_twice_changes_nothing(width: int, bot_mul: float, group_w: int) -> None:
    fitted, group = fit_width(width, bot_mul, group_w)

    assert fitted >= 1
    assert 1 <= group <= group_w
    assert fitted * bot_mul % group == 0
    assert fit_width(fitted, bot_mul, group) == (fitted, group)


def test_compatible_keeps_the_rest() -> None:
    assert compatible([Stage(3, 100, 2, 1.0, 16)], NAMES) == [Stage(3, 96, 2, 1.0, 16)]


@pytest.mark.parametrize(
    ("stage", "key"),
    [(Stage(1, 8, 1, 0.0, 1), "X.B"), (Stage(1, 8, 1, 2.5, 1), "X.B"), (Stage(1, 8, 1, 1.0, 0), "X.G")],
)
def test_what_cannot_fit_names_its_key(stage: Stage, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compatible([stage], NAMES)
    assert caught.value.key == key
