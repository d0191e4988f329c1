"""Feasible members of a space, found by the closed form: thousands of candidates are judged at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import ConfigError
from oracle.query.many import Scores

from ..space import Tally, judge
from ..space.expressions import columns_of
from ..space.space import REPEATED, Chunk, config_at
from .candidates import Candidate, Gate
from .stream import chunks, is_small
from .words import STRUCTURE

_PATIENCE = 10_000_000  # draws in a row without a new feasible candidate, about a minute, after which there is none
_MEMBERS = 2_000  # members among which the nearest is looked for; more once half of them are taken
_DRAWS = 1_000_000  # that are spent on so many
_PARENTS = 512  # members whose neighbours are judged at a time
_REACH = 16  # steps to the farthest of these neighbours
_LARGEST = 100_000  # members; beyond, there are more only when all are taken
_NEAR = 64  # members that are sorted by their distance; more where all of these are taken

Seen = Callable[[int, int], None]
"""Called with how many candidates have been looked at, and how many there are to look at."""
Taken = Callable[[str], bool]
"""Whether a candidate, by its key, was or is being evaluated."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Feasible candidates of one chunk.

    Attributes:
        columns: dotted key -> config values.
        keys: of each, see `search.study.keys`.
        scores: name -> values.
        bounds: name of a bound -> the scores that it is about.
    """

    columns: Mapping[str, NDArray[Any]]
    keys: list[str]
    scores: Mapping[str, NDArray[Any]]
    bounds: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, gate: Gate, chunk: Chunk, scores: Scores, rows: NDArray[np.int64]) -> Rows:
        """Some candidates of a scored chunk."""
        columns = {key: column[rows] for key, column in chunk.columns.items()}
        found = {name: column[rows] for name, column in columns_of(scores).items()}
        bounds = {bound.name: bound.column(scores)[rows] for bound in gate.limits.limits}
        return cls(columns, gate.keys.many(chunk.prints[:, rows], columns), found, bounds)

    def taken(self, rows: NDArray[np.int64]) -> Rows:
        """Some of them."""

        def own(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {name: column[rows] for name, column in columns.items()}

        return Rows(own(self.columns), [self.keys[row] for row in rows], own(self.scores), own(self.bounds))

    def candidate(self, gate: Gate, row: int) -> Candidate:
        """One of them."""
        return Candidate(
            config=config_at(self.columns, row),
            key=self.keys[row],
            scores={name: column[row].item() for name, column in self.scores.items()},
            violations={STRUCTURE: 0.0}
            | {bound.name: bound.violation(float(self.bounds[bound.name][row])) for bound in gate.limits.limits},
        )


class Pool:
    """Feasible members of a space, each once: a stream of them, and those that were met as points.

    What is in it depends on the space, the seed and the calls made, and on no clock.

    Args:
        gate: what members must pass.
        seed: of the draws.
        in_order: enumerate the space as its file lists it, instead of drawing.
        points: keep members as points, so that the nearest can be found.
        seen: called with the progress.
        chunk: candidates to draw at a time, at most; 0 for as many as the space says.

    Attributes:
        tally: what became of the candidates drawn so far.
    """

    def __init__(
        self,
        gate: Gate,
        seed: int,
        *,
        in_order: bool = False,
        points: bool = False,
        seen: Seen | None = None,
        chunk: int = 0,
    ) -> None:
        self.tally = Tally()
        self._gate, self._points = gate, points
        self._seen = seen or (lambda *_: None)
        self._goal = gate.space.length
        self._chunks: Iterator[Chunk] = chunks(gate.space, seed, gate.keys, in_order=in_order, size=chunk)
        self._whole = is_small(gate.space)
        self._shuffle = None if in_order or not self._whole else np.random.default_rng(seed)
        self._blocks: list[Rows] = []
        self._keys: set[str] = set()
        self._patience = math.inf if in_order else _PATIENCE
        self._idle = 0  # draws since the last feasible candidate that was new
        self._at = 0, 0  # block and row that come next in the stream
        self._places = np.empty((0, len(gate.grid.axes)))
        self._units = np.empty((0, len(gate.grid.axes)), dtype=np.float32)
        self._where: list[tuple[int, int]] = []  # block and row of each point
        self._expanded = 0  # members whose neighbours were judged

    def probe(self, draws: int) -> Tally:
        """Look at so many candidates, and on until one is feasible or the stream ends."""
        self._goal = min(draws, self._gate.space.length)
        self._seen(0, self._goal)
        while not (self.tally.feasible and self.tally.drawn >= draws) and self._draw():
            if self.tally.drawn >= self._goal:
                self._goal = self._gate.space.length
        self._goal = self._gate.space.length
        return self.tally

    def next(self, taken: Taken, skip: int = 0) -> Candidate | None:
        """The next member of the stream that is not taken; None at its end.

        Args:
            taken: which candidates are out of question.
            skip: leave out so many that are not, as far as they are there already: workers that begin together
                are not to choose the same.
        """
        while True:
            block, row = self._at
            if block < len(self._blocks):
                keys = self._blocks[block].keys
                free = (i for i in range(row, len(keys)) if not taken(keys[i]))
                found = [i for i, _ in zip(free, range(skip + 1), strict=False)]
                if found:
                    self._at = (block, found[0] + (skip == 0))
                    return self._blocks[block].candidate(self._gate, found[-1])
                self._at = (block + 1, 0)
                if not self._points:
                    self._blocks[block] = self._blocks[block].taken(np.empty(0, dtype=np.int64))
            elif not self._draw():
                return None

    def nearest(self, params: Mapping[str, Any], taken: Taken, known: int) -> Candidate | None:
        """The member that is not taken whose parameters are nearest; None where none is left.

        Args:
            params: of a trial, feasible or not.
            taken: which candidates are out of question.
            known: how many these are: there are at least twice as many members, if the space has them.
        """
        wanted = min(max(_MEMBERS, 2 * known), _LARGEST)
        while len(self._where) < wanted and self._grow():
            pass
        while True:
            found = self._nearest_free(params, taken)
            if found is not None:
                block, row = self._where[found]
                return self._blocks[block].candidate(self._gate, row)
            if not self._grow(patient=True):
                return None

    def _nearest_free(self, params: Mapping[str, Any], taken: Taken) -> int | None:
        if not self._where:
            return None
        away = self._gate.grid.distances(self._units, params)
        for count in (min(_NEAR, len(away)), len(away)):
            near = np.flatnonzero(away <= np.partition(away, count - 1)[count - 1])
            for place in near[np.argsort(away[near], kind="stable")].tolist():
                block, row = self._where[place]
                if not taken(self._blocks[block].keys[row]):
                    return int(place)
        return None

    def _grow(self, *, patient: bool = False) -> bool:
        """One step towards more members, the neighbours of those there are before more draws; False at the end."""
        if self._expanded < len(self._where) and not self._whole:
            self._expand()
            return True
        return (patient or self.tally.drawn < _DRAWS) and self._draw()

    def _expand(self) -> None:
        """Judge the neighbours of some members."""
        grid = self._gate.grid
        parents = self._places[self._expanded : self._expanded + _PARENTS]
        self._expanded += len(parents)
        places = np.unique(grid.neighbours(parents, _REACH), axis=0)
        marks = self._gate.keys.marks if self._gate.keys.training else None
        if len(places):
            self._add(self._gate.space.networks(grid.columns(places), marks=marks))

    def _draw(self) -> bool:
        """Judge another chunk; False when the stream has ended, or has had nothing new for long."""
        chunk = next(self._chunks, None) if self._idle < self._patience else None
        if chunk is None:
            return False
        self._idle += chunk.tally.drawn
        self.tally += chunk.tally
        self.tally += self._add(chunk)
        self._seen(self.tally.drawn, max(self._goal, self.tally.drawn))
        return True

    def _add(self, chunk: Chunk) -> Tally:
        """Keep what is feasible and new."""
        count = chunk.population.size
        if not count:
            return Tally()
        scores = self._gate.limits.scores(chunk.population)
        feasible, tally = judge(self._gate.limits.limits, scores, count)
        rows = np.flatnonzero(feasible)
        if self._shuffle is not None:
            self._shuffle.shuffle(rows)
        found = Rows.of(self._gate, chunk, scores, rows)
        new = np.array([i for i, key in enumerate(found.keys) if key not in self._keys], dtype=np.int64)
        if len(new):
            self._idle = 0
            kept = found.taken(new)
            self._keys.update(kept.keys)
            self._blocks.append(kept)
            if self._points:
                places = self._gate.grid.places(kept.columns)
                self._places = np.concatenate([self._places, places])
                self._units = np.concatenate([self._units, self._gate.grid.units(places)])
                self._where += [(len(self._blocks) - 1, row) for row in range(len(new))]
        return tally


def nothing_feasible(tally: Tally, labels: Mapping[str, str]) -> ConfigError:
    """The error that says which constraint is tightest, how many it rejects, and how near the nearest came.

    Args:
        tally: of the candidates.
        labels: constraint -> what it is called.
    """
    tally = replace(
        tally,
        rejected={labels.get(name, name): count for name, count in tally.rejected.items()},
        nearest={labels.get(name, name): miss for name, miss in tally.nearest.items()},
        closest={labels.get(name, name): miss for name, miss in tally.closest.items()},
    )
    total, *reasons = tally.explain().splitlines()
    tightest = _tightest(tally)
    reasons.sort(key=lambda reason: not reason.startswith(f"{tightest} rejects"))
    return ConfigError(
        f"nothing is feasible, and nothing was evaluated: {total}; tightest: {'; '.join(reasons)}", key="CONSTRAINTS"
    )


def _tightest(tally: Tally) -> str:
    """The constraint that rejects the largest share of those it judged; limits see networks only."""
    counts = {name: count for name, count in tally.rejected.items() if name != REPEATED}
    scored = tally.drawn - sum(count for name, count in tally.rejected.items() if name not in tally.nearest)
    shares = {name: count / max(1, scored if name in tally.nearest else tally.drawn) for name, count in counts.items()}
    return max(shares, key=lambda name: shares[name], default="")
