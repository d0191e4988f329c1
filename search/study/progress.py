"""How far a run has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .claims import Index
from .files import StudyPlan


@dataclass(frozen=True, slots=True)
class Progress:
    """A study at some moment, and what this worker spent on it.

    Attributes:
        study: its name.
        spent, wanted: evaluations that came to something, and TRIALS.
        outcomes: evaluated, pruned, failed, rejected, reused, ... -> how many trials.
        rejected: constraint -> how many trials broke it.
        best: objective -> the best value of a feasible trial; empty before there is one.
        front: how many feasible trials no other dominates.
        seconds: oracle, sampler, quality, storage -> seconds of this worker.
        probed: candidates that the closed form has looked at, and how many there are to look at; nothing while it
            looks at none.
        message: to print, once.
    """

    study: str
    spent: int
    wanted: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    front: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    probed: tuple[int, int] | None = None
    message: str = ""

    @property
    def evaluations(self) -> str:
        """`40 of 60`; where a study has more than were requested, `40 (12 requested)`."""
        return f"{self.spent:,} " + ("of {:,}" if self.spent <= self.wanted else "({:,} requested)").format(self.wanted)


Watcher = Callable[[Progress], None]


def progress_of(
    plan: StudyPlan,
    index: Index,
    seconds: Mapping[str, float],
    message: str = "",
    probed: tuple[int, int] | None = None,
) -> Progress:
    """The progress that an index shows."""
    return Progress(
        study=plan.name,
        spent=index.spent,
        wanted=plan.trials,
        outcomes=dict(index.counts),
        rejected={plan.labels.get(name, name): count for name, count in index.rejected.items()},
        best=dict(zip((objective.name for objective in plan.objectives), index.best, strict=False)),
        front=len(index.front),
        seconds=dict(seconds),
        probed=probed,
        message=message,
    )
