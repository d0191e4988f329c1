"""A space's stream of networks in batches to be judged: whole chunks, or a few at a time where each is traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Population
from oracle.query.many import shared_store
from search.space import Space, Tally
from search.space.space import Chunk

__all__ = ["Batch", "batches", "is_small"]

Ints = NDArray[np.int64]

_SMALL = 200_000  # a space up to this size is judged as a whole and shuffled
_BATCH = 100  # candidates judged at a time where each is traced, which takes a second or two


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Networks to be judged at once.

    Attributes:
        chunk: that they are of.
        rows: their places in it, ascending.
        tally: of the draws that are accounted for with them.
        traced: whether each is traced, for want of templates.
    """

    chunk: Chunk
    rows: Ints
    tally: Tally
    traced: bool

    @property
    def population(self) -> Population:
        """The networks."""
        everyone = self.chunk.population
        return everyone if len(self.rows) == everyone.size else everyone.take(self.rows)


def batches(space: Space, seed: int, *, in_order: bool) -> Iterator[Batch]:
    """The stream; networks that are traced come at random, unless the space is gone through in order."""
    draw = np.random.default_rng(seed)
    for source, index in _chunks(space, seed, in_order=in_order):
        chunk = source.chunk(index)
        rows = np.arange(chunk.population.size)
        if not _is_structural(chunk.population):
            yield Batch(chunk, rows, chunk.tally, traced=False)
            continue
        if not in_order:
            draw.shuffle(rows)
        yield from _in_batches(chunk, rows)


def is_small(space: Space) -> bool:
    """Whether a space is judged as a whole, and not by drawing from it."""
    return space.enumerated and space.length <= _SMALL


def _chunks(space: Space, seed: int, *, in_order: bool) -> Iterator[tuple[Space, int]]:
    """The chunks to judge: of the enumeration, of a small space as a whole, or of a stream of draws."""
    if not in_order and is_small(space):
        space = replace(space, chunk_size=space.length)
    elif not in_order and space.enumerated:
        space = replace(space, num_samples=space.length - 1)  # one less than all, and it is drawn
    space = replace(space, seed=seed)
    for index in range(space.chunks):
        yield space, index


def _in_batches(chunk: Chunk, order: Ints) -> Iterator[Batch]:
    """A chunk in parts; the draws that were no networks of their own are accounted for with the last."""
    starts = range(0, max(len(order), 1), _BATCH)
    for start in starts[:-1]:
        yield Batch(chunk, np.sort(order[start : start + _BATCH]), Tally(_BATCH), traced=True)
    accounted = Tally(-_BATCH * (len(starts) - 1))
    yield Batch(chunk, np.sort(order[starts[-1] :]), chunk.tally + accounted, traced=True)


def _is_structural(population: Population) -> bool:
    """Whether it has cells that no template can stand for, so that each is traced."""
    kinds = {group.kind for place in population.places for group in place} - shared_store().kinds()
    if not kinds:
        return False
    from oracle.cells import is_structural  # needs torch, which templates do not

    return any(map(is_structural, kinds))
