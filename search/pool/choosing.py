"""Which candidate to evaluate next: pure functions of what was evaluated and of what is known about candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle._fronts import non_dominated

from .acquisition import expected_area, expected_excess
from .surrogate import Blocks, Factor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WHOLE = 6_000
"""Members up to which a pool is predicted whole."""

_SHORT = 2_048
"""Candidates that are predicted of a larger one, for one choice."""

_DRAWS = 64  # of several objectives at once
_BINS = 16  # of a known objective, in each of which some candidates are kept


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """What is known to be so.

    Attributes:
        blocks: (n, columns) scaled features each.
        values: (n, k) objectives, larger being better.
    """

    blocks: Blocks
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Ints) -> Evaluations:
        """Those at some positions."""
        return Evaluations([block[rows] for block in self.blocks], self.values[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What can be chosen.

    Attributes:
        blocks: (m, columns) scaled features each.
        known: (m, k) objectives, larger being better; nan for those that must be evaluated.
        norms: (m,) squared lengths of the features.
        bins: positions by parts of the range of the first known objective; all in one where none is known.
    """

    blocks: Blocks
    known: Floats
    norms: NDArray[np.float32]
    bins: tuple[Ints, ...] = ()

    @classmethod
    def of(cls, blocks: Blocks, known: Floats, *, binned: bool = False) -> Candidates:
        """Candidates with these features; bins are for pools."""
        norms = sum((np.einsum("md,md->m", block, block) for block in blocks), np.zeros(len(known), dtype=np.float32))
        return cls(blocks, known, norms, _bins(known) if binned else ())

    def __len__(self) -> int:
        return len(self.known)

    def take(self, rows: Ints) -> Candidates:
        """Those at some positions."""
        return Candidates([block[rows] for block in self.blocks], self.known[rows], self.norms[rows])

    def joined(self, other: Candidates) -> Candidates:
        """These and others, in this order."""
        pairs = zip(self.blocks, other.blocks, strict=True)
        return Candidates(
            [np.concatenate(pair) for pair in pairs],
            np.concatenate([self.known, other.known]),
            np.concatenate([self.norms, other.norms]),
        )


def opening(candidates: Candidates, taken: Blocks, promise: Floats) -> int:
    """The candidate to evaluate before there is a model: promising, and far from all that is taken.

    Args:
        candidates: what can be chosen.
        taken: features of what was chosen before.
        promise: (m,) what is expected to grow with quality (the logarithm of MACs), before anything is evaluated.
    """
    order = np.argsort(np.argsort(promise, kind="stable"), kind="stable") / max(1, len(promise) - 1)
    if not len(taken[0]):
        return int(order.argmax())
    total = np.zeros((len(candidates), len(taken[0])), dtype=np.float32)
    for own, other in zip(candidates.blocks, taken, strict=True):
        total += np.einsum("md,md->m", own, own)[:, None] + np.einsum("nd,nd->n", other, other) - 2 * own @ other.T
    nearest = np.sqrt(np.maximum(total.min(axis=1), 0.0))
    return int((nearest * (0.5 + order)).argmax())


def subset(values: Floats, most: int) -> Ints:
    """Ascending positions of at most so many evaluations: half of them the best, the others spread over time.

    Args:
        values: (n, k) objectives, larger being better; of several, the front is the best.
        most: how many.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    columns = list(values.T)
    behind = ~non_dominated(columns, [True] * len(columns))
    ranks = np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0, kind="stable").min(axis=1)
    best = np.lexsort((ranks, behind))[: most // 2]
    rest = np.setdiff1d(np.arange(count), best)
    spread = np.linspace(0, len(rest) - 1, most - most // 2).astype(np.int64)
    return np.sort(np.concatenate([best, rest[spread]]))


def tamed(values: Floats) -> Floats:
    """Values with the worst of them raised: what fails altogether says little about differences near the best."""
    middle = np.median(values)
    raised: Floats = np.maximum(values, middle - 2 * max(values.max() - middle, 1e-12))
    return raised


def shortlist(pool: Candidates, evaluations: Evaluations, rng: np.random.Generator) -> Ints:
    """Ascending positions of the members of a pool that are worth a prediction.

    Half of them promise most by a ridge regression on the same features, among members of like known objectives; a
    quarter are next to the best evaluated; the rest is drawn.

    Args:
        pool: all members, taken or not, with bins.
        evaluations: what is known.
        rng: of the draws.
    """
    count = len(pool)
    if count <= _WHOLE:
        return np.arange(count)
    learnt = np.concatenate(list(evaluations.blocks), axis=1)
    chosen = [rng.integers(count, size=_SHORT // 4)]
    modelled = np.flatnonzero(np.isnan(pool.known).all(axis=0))
    gram = learnt @ learnt.T
    gram.flat[:: len(learnt) + 1] += 0.1
    for column in modelled:
        values = tamed(evaluations.values[:, column])
        slope = learnt.T @ np.linalg.solve(gram, (values - values.mean()).astype(np.float32))
        chosen += _best_of_each(_product(pool.blocks, slope), pool.bins, _SHORT // 2 // len(modelled))
        best = learnt[values.argmax()]
        near = pool.norms - 2 * _product(pool.blocks, best)
        share = _SHORT // 4 // len(modelled)
        chosen.append(np.argpartition(near, share)[:share])
    return np.unique(np.concatenate(chosen))


def _product(blocks: Blocks, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m,) features times weights, which lie one block after the other."""
    total, start = np.zeros(len(blocks[0]), dtype=np.float32), 0
    for block in blocks:
        total += block @ weights[start : start + block.shape[1]]
        start += block.shape[1]
    return total


def _bins(known: Floats) -> tuple[Ints, ...]:
    """Positions by parts of the range of the first known objective, equally many in each."""
    there = np.flatnonzero(~np.isnan(known).any(axis=0))
    if not len(there):
        return (np.arange(len(known)),)
    return tuple(np.array_split(np.argsort(known[:, there[0]], kind="stable"), _BINS))


def _best_of_each(promise: NDArray[np.float32], bins: tuple[Ints, ...], count: int) -> list[Ints]:
    share = max(1, count // len(bins))
    return [rows if len(rows) <= share else rows[np.argpartition(-promise[rows], share)[:share]] for rows in bins]


def choose(
    candidates: Candidates,
    evaluations: Evaluations,
    running: Candidates,
    factors: Sequence[Factor | None],
    rng: np.random.Generator,
) -> int:
    """The position of the candidate that promises most.

    Args:
        candidates: what can be chosen.
        evaluations: at least one, unless all objectives are known.
        running: under way: they count as if they had brought what is expected (kriging believer; Ginsbourger, Le Riche
            and Carraro, 2010).
        factors: of the surrogate of each objective, None for those that are known.
        rng: of the weights of three and more objectives.
    """
    count, objectives = len(candidates), len(factors)
    mean, deviation = np.zeros((count, objectives)), np.zeros((count, objectives))
    values = np.empty((len(evaluations) + len(running), objectives))
    worst = np.empty(objectives)
    for column, factor in enumerate(factors):
        if factor is None:
            mean[:, column] = candidates.known[:, column]
            values[:, column] = np.concatenate([evaluations.values[:, column], running.known[:, column]])
            worst[column] = min(candidates.known[:, column].min(), values[:, column].min(initial=np.inf))
            continue
        own = tamed(evaluations.values[:, column])
        fitted = factor.fit(own)
        if len(running):
            own = np.concatenate([own, fitted.mean(running.blocks)])
            fitted = factor.extended(running.blocks).fit(own)
        values[:, column] = own
        worst[column] = own.min()
        mean[:, column], deviation[:, column] = fitted.predict(candidates.blocks)
    return _largest(_promises(mean, deviation, values, worst, rng), mean + deviation)


def _promises(mean: Floats, deviation: Floats, values: Floats, worst: Floats, rng: np.random.Generator) -> Floats:
    if mean.shape[1] == 1:
        return expected_excess(mean[:, 0], deviation[:, 0], values[:, 0].max(initial=worst[0]))
    spans = np.maximum(np.concatenate([values, mean]).max(axis=0) - worst, 1e-12)
    reference = worst - 0.01 * spans
    if mean.shape[1] == 2:
        return expected_area(mean, deviation, values, reference)
    return _expected_scalar((mean - reference) / spans, deviation / spans, (values - reference) / spans, rng)


def _expected_scalar(mean: Floats, deviation: Floats, values: Floats, rng: np.random.Generator) -> Floats:
    """Expected improvement of an augmented Chebyshev scalarisation with random weights (Knowles' ParEGO, 2006).

    The exact expected hypervolume takes a number of boxes that is exponential in the objectives; this takes draws.
    """
    weights = np.maximum(rng.dirichlet(np.ones(mean.shape[1])), 1e-3)

    def scalar(points: Floats) -> Floats:
        shares = points / weights
        return np.asarray(shares.min(axis=-1) + 0.05 * points.sum(axis=-1))

    best = scalar(values).max(initial=0.0)
    total = np.zeros(len(mean))
    for draw in rng.standard_normal((_DRAWS, mean.shape[1])):
        total += np.maximum(scalar(mean + deviation * draw) - best, 0.0)
    return total / _DRAWS


def _largest(promises: Floats, otherwise: Floats) -> int:
    """The position of the largest promise; where nothing promises anything, of the largest optimistic sum."""
    if promises.max() > 0:
        return int(promises.argmax())
    spread = np.maximum(np.ptp(otherwise, axis=0), 1e-12)
    return int((otherwise / spread).sum(axis=1).argmax())
