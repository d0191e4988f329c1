"""Rank statistics of long columns in O(n log n); numpy alone, so that every package may use them."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


class Halving(NamedTuple):
    """One level of `halvings`, arrays by position.

    Attributes:
        ids: the sequence, groups side by side; within a group in the order of the original sequence.
        start: position where the group of each begins.
        upper: whether each belongs to the upper half of its group.
        before: how many of the upper half stand before each in its group.
    """

    ids: Ints
    start: Ints
    upper: NDArray[np.bool_]
    before: Ints


def halvings(ids: Ints) -> Iterator[Halving]:
    """A sequence of the numbers 0 to n - 1, split by their highest bit, then by the next, and so on.

    Any two numbers meet at one level: in one group, one in the lower half and one in the upper. So what a
    number has to do with the smaller (or larger) ones before it is found in log2 n passes, as merge sort
    finds inversions.
    """
    count = len(ids)
    position = np.arange(count)
    for bit in reversed(range(max(count - 1, 0).bit_length())):
        upper = (ids >> bit) & 1
        start = (ids >> (bit + 1)) << (bit + 1)
        before = np.cumsum(upper) - upper
        before -= before[start]
        yield Halving(ids, start, upper.astype(bool), before)
        split = np.empty_like(ids)
        split[np.where(upper, start + (1 << bit) + before, position - before)] = ids
        ids = split


def discordant_pairs(a: ArrayLike, b: ArrayLike) -> int:
    """How many pairs a and b order oppositely; a tie in either is no order."""
    a, b = np.asarray(a), np.asarray(b)
    # By a, then by b: equal a's are in the order of their b's, and equal b's keep the order they have.
    by_rank = np.argsort(b[np.lexsort((b, a))], kind="stable")
    ids = np.empty(len(by_rank), dtype=np.int64)
    ids[by_rank] = np.arange(len(by_rank))
    return sum(int(level.before[~level.upper].sum()) for level in halvings(ids))


def kendall_tau_b(a: ArrayLike, b: ArrayLike) -> float:
    """Kendall's tau-b (Biometrika 1945), which corrects for ties; nan where either is constant or has a nan.

    Inversions are counted as W. R. Knight proposed (J. Am. Stat. Assoc. 1966).
    """
    a, b = np.asarray(a), np.asarray(b)
    if _has_nan(a) or _has_nan(b):
        return nan
    codes_a, codes_b = (np.unique(values, return_inverse=True)[1] for values in (a, b))
    pairs = _pairs(np.array([len(a)]))
    ties_a, ties_b = _pairs(np.bincount(codes_a)), _pairs(np.bincount(codes_b))
    joint = codes_a * (codes_b.max(initial=0) + 1) + codes_b
    ties_both = _pairs(np.unique(joint, return_counts=True)[1])
    scale = (pairs - ties_a) * (pairs - ties_b)
    if not scale:
        return nan
    agreeing = pairs - ties_a - ties_b + ties_both - 2 * discordant_pairs(codes_a, codes_b)
    return agreeing / sqrt(scale)


def _pairs(counts: Ints) -> int:
    """Pairs within groups of some sizes."""
    return int((counts * (counts - 1) // 2).sum())


def spearman_rho(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rho: Pearson correlation of ranks; nan where either is constant or has a nan."""
    a, b = np.asarray(a), np.asarray(b)
    if _has_nan(a) or _has_nan(b) or not len(a):
        return nan
    ranks_a, ranks_b = mean_ranks(a), mean_ranks(b)
    ranks_a -= ranks_a.mean()
    ranks_b -= ranks_b.mean()
    scale = sqrt(float((ranks_a**2).sum()) * float((ranks_b**2).sum()))
    return float((ranks_a * ranks_b).sum()) / scale if scale else nan


def mean_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1 for the smallest; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _has_nan(values: NDArray[np.generic]) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(values).any())
