from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import product
from math import log, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from search.space.laws import LAWS
from search.space.samplers import Choice, Entries, Number, cardinality, draw, member, multiples, powers

SIZE = 40_000


def drawn(sampler: Any, size: int = SIZE) -> Any:
    return draw(sampler, np.random.default_rng(12), size)


def truncated(low: float, high: float) -> Any:
    """A normal law whose ends are two standard deviations from the middle, cut there."""
    return stats.truncnorm(-2, 2, loc=(low + high) / 2, scale=(high - low) / 4)


# The laws as scipy knows them; of log_normal, that of the logarithm.
TRUTH: dict[str, Callable[[float, float], Any]] = {
    "uniform": lambda low, high: stats.uniform(low, high - low),
    "log_uniform": stats.loguniform,
    "normal": truncated,
}


@pytest.mark.parametrize("law", TRUTH)
def test_numbers_without_a_step_follow_their_law(law: str) -> None:
    values = drawn(Number(law, 0.5, 7.0, 0, integer=False))

    assert stats.kstest(values, TRUTH[law](0.5, 7.0).cdf).pvalue > 1e-3
    assert values.min() >= 0.5
    assert values.max() <= 7.0


def test_logarithms_of_log_normal_numbers_are_normal() -> None:
    values = drawn(Number("log_normal", 0.5, 7.0, 0, integer=False))

    assert stats.kstest(np.log(values), truncated(log(0.5), log(7.0)).cdf).pvalue > 1e-3


def assert_frequencies(values: Any, masses: dict[float, float]) -> None:
    found, counts = np.unique(values, return_counts=True)
    assert set(found.tolist()) <= masses.keys()
    expected = np.array([masses[value] for value in masses]) * len(values)
    observed = np.array([dict(zip(found.tolist(), counts.tolist(), strict=True)).get(v, 0) for v in masses])
    rare = expected < 5
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    observed = np.append(observed[~rare], observed[rare].sum())
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("law", ["log_uniform", "normal"])
def test_quantised_numbers_are_rounded_to_the_nearest_multiple(law: str) -> None:
    truth = TRUTH[law](8, 100)
    steps = range(8, 97, 8)
    edges = [truth.cdf(step + 4) for step in steps]
    edges[-1] = 1.0  # what is nearer to 104 is beyond the range

    assert_frequencies(
        drawn(Number(law, 8, 100, 8, integer=True)),
        {float(step): edge - before for step, edge, before in zip(steps, edges, [0.0, *edges], strict=False)},
    )


def test_uniform_multiples_are_equally_likely() -> None:
    values = drawn(Number("uniform", 12, 28, 1, integer=True))
    assert values.dtype == np.int64
    assert_frequencies(values, {float(n): 1 / 17 for n in range(12, 29)})

    inner = drawn(Number("uniform", 0.25, 1.05, 0.25, integer=False))  # the ends are no multiples but one
    assert_frequencies(inner, {0.25: 0.25, 0.5: 0.25, 0.75: 0.25, 1.0: 0.25})


def test_powers_of_two_are_equally_likely() -> None:
    assert_frequencies(
        drawn(Number("power2_uniform", 3, 70, 1, integer=True)), {4: 0.2, 8: 0.2, 16: 0.2, 32: 0.2, 64: 0.2}
    )
    assert_frequencies(
        drawn(Number("power2_uniform", 0.125, 4, 1 / 4, integer=False)),
        {0.25: 0.2, 0.5: 0.2, 1: 0.2, 2: 0.2, 4: 0.2},
    )


def power_or_multiple(real: float, low: float, high: float, step: float) -> float:
    """A power of two below the step, a multiple from there on, within the range."""
    if real < step:
        allowed = [2.0**e for e in range(10) if low <= 2.0**e <= min(high, step)]
        if allowed:
            return min(allowed, key=lambda power: abs(log2(power) - log2(real)))
    allowed = [step * n for n in range(1, 100) if low <= step * n <= high]
    return min(allowed, key=lambda multiple: abs(multiple - real))


@pytest.mark.parametrize(("low", "high", "step"), [(1, 32, 8), (8, 128, 8), (1, 4, 8), (5, 30, 6), (3, 20, 8)])
def test_small_numbers_are_powers_of_two_and_large_ones_multiples(low: int, high: int, step: int) -> None:
    number = Number("power2_or_log_uniform", low, high, step, integer=True)
    masses: dict[float, float] = {}
    for quantile in (np.arange(20_000) + 0.5) / 20_000:
        value = power_or_multiple(low * (high / low) ** quantile, low, high, step)
        masses[value] = masses.get(value, 0) + 1 / 20_000

    assert_frequencies(drawn(number), masses)


@pytest.mark.parametrize("law", LAWS)
def test_a_range_of_one_number_is_that_number(law: str) -> None:
    assert set(drawn(Number(law, 4, 4, 4, integer=True), 10).tolist()) == {4}


@given(
    st.sampled_from(sorted(LAWS)),
    st.integers(1, 400),
    st.integers(0, 400),
    st.sampled_from(["0.1", "0.25", "0.001", "8", "1e-10", "0.3"]),
)
def test_values_are_decimal_multiples_within_the_range(law: str, low: int, width: int, step: str) -> None:
    number = Number(law, low / 10, (low + width) / 10, float(step), integer=False)
    first, last = multiples(number)
    if law == "power2_uniform" and not powers(number):
        return
    if first > last and not (law == "power2_or_log_uniform" and powers(number)):
        return
    for value in drawn(number, 50).tolist():
        assert number.low <= value <= number.high
        exact = Decimal(repr(value)) % Decimal(step) == 0
        assert exact or (law == "power2_or_log_uniform" and value < float(step) and log2(value) % 1 == 0)


def test_values_of_a_choice_are_equally_likely() -> None:
    assert_frequencies(drawn(Choice((3, 5, 9, 9))), {3: 0.25, 5: 0.25, 9: 0.5})


@pytest.mark.parametrize(
    ("values", "kind", "shape"),
    [
        ((1, 2), "i", (20,)),
        ((1.0, 2.5), "f", (20,)),
        ((True, False), "b", (20,)),
        (("a", "bcd"), "U", (20,)),
        (((1, 2), (3, 4)), "i", (20, 2)),
        (((1, 2), (3,)), "O", (20,)),
        ((1, "a", None), "O", (20,)),
    ],
)
def test_columns_have_the_type_of_their_values(values: Any, kind: str, shape: tuple[int, ...]) -> None:
    column = drawn(Choice(values), 20)

    assert (column.dtype.kind, column.shape) == (kind, shape)
    held = [tuple(value) if isinstance(value, list) else value for value in column.tolist()]
    assert set(held) == set(values)


def test_entries_of_a_list_are_independent() -> None:
    sampler = Entries((Choice((1, 2)), Choice((1, 2)), Number("uniform", 5, 6, 1, integer=True)))
    column = drawn(sampler)

    assert column.shape == (SIZE, 3)
    assert_frequencies(column @ np.array([1, 10, 100]), {
        float(a + 10 * b + 100 * c): 1 / 8 for a in (1, 2) for b in (1, 2) for c in (5, 6)
    })  # fmt: skip


def test_members_come_as_from_nested_loops() -> None:
    sampler = Entries((Choice((1, 2, 3)), Choice((7,)), Choice((4, 5))))
    count = cardinality(sampler)

    assert count == 6
    assert member(sampler, np.arange(count)).tolist() == [list(m) for m in product((1, 2, 3), (7,), (4, 5))]
    assert cardinality(Choice(("a", "b"))) == 2
    assert member(Choice(("a", "b")), np.array([1, 0])).tolist() == ["b", "a"]
    number = Number("uniform", 1, 3, 1, integer=True)
    assert cardinality(number) is None
    assert cardinality(Entries((Choice((1, 2)), number))) is None
