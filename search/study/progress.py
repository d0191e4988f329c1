"""How far a run has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A study at some moment, and what this worker spent on it.

    Attributes:
        study: its name.
        spent, wanted: evaluations spent, and TRIALS.
        outcomes: evaluated, pruned, failed, rejected, reused, ... -> how many trials.
        rejected: constraint -> how many trials broke it.
        best: the objectives of the best feasible trial (one objective), by name; empty before there is one.
        front: how many feasible trials no other dominates.
        seconds: oracle, sampler, quality, storage -> seconds of this worker.
        message: something to tell, once.
    """

    study: str
    spent: int
    wanted: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    front: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
