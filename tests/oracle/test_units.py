from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle._units import (
    MISSING,
    aligned,
    known,
    lined_up,
    one_line,
    percent,
    prefix,
    stated,
    text_cell,
    text_of_cell,
    visible,
)

NUMBERS = st.floats(min_value=1e-12, max_value=1e15)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (None, MISSING),
        (math.nan, MISSING),
        (-math.inf, "-inf"),
        (4.0892, "4.089"),
        (40.892, "40.89"),
        (408.92, "408.9"),
        (4089.2, "4089"),
        (408920.0, "408920"),
        (0.40892, "0.4089"),
        (0.00040892, "0.0004"),
        (0.00001, "<0.0001"),
        (-2.5, "-2.500"),
    ],
)
def test_four_digits_and_four_decimals_at_most(value: float | None, shown: str) -> None:
    assert aligned([value]) == (shown,)


def test_points_stand_below_one_another() -> None:
    assert aligned([1234.5, 0.0625, None, 12, math.nan, 3.25]) == (
        "1234     ",
        "   0.0625",
        "   -     ",
        "  12.00  ",
        "   -     ",
        "   3.250 ",
    )


def test_a_column_is_in_its_unit() -> None:
    assert aligned([4_089_184_256, 125_747_840], 1e9) == ("4.089 ", "0.1257")
    assert aligned([25 * 2**30], 2.0**30) == ("25.00",)


def test_an_empty_column() -> None:
    assert aligned([]) == ()
    assert prefix([], "B") == ("B", 1.0)


@given(st.lists(NUMBERS, min_size=1, max_size=8), st.integers(1, 6), st.integers(0, 6))
def test_what_is_shown_is_the_number_to_its_last_digit(values: list[float], digits: int, most: int) -> None:
    shown = aligned(values, 1.0, digits, most)
    assert len({len(text) for text in shown}) == 1
    for value, text in zip(values, shown, strict=True):
        if "<" in text:
            assert 0 < value < float(text.strip("< "))
        else:
            decimals = len(text.strip().partition(".")[2])
            assert float(text) == pytest.approx(value, rel=1e-12, abs=0.5000001 * 10.0**-decimals)
            assert float(text) > 0
            assert decimals <= most
    points = {text.index(".") for text in shown if "." in text}
    assert len(points) <= 1


@pytest.mark.parametrize(
    ("values", "unit", "found"),
    [
        ([4.1e9, 2], "FLOP", ("GFLOP", 1e9)),
        ([999_999], "B", ("kB", 1e3)),
        ([1_000_000], "B", ("MB", 1e6)),
        ([2e-3], "s", ("ms", 1e-3)),
        ([999e-6], "s", ("us", 1e-6)),
        ([3e-9], "s", ("us", 1e-6)),
        ([5e18], "FLOP", ("TFLOP", 1e12)),
        ([0, 0], "B", ("B", 1.0)),
        ([None, math.nan, 7], "B", ("B", 1.0)),
    ],
)
def test_a_prefix_suits_the_largest(values: list[float | None], unit: str, found: tuple[str, float]) -> None:
    assert prefix(values, unit) == found


def test_percent() -> None:
    assert percent([1, 0.5821, 0.0004, 0]) == ("100  ", " 58.2", " <0.1", "  0  ")
    assert percent([0.9999999999, 0.42]) == ("100  ", " 42.0")
    assert percent([0.5821, 1], most=0) == (" 58", "100")


def test_stated_figures_keep_their_digits() -> None:
    assert [stated(value, 1e12) for value in (82.6e12, 1979e12, 0.0485e12)] == ["82.6", "1979", "0.0485"]
    assert [stated(value) for value in (1.5e-5, 1e-10, 3e15)] == ["1.5e-05", "1e-10", "3000000000000000"]
    assert stated(None) == MISSING
    assert stated(123456.7, digits=3) == "123457"
    assert lined_up(["1", "2.5*", "-"]) == ("1   ", "2.5*", "-   ")


def test_known_numbers() -> None:
    assert known([None, 1, math.nan, 2.5]) == [1.0, 2.5]


@given(st.text())
def test_one_line_is_one_line_of_printable_text(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@sum", "'@sum"),
        ("+1+1", "'+1+1"),
        ("-cmd", "'-cmd"),
        ("\t=1", "' =1"),
        ("a\nb", "a\nb"),
        ("\x1b[31mred\x07", " [31mred "),
        ("-1.5e-3", "-1.5e-3"),
        ("+7", "+7"),
        ("ResNet-50", "ResNet-50"),
        ("", ""),
    ],
)
def test_a_cell_is_text_and_a_number_stays_one(text: str, cell: str) -> None:
    assert text_cell(text) == cell
    assert text_of_cell(cell) == visible(text)


def test_lines_without_control_characters() -> None:
    assert visible("a\nb\x1b[2Jc\rd") == "a\nb [2Jc d"
