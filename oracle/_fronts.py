"""Exact non-dominated sets of many candidates.

A candidate dominates another that it beats in one objective and loses to in none; equal candidates do not
dominate each other. Up to three objectives take O(n log n) whatever the front looks like (three by a divide
and conquer as in Kung, Luccio and Preparata, J. ACM 1975); more take O(n * front).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle._ranks import halvings
from oracle.errors import ConfigError

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_BLOCK = 64
_SAMPLE = 2_000


def non_dominated(columns: Sequence[ArrayLike], maximise: Sequence[bool] | None = None) -> Flags:
    """Compute which candidates no other dominates: at least as good in every objective, and better in one.

    Args:
        columns: one array of shape (n,) per objective, in any units. A candidate with a nan is on no front.
        maximise: one bool per objective. Default: all are minimised.

    Returns:
        Bools of shape (n,).

    Raises:
        ConfigError: no objective, or columns of different lengths.

    Examples:
        >>> from oracle.search import non_dominated
        >>> non_dominated([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]).tolist()
        [True, True, False]
    """
    return np.asarray(layers(columns, maximise, 1) == 0)


def layers(columns: Sequence[ArrayLike], maximise: Sequence[bool] | None = None, count: int = 1) -> Ints:
    """Compute the layer of each candidate: 0 on the front, 1 on the front of the others, and so on.

    Args:
        columns: one array of shape (n,) per objective, in any units. A candidate with a nan is in no layer.
        maximise: one bool per objective. Default: all are minimised.
        count: how many candidates at least to find a layer for.

    Returns:
        Integers of shape (n,); -1 where `count` candidates are in earlier layers.

    Raises:
        ConfigError: as `non_dominated`.

    Examples:
        >>> from oracle.search import layers
        >>> layers([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]], count=3).tolist()
        [0, 0, 1]
    """
    arrays = _checked(columns, maximise)
    found: Ints = np.full(len(arrays[0]), -1, dtype=np.int64)
    left = np.flatnonzero(~np.any([_is_nan(column) for column in arrays], axis=0))
    flips = maximise or [False] * len(arrays)
    ranks = np.array([_ranks(column[left], flip) for column, flip in zip(arrays, flips, strict=True)])
    for layer in range(count):
        if not len(left):
            break
        front = _front(ranks)
        found[left[front]] = layer
        left, ranks = left[~front], ranks[:, ~front]
    return found


def _checked(columns: Sequence[ArrayLike], maximise: Sequence[bool] | None) -> list[NDArray[np.generic]]:
    arrays = [np.asarray(column) for column in columns]
    if not arrays:
        raise ConfigError("objectives=[]: expected at least one")
    if {column.shape for column in arrays} != {(len(arrays[0]),)}:
        shapes = ", ".join(str(column.shape) for column in arrays)
        raise ConfigError(f"columns of shapes {shapes}: expected one length, and one dimension")
    if maximise is not None and len(maximise) != len(arrays):
        raise ConfigError(f"maximise={list(maximise)!r}: expected one flag for each of {len(arrays)} objectives")
    return arrays


def _is_nan(column: NDArray[np.generic]) -> Flags:
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)


def _ranks(column: NDArray[np.generic], flip: bool) -> Ints:
    """Positions among the distinct values, the best being 0: exact for integers beyond 2**53 too."""
    ranks: Ints = np.unique(column, return_inverse=True)[1].astype(np.int64)
    return np.asarray(ranks.max(initial=0) - ranks if flip else ranks)


def _front(ranks: Ints) -> Flags:
    """Whether each column of (objectives, n) integers is on the minimising front."""
    if len(ranks) == 1:
        return np.asarray(ranks[0] == ranks[0].min())
    hopeful = _hopeful(ranks)
    ranks, count = ranks[:, hopeful], ranks.shape[1]
    # Equal candidates share their fate: one of each is compared, in lexicographic order.
    order = np.lexsort(ranks[::-1])
    ranks = ranks[:, order]
    new = np.concatenate([[True], (ranks[:, 1:] != ranks[:, :-1]).any(axis=0)])
    alone = _SWEEPS.get(len(ranks), _by_blocks)(ranks[:, new])
    found = np.zeros(count, dtype=bool)
    found[hopeful[order]] = alone[np.cumsum(new) - 1]
    return found


def _hopeful(ranks: Ints) -> Ints:
    """Positions of those that the front of a small sample does not dominate: quick, and usually few."""
    left = np.arange(ranks.shape[1])
    if len(left) <= _SAMPLE:
        return left
    sample = ranks[:, :: len(left) // _SAMPLE]
    return _undominated(ranks, left, sample[:, np.flatnonzero(_by_blocks(sample))[:_BLOCK]])


def _undominated(ranks: Ints, left: Ints, points: Ints) -> Ints:
    """The positions among `left` that none of a few points dominates."""
    point: Ints
    for point in points.T[:, :, None]:
        some = ranks[:, left]
        left = left[~((some >= point).all(axis=0) & (some != point).any(axis=0))]
    return left


# The sweeps take distinct candidates in lexicographic order: only an earlier one can dominate a later one.


def _two(ranks: Ints) -> Flags:
    best = np.minimum.accumulate(ranks[1])
    return np.concatenate([[True], ranks[1, 1:] < best[:-1]])


def _three(ranks: Ints) -> Flags:
    """An earlier candidate dominates one that is no better in the other two objectives.

    All go by the second objective, and are split by their places in the order of the first: at each level the
    lower halves threaten those of the upper halves behind them, by the best third objective so far.
    """
    third = ranks[2]
    beyond = int(third.max()) + 1
    alone = np.ones(ranks.shape[1], dtype=bool)
    for ids, start, upper, _ in halvings(np.argsort(ranks[1], kind="stable")):
        # An offset that falls from group to group keeps one running minimum apart for each.
        offset = -start * (beyond + 1)
        own = third[ids]
        best = np.minimum.accumulate(np.where(upper, beyond, own) + offset) - offset
        alone[ids[upper & (best <= own)]] = False
    return alone


def _by_blocks(ranks: Ints) -> Flags:
    """The strongest first, some at a time: those that survive each other thin out the rest."""
    left = np.argsort(ranks.sum(axis=0), kind="stable")  # nobody is dominated by one behind
    alone = np.zeros(ranks.shape[1], dtype=bool)
    while len(left):
        block, left = left[:_BLOCK], left[_BLOCK:]
        some = ranks[:, block]
        no_worse = (some[:, :, None] <= some[:, None, :]).all(axis=0)
        better = (some[:, :, None] < some[:, None, :]).any(axis=0)
        block = block[~(no_worse & better).any(axis=0)]
        alone[block] = True
        left = _undominated(ranks, left, ranks[:, block])
    return alone


_SWEEPS: dict[int, Callable[[Ints], Flags]] = {2: _two, 3: _three}
