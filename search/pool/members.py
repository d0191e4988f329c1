"""Feasible, distinct members of a space, found by the closed form and described for a surrogate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.many import population_of
from oracle.families.population import Population

from ..limits import OracleLimits
from ..space import Choice, Entries, Number, Space, Tally, judge
from ..space.expressions import columns_of
from ..space.samplers import as_column
from ..space.space import config_at
from ..study.grid import Grid
from ..study.keys import Keys
from ..study.params import Parameters
from ..study.stream import chunks, is_small
from .features import raw_blocks
from .identity import connected, identities

Ints = NDArray[np.int64]

Prior = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]
"""(n,) what members with some features are expected to be worth."""

DISCONNECTED = "a path from the cell's input to its output"


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Some members, each feasible and of another identity than the others.

    Attributes:
        keys: what each is to an evaluation (`search.pool.identity`).
        columns: dotted key -> (n,) or (n, length) values.
        scores: `params`, `latency_ms@t4`, ... -> (n,) values.
        blocks: (n, columns) features, not yet scaled.
        whole: whether no other feasible member exists.
        tally: how many candidates were looked at, and what became of them.
    """

    keys: list[str] = field(repr=False)
    columns: Mapping[str, NDArray[Any]] = field(repr=False)
    scores: Mapping[str, NDArray[np.float64]] = field(repr=False)
    blocks: tuple[NDArray[np.float32], ...] = field(repr=False)
    whole: bool = False
    tally: Tally = field(default_factory=Tally)

    def __len__(self) -> int:
        return len(self.keys)

    def config(self, row: int) -> dict[str, Any]:
        """Dotted key -> value of one member."""
        return config_at(self.columns, row)

    def expecting(self, priors: Sequence[Prior]) -> Members:
        """The same members, the last block being what priors say of them."""
        if not priors:
            return self
        own = (*self.blocks[:-1], np.zeros((len(self), 0), dtype=np.float32))
        return replace(self, blocks=(*own[:-1], np.stack([prior(own) for prior in priors], axis=1)))

    def take(self, rows: NDArray[np.int64]) -> Members:
        """The members at some positions."""
        return replace(
            self,
            keys=[self.keys[row] for row in rows.tolist()],
            columns={key: column[rows] for key, column in self.columns.items()},
            scores={name: column[rows] for name, column in self.scores.items()},
            blocks=tuple(block[rows] for block in self.blocks),
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where members come from.

    Attributes:
        space: whose members they are.
        limits: what they must obey, those of the space among it, and what scores are for.
        trained: whether training keys of the space distinguish members of one network.
        priors: what each member is expected to be worth, by its other features (`search.pool.warm`).
    """

    space: Space = field(repr=False)
    limits: OracleLimits
    trained: bool = True
    priors: tuple[Prior, ...] = ()

    @property
    def keys(self) -> Keys:
        """What distinguishes candidates that differ in more than the spelling of a graph."""
        return Keys(self.space, Grid(Parameters.of(self.space)), trained=self.trained)

    def drawn(self, size: int, seed: int) -> Members:
        """At least `size` members, or all that there are: a small finite space whole, else from a stream of draws.

        Args:
            size: members wanted.
            seed: of the stream; equal seeds give equal members, and more members begin with fewer.
        """
        parts: list[Members] = []
        found = 0
        for chunk in chunks(self.space, seed, self.keys, in_order=False):
            members, _ = self._judged(chunk.columns, chunk.population, chunk.tally)
            parts.append(distinct(members))
            found += len(parts[-1])
            if found >= size:
                break
        return replace(united(parts), whole=is_small(self.space))

    def of_configs(self, configs: Sequence[Mapping[str, Any]]) -> tuple[Members, Ints]:
        """Those of some configs that are feasible members, repeated ones too, and their positions, ascending."""
        columns = _columns(self.space, configs)
        population, rows, rejected = population_of(self.space.base, columns, self.space.num_stages)
        if not len(rows):
            return Members([], {}, {}, (), tally=Tally(len(configs), 0, rejected)), rows
        columns = {key: column[rows] for key, column in columns.items()}
        members, kept = self._judged(columns, population, Tally(len(configs), 0, rejected))
        return members, rows[kept]

    def _judged(
        self, columns: Mapping[str, NDArray[Any]], population: Population, tally: Tally
    ) -> tuple[Members, Ints]:
        """The feasible ones of some networks, and their positions."""
        scored = self.limits.scores(population)
        feasible, judged = judge(self.limits.limits, scored, population.size)
        joined = connected(population)
        if not joined.all():
            judged = replace(judged, feasible=int((feasible & joined).sum()))
            judged += Tally(0, 0, {DISCONNECTED: int((~joined).sum())})
        rows = np.flatnonzero(feasible & joined)
        population = population.take(rows)
        columns = {key: column[rows] for key, column in columns.items()}
        scores = {name: column[rows].astype(np.float64) for name, column in columns_of(scored).items()}
        keys = identities(self.keys, columns, population)
        blocks = raw_blocks(self.space, columns, scores, population)
        return Members(keys, columns, scores, blocks, tally=tally + judged).expecting(self.priors), rows


def distinct(members: Members) -> Members:
    """One member of each identity: the least latency on the first device, or MACs, then traffic, then the first."""
    if len(set(members.keys)) == len(members):
        return members
    timed = next((column for name, column in members.scores.items() if name.startswith("latency_ms@")), None)
    cost = members.scores["macs"] if timed is None else timed
    best: dict[str, int] = {}
    for row in np.lexsort((members.scores["traffic_bytes"], cost)).tolist():
        best.setdefault(members.keys[row], row)
    return members.take(np.sort(np.array(list(best.values()), dtype=np.int64)))


def united(parts: Sequence[Members]) -> Members:
    """All members, each once; of equal ones the first."""
    together = Members(
        [key for part in parts for key in part.keys],
        {key: np.concatenate([part.columns[key] for part in parts]) for key in parts[0].columns},
        {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores},
        tuple(np.concatenate(blocks) for blocks in zip(*(part.blocks for part in parts), strict=True)),
        tally=sum((part.tally for part in parts[1:]), parts[0].tally),
    )
    first: dict[str, int] = {}
    for row, key in enumerate(together.keys):
        first.setdefault(key, row)
    return together if len(first) == len(together) else together.take(np.array(list(first.values()), dtype=np.int64))


def _columns(space: Space, configs: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Columns of configs, of the types that the space's own stream has."""
    return {key: _column(sampler, [config[key] for config in configs]) for key, sampler in space.samplers}


def _column(sampler: Number | Choice | Entries, values: Sequence[Any]) -> NDArray[Any]:
    if isinstance(sampler, Entries):
        parts = zip(*values, strict=True)
        return np.stack([_column(item, part) for item, part in zip(sampler.items, parts, strict=True)], axis=1)
    if isinstance(sampler, Choice):
        return as_column(tuple(tuple(value) if isinstance(value, list) else value for value in values))
    return np.array(values, dtype=np.int64 if sampler.integer else np.float64)
