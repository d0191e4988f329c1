"""A design space and its stream of candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from yacs.config import CfgNode

from oracle._memory import keep_freed_arrays
from oracle.config import cfg_from_dict
from oracle.families.decoder import call_of
from oracle.families.fingerprint import Fingerprints, fingerprints, first_of_each
from oracle.families.many import DTYPES, population_of
from oracle.families.many.groups import plain
from oracle.families.population import Population

from .limits import Limit, Tally, judge
from .samplers import Choice, Entries, Number, Sampler, cardinality, draw, member
from .stages import likely_rows

Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

REPEATED = "repeated"


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The networks of one chunk of the stream, each once.

    Attributes:
        rows: their positions in the stream, ascending.
        columns: dotted key -> their values.
        population: as cells.
        prints: (2, n) fingerprints, which show that chunks share a network.
        tally: how many were drawn, and what became of the others.
    """

    rows: Ints
    columns: Columns
    population: Population
    prints: Fingerprints
    tally: Tally


@dataclass(frozen=True, slots=True)
class Space:
    """Which networks there are to choose from, and what they may cost.

    Attributes:
        name: for people.
        base: a network config; samplers replace its values.
        samplers: (dotted key, sampler) pairs.
        limits: on scores.
        num_stages: fewest and most stages of a RegNet, which then skips no width level; None for any.
        num_configs: feasible candidates wanted, 0 for all.
        num_samples: candidates drawn at most.
        chunk_size: candidates per chunk of the stream.
        seed: of the stream.
        setup: the SETUP section that says the same; `{"SETUP": setup}` makes an equal space.
    """

    name: str = field(compare=False)
    base: CfgNode = field(repr=False, hash=False)
    samplers: tuple[tuple[str, Sampler], ...]
    limits: tuple[Limit, ...]
    num_stages: tuple[int, int] | None
    num_configs: int
    num_samples: int
    chunk_size: int
    seed: int
    setup: Mapping[str, Any] = field(repr=False, compare=False, hash=False)

    @property
    def size(self) -> int | None:
        """How many combinations of values there are; None where numbers are drawn from ranges."""
        sizes = [cardinality(sampler) for _, sampler in self.samplers]
        return prod(size for size in sizes if size) if all(sizes) else None

    @property
    def enumerated(self) -> bool:
        """Whether the stream goes through every combination once, the last key changing fastest."""
        return self.size is not None and self.size <= self.num_samples

    @property
    def length(self) -> int:
        """Candidates in the stream."""
        return self.size if self.size is not None and self.enumerated else self.num_samples

    @property
    def chunks(self) -> int:
        """Chunks in the stream."""
        return -(-self.length // self.chunk_size)

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that limits are on."""
        return tuple(dict.fromkeys(limit.device for limit in self.limits if limit.device))

    @property
    def tokens(self) -> int:
        """Of decoders, tokens of each sequence in a call; 0 for networks of images."""
        return call_of(self.base).tokens if self.base.MODEL.TYPE == "decoder" else 0

    @property
    def stated_dtypes(self) -> tuple[str, ...]:
        """The types that cells of its members may have beside the workload's."""
        drawn = [
            sampler.values for key, sampler in self.samplers if key.startswith(DTYPES) and isinstance(sampler, Choice)
        ]
        return tuple(dict.fromkeys(str(word) for words in [self.base.COST.DTYPES.values(), *drawn] for word in words))

    @property
    def image_size(self) -> int:
        """Side of the largest image among the members, in pixels."""
        samplers, sides = dict(self.samplers), [0]
        for key in ("OFA.RESOLUTION", "TRAIN.IM_SIZE"):  # the first that is set is a network's
            section, name = key.split(".")
            sampler = samplers.get(key)
            if isinstance(sampler, Choice):
                sides = [int(value) for value in sampler.values]
            else:
                sides = [int(sampler.high if isinstance(sampler, Number) else self.base[section][name])]
            if any(sides):
                break
        return max(sides)

    def sample(self, start: int, count: int) -> Columns:
        """Dotted key -> values of the candidates from `start` on, up to `count`, less at the stream's end.

        Values are (n,) arrays, (n, length) for lists, or objects for lists that differ in length.
        """
        start, stop = max(start, 0), min(start + count, self.length)
        if start >= stop:
            return {key: column[:0] for key, column in self._drawn(0, 1).items()}
        if self.enumerated:
            return self._members(np.arange(start, stop))
        first, last = start // self.chunk_size, (stop - 1) // self.chunk_size
        parts = [self._drawn(chunk, self.chunk_size) for chunk in range(first, last + 1)]
        offset = first * self.chunk_size
        drawn = parts[0]
        if len(parts) > 1:
            drawn = {key: np.concatenate([part[key] for part in parts]) for key in drawn}
        return {key: column[start - offset : stop - offset] for key, column in drawn.items()}

    def _drawn(self, chunk: int, count: int) -> Columns:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(chunk,)))
        return {key: draw(sampler, rng, count) for key, sampler in self.samplers}

    def _members(self, index: Ints) -> Columns:
        columns = {}
        for key, sampler in reversed(self.samplers):
            size = cardinality(sampler)
            if size is not None and isinstance(sampler, (Choice, Entries)):
                index, digit = np.divmod(index, size)
                columns[key] = member(sampler, digit)
        return {key: columns[key] for key, _ in self.samplers}

    def chunk(self, index: int) -> Chunk:
        """The networks of chunk `index` that exist, obey NUM_STAGES and equal none before them in it."""
        start = index * self.chunk_size
        return self.networks(self.sample(start, self.chunk_size), start)

    def networks(
        self, columns: Columns, start: int = 0, marks: Callable[[Columns], NDArray[np.uint64]] | None = None
    ) -> Chunk:
        """The networks of some candidates that exist, obey NUM_STAGES and equal none before them.

        Args:
            columns: dotted key -> values, as `sample` gives them.
            start: position of the first in the stream.
            marks: of columns, a (n,) word each; candidates with different ones are no equals, whatever their networks.
        """
        keep_freed_arrays()
        drawn = len(next(iter(columns.values())))
        rows, tally = np.arange(drawn), Tally()
        if self.num_stages:
            rows, tally = likely_rows(columns, self.base, self.num_stages, drawn)
            columns = _taken(columns, rows, drawn)
        population, kept, rejected = population_of(self.base, columns, self.num_stages)
        prints = fingerprints(population)
        own = prints if marks is None else prints ^ marks(_taken(columns, kept, len(rows)))
        first = first_of_each(own)
        repeated = population.size - len(first)
        tally += Tally(drawn, 0, rejected | ({REPEATED: repeated} if repeated else {}))
        if repeated:
            population, prints, kept = population.take(first), prints[:, first], kept[first]
        return Chunk(start + rows[kept], _taken(columns, kept, len(rows)), population, prints, tally)

    def judge(self, scores: Any, count: int) -> tuple[NDArray[np.bool_], Tally]:
        """Which of `count` scored candidates obey the limits; `scores` as from `oracle.score_many`."""
        return judge(self.limits, scores, count)

    def cfg(self, columns: Mapping[str, NDArray[Any]], row: int) -> CfgNode:
        """The config of one candidate.

        Raises:
            ConfigError: values that its keys cannot hold.
        """
        overrides = [part for key, column in columns.items() for part in (key, column[row])]
        return cfg_from_dict(self.base, overrides)


def config_at(columns: Mapping[str, NDArray[Any]], row: int) -> dict[str, Any]:
    """Dotted key -> the value of one candidate, as YAML would have it."""
    return plain({key: column[row] for key, column in columns.items()})


def _taken(columns: Columns, rows: Ints, count: int) -> Columns:
    """The values at some ascending positions."""
    return columns if len(rows) == count else {key: column.take(rows, axis=0) for key, column in columns.items()}
