from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oracle._ranks import discordant_pairs, halvings, kendall_tau_b, mean_ranks, spearman_rho

PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.floats(-2, 2).map(lambda x: round(x, 1))), max_size=30)


def columns(pairs: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


@given(PAIRS)
def test_correlations_are_scipys(pairs: list[tuple[int, float]]) -> None:
    a, b = columns(pairs)
    constant = len(set(a)) < 2 or len(set(b)) < 2

    assert math.isnan(kendall_tau_b(a, b)) == constant
    assert math.isnan(spearman_rho(a, b)) == constant
    if not constant:
        assert kendall_tau_b(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
        assert spearman_rho(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


@given(PAIRS)
def test_discordant_pairs_are_those_of_two_loops(pairs: list[tuple[int, float]]) -> None:
    by_hand = sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])

    assert discordant_pairs(*columns(pairs)) == by_hand


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_ranks_are_scipys(values: list[int]) -> None:
    assert mean_ranks(values).tolist() == stats.rankdata(values).tolist()


@given(st.integers(0, 40).flatmap(lambda n: st.permutations(range(n))))
def test_two_numbers_meet_at_one_level(sequence: list[int]) -> None:
    met = []
    for level in halvings(np.array(sequence, dtype=np.int64)):
        for i, number in enumerate(level.ids):
            group = range(int(level.start[i]), i)
            assert level.before[i] == sum(level.upper[j] for j in group)
            met += [(int(level.ids[j]), int(number)) for j in group if level.upper[i] != level.upper[j]]

    # Every pair once, and in the order of the sequence.
    in_order = [(a, b) for i, b in enumerate(sequence) for a in sequence[:i]]
    assert sorted(met) == sorted(in_order)


def test_many_values_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(0, 500, 20_000)
    b = a + rng.normal(0, 200, 20_000)

    assert kendall_tau_b(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
    assert spearman_rho(a, -b) == pytest.approx(stats.spearmanr(a, -b).statistic, abs=1e-12)


def test_a_nan_makes_everything_nan() -> None:
    assert math.isnan(kendall_tau_b([1.0, 2.0, math.nan], [1, 2, 3]))
    assert math.isnan(spearman_rho([1.0, 2.0, math.nan], [1, 2, 3]))
