"""Feasible members of a space, found by the closed form: thousands of candidates are judged at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from oracle.errors import ConfigError

from ..space import Tally
from ..space.space import REPEATED, Chunk
from .candidates import Gate, key_of
from .stream import chunks, is_small

__all__ = ["Member", "Pool", "nothing_feasible"]

_NEAREST_OF = 2_000  # members compared when the nearest is wanted
_PATIENCE = 10_000_000  # draws in a row without a new feasible network, about a minute, after which there is none

Seen = Callable[[int, int], None]
"""Told how many candidates have been looked at, and how many there are to look at."""


@dataclass(frozen=True, slots=True)
class Member:
    """A feasible member of the space.

    Attributes:
        key: fingerprint of its network.
        config: dotted key -> value.
    """

    key: str
    config: Mapping[str, Any]


class Pool:
    """The stream of a space's feasible members, each network once.

    Attributes:
        tally: what became of the candidates drawn so far.
    """

    def __init__(self, gate: Gate, seed: int, *, in_order: bool = False, seen: Seen | None = None) -> None:
        """Nothing is drawn yet.

        Args:
            gate: what members must pass.
            seed: of the draws.
            in_order: enumerate the space as its file lists it, instead of drawing.
            seen: told about progress.
        """
        self.tally = Tally()
        self._gate = gate
        self._seen = seen or (lambda *_: None)
        self._goal = gate.space.length
        self._chunks = chunks(gate.space, seed, in_order=in_order)
        self._shuffle = None if in_order or not is_small(gate.space) else np.random.default_rng(seed)
        self._rows: deque[tuple[Chunk, int]] = deque()  # feasible, and not yet looked at
        self._members: deque[Member] = deque()
        self._keys: set[str] = set()
        self._patience = math.inf if in_order else _PATIENCE
        self._idle = 0  # draws since the last feasible candidate that may be new

    def probe(self, draws: int) -> Tally:
        """Look at so many candidates, and on until one is feasible or the stream ends.

        What is looked at depends on the space and the seed, and on no clock.
        """
        self._goal = min(draws, self._gate.space.length)
        self._seen(0, self._goal)
        while not (self.tally.feasible and self.tally.drawn >= draws) and self._more():
            if self.tally.drawn >= self._goal:
                self._goal = self._gate.space.length
        self._goal = self._gate.space.length
        return self.tally

    def take(self, taken: Callable[[str], bool], distance: Callable[[Any], float] | None = None) -> Member | None:
        """A member that was not given before and is not taken: the next, or the nearest of some; None at the end.

        Args:
            taken: whether a network, told by its key, is out of question.
            distance: of a config to where a member is wanted.
        """
        while True:
            self._fill(_NEAREST_OF if distance is not None else 1)
            while self._members and taken(self._members[0].key):
                self._members.popleft()
                self._fill(1)
            if self._members and distance is None:
                return self._members.popleft()
            near = [member for member in islice(self._members, _NEAREST_OF) if not taken(member.key)]
            if near and distance is not None:
                nearest = min(near, key=lambda member: distance(member.config))
                self._members.remove(nearest)
                return nearest
            if not self._more():
                return None

    def _more(self) -> bool:
        """Judge another chunk; False when the stream has ended, or has had nothing new for long."""
        chunk = next(self._chunks, None) if self._idle < self._patience else None
        if chunk is None:
            return False
        self.tally += chunk.tally
        self._idle += chunk.tally.drawn
        count = chunk.population.size
        if count:
            feasible, tally = _judged(self._gate, self._gate.score(chunk.population), count)
            self.tally += tally
            rows = [(chunk, int(row)) for row in np.flatnonzero(feasible)]
            if self._shuffle is not None:
                self._shuffle.shuffle(rows)
            self._rows += rows
            self._idle = 0 if self._holds_news(rows) else self._idle
        self._seen(self.tally.drawn, max(self._goal, self.tally.drawn))
        return True

    def _holds_news(self, rows: Sequence[tuple[Chunk, int]]) -> bool:
        return any(key_of(chunk.prints[:, row]) not in self._keys for chunk, row in rows)

    def _fill(self, count: int) -> None:
        """Make members of feasible rows until there are so many, or no rows."""
        while len(self._members) < count and self._rows:
            chunk, row = self._rows.popleft()
            key = key_of(chunk.prints[:, row])
            if key not in self._keys:
                self._keys.add(key)
                self._members.append(Member(key, {name: _value(column[row]) for name, column in chunk.columns.items()}))


def _judged(gate: Gate, scores: Any, count: int) -> Any:
    from ..space import judge

    return judge(gate.bounds, scores, count)


def _value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


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
    """The constraint that rejects the largest share of those it was asked about; limits see networks only."""
    counts = {name: count for name, count in tally.rejected.items() if name != REPEATED}
    scored = tally.drawn - sum(count for name, count in tally.rejected.items() if name not in tally.nearest)
    shares = {name: count / max(1, scored if name in tally.nearest else tally.drawn) for name, count in counts.items()}
    return max(shares, key=lambda name: shares[name], default="")
