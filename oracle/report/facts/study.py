"""Facts about a study: what became of its trials, and how its front grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectiveFacts:
    """An objective.

    Attributes:
        name: with its device if it has one.
        maximise: its direction.
        column: its value, one per candidate.
    """

    name: str
    maximise: bool
    column: Sequence[float]


@dataclass(frozen=True, slots=True)
class ConstraintFacts:
    """A constraint.

    Attributes:
        name: what it says, such as `latency_ms@t4 at most 2`.
        judged: how many trials it judged.
        broken: how many of them broke it.
        alone: how many broke it and no other.
    """

    name: str
    judged: int
    broken: int
    alone: int


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Trials and what became of them; candidates are the feasible ones that were evaluated, in order.

    Attributes:
        objectives: in the study's order.
        outcomes: what became of trials -> how many.
        constraints: most often broken first.
        trials: the number of each candidate's trial.
        front: positions of the candidates that no other beats.
        snapshots: after how many candidates -> the positions on the front then; the last one is `front`.
        progress: per candidate, how good the best so far was: the value of a single objective, or the hypervolume
            that the front dominates as a share of the last one's; empty where neither is known.
        sampler: in words.
    """

    objectives: tuple[ObjectiveFacts, ...]
    outcomes: Mapping[str, int]
    constraints: tuple[ConstraintFacts, ...]
    trials: Sequence[int]
    front: Sequence[int]
    snapshots: Sequence[tuple[int, Sequence[int]]]
    progress: Sequence[float]
    sampler: str
