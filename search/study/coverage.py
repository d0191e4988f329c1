"""How much of a space a study without evaluations has seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from optuna import Study

LARGEST_FRONT = 5_000
"""Members of a front that are kept."""

_ATTRIBUTE = "exact"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a space an enumeration has seen.

    Attributes:
        drawn: candidates of the enumeration, or draws.
        feasible: of those, networks that are distinct in their chunk and obey the limits.
        neighbours: candidates that were judged besides, around the best.
        members: combinations that the space has; None where a range is continuous.
        whole: whether the space is enumerated, and not drawn from.
        chunks: of the stream that are done.
        kept: how many of the best are trials; 0 for a whole front.
        gain: by how much the last round improved the best value, as a share of it, or the hypervolume of the front
            (measured from the worst value of each objective on it); None where it is not known: after one round, or
            with more than three objectives.
        thinned: whether the front has more members than are kept.
        done: whether nothing is left to draw.
    """

    drawn: int = 0
    feasible: int = 0
    neighbours: int = 0
    members: int | None = None
    whole: bool = False
    chunks: int = 0
    kept: int = 0
    gain: float | None = None
    thinned: bool = False
    done: bool = False

    @classmethod
    def of(cls, study: Study) -> Coverage | None:
        """Of a study; None where it was not enumerated."""
        values = study.user_attrs.get(_ATTRIBUTE)
        return cls(**values) if values else None

    def keep(self, study: Study) -> None:
        """Write it to its study."""
        study.set_user_attr(_ATTRIBUTE, asdict(self))

    def __str__(self) -> str:
        if self.whole and self.done:
            found = (
                f"Exact: all {self.drawn:,} members of the space were looked at, {self.feasible:,} of them feasible."
            )
        else:
            there = "a continuous space"
            if self.members is not None:
                there = f"{self.members:,} combinations ({self.drawn / self.members:.2g} of them)"
            found = f"The best of {self.drawn:,} candidates out of {there}, {self.feasible:,} of them feasible"
            found += f", and of {self.neighbours:,} around the best." if self.neighbours else "."
            if self.gain is not None:
                what = "best value" if self.kept else "hypervolume of the front"
                found += f" The last doubling improved the {what} by {self.gain:.2%}."
        if self.thinned:
            found += f" The front has more than the {LARGEST_FRONT:,} members that are kept."
        return found if self.done else f"{found} Not finished: `oracle-search resume` goes on."
