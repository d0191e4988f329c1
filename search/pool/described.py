"""A pool as choices see it: members with scaled features, and with what is known of a study's objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .choosing import Candidates, Evaluations
from .features import Scaling
from .history import Look, stacked
from .members import Members
from .surrogate import Blocks

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Aims:
    """The objectives of a study.

    Attributes:
        known: the names of scores, "" for what must be evaluated.
        signs: 1 to maximise, -1 to minimise.
    """

    known: tuple[str, ...]
    signs: Floats

    @property
    def sure(self) -> NDArray[np.bool_]:
        """(k,) which objectives are known."""
        return np.array([bool(name) for name in self.known])

    def known_of(self, members: Members) -> Floats:
        """(n, k) objectives, larger being better; nan for what must be evaluated."""
        missing = np.full(len(members), np.nan)
        columns = [members.scores[name] if name else missing for name in self.known]
        return np.stack(columns, axis=1) * self.signs

    def known_at(self, looks: Sequence[Look]) -> Floats:
        """The same of some members."""
        rows = [[look.members.scores[name][look.row] if name else np.nan for name in self.known] for look in looks]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.known)) * self.signs


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Members, ready to be compared.

    Attributes:
        members: all of them.
        rows: key -> position.
        scaling: of their features.
        blocks: their features, scaled.
    """

    members: Members
    rows: Mapping[str, int]
    scaling: Scaling
    blocks: Blocks
    _free: NDArray[np.bool_]
    _taken: set[str] = field(default_factory=set)
    _candidates: dict[Any, Candidates] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Members) -> Described:
        """These members, none of them taken."""
        scaling = Scaling.of(members.blocks)
        rows = {key: row for row, key in enumerate(members.keys)}
        return cls(members, rows, scaling, scaling(members.blocks), np.ones(len(members), dtype=bool))

    def free(self, taken: set[str]) -> NDArray[np.bool_]:
        """(n,) whether a member is not taken."""
        for keys, flag in ((taken - self._taken, False), (self._taken - taken, True)):  # a few, of thousands
            self._free[[row for key in keys if (row := self.rows.get(key)) is not None]] = flag
        self._taken.clear()
        self._taken.update(taken)
        return self._free

    def candidates(self, aims: Aims) -> Candidates:
        """All members, with what is known of their objectives."""
        at = (aims.known, aims.signs.tobytes())
        if at not in self._candidates:
            self._candidates.clear()
            self._candidates[at] = Candidates.of(self.blocks, aims.known_of(self.members), binned=True)
        return self._candidates[at]

    def scaled(self, looks: Sequence[Look]) -> Blocks:
        """The features of some members."""
        raw = self.members.blocks
        return self.scaling(
            [part.reshape(len(looks), own.shape[1]) for part, own in zip(stacked(looks, len(raw)), raw, strict=True)]
        )

    def evaluations(self, looks: Sequence[Look], values: Floats, rows: NDArray[np.int64]) -> Evaluations:
        """Some of what was evaluated."""
        return Evaluations(self.scaled([looks[row] for row in rows.tolist()]), values[rows])
