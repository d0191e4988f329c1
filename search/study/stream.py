"""A space's stream of networks, chunk by chunk, to be judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..space import Space
from ..space.space import Chunk
from .keys import Keys

_SMALL = 200_000  # a space up to this size is judged as a whole and shuffled


def chunks(space: Space, seed: int, keys: Keys, *, in_order: bool, size: int = 0) -> Iterator[Chunk]:
    """The chunks to judge: of the enumeration, of a small space as a whole, or of a stream of draws.

    Args:
        space: of the candidates.
        seed: of the draws.
        keys: that distinguish candidates.
        in_order: as the file of the space lists them.
        size: candidates of a chunk at most, beside what the space says; 0 for no such limit.
    """
    if not in_order and is_small(space):
        space = replace(space, chunk_size=space.length)
    elif not in_order and space.enumerated:
        space = replace(space, num_samples=space.length - 1)  # one less than all, and it is drawn
    if size and not in_order and not is_small(space):
        space = replace(space, chunk_size=min(size, space.chunk_size))
    space = replace(space, seed=seed)
    marks = keys.marks if keys.training else None
    size = space.chunk_size
    return (space.networks(space.sample(i * size, size), i * size, marks) for i in range(space.chunks))


def is_small(space: Space) -> bool:
    """Whether a space is judged as a whole, and not by drawing from it."""
    return space.enumerated and space.length <= _SMALL
