"""What a trial of a study holds beside its parameters and values, and how it is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from .candidates import Candidate

# What became of a trial. Its state in optuna follows: rejected trials are COMPLETE, so that every sampler learns
# from their constraint values; an objective that they never got has the worst value there is.
EVALUATED, PRUNED, FAILED = "evaluated", "pruned", "failed"
REJECTED, REUSED, BUSY, LOST = "rejected", "reused", "busy", "lost"
SETTLED = (EVALUATED, PRUNED, FAILED)  # an evaluation was spent; an equal network gets none again
COUNTED = (EVALUATED, PRUNED)  # by TRIALS: a failure says nothing


@dataclass(frozen=True, slots=True)
class Record:
    """A trial, read.

    Attributes:
        number: of the trial.
        state: optuna's.
        outcome: one of the words above, "" while it runs or waits.
        key: fingerprint of the network, "" without one.
        config: dotted key -> value.
        scores: every score on every device of the study.
        constraints: name -> at most 0 where obeyed.
        values: of the objectives, in the study's order; none where there are none.
        quality: None where there is none.
        origin: `sampler`, `closed form` (a feasible member it found), or `retry`.
        reused_from: the trial that evaluated an equal network.
        reason: why it failed, or is no network.
        seconds: `quality`: what its evaluation took.
    """

    number: int
    state: TrialState
    outcome: str
    key: str
    config: Mapping[str, Any]
    scores: Mapping[str, float]
    constraints: Mapping[str, float]
    values: Sequence[float]
    quality: float | None
    origin: str
    reused_from: int | None
    reason: str
    seconds: Mapping[str, float]

    @property
    def feasible(self) -> bool:
        """Whether it is a network that obeys all constraints."""
        return bool(self.constraints) and all(value <= 0 for value in self.constraints.values())

    def value(self, place: int) -> float | None:
        """Of an objective; None where there is none, for which the storage has the worst number there is."""
        found = self.values[place] if place < len(self.values) else None
        return found if found is not None and math.isfinite(found) else None


def note_candidate(trial: Trial, candidate: Candidate) -> None:
    """Write what is known before an evaluation."""
    for name, value in candidate.violations.items():
        trial.set_constraint(name, value)
    trial.set_user_attr("config", dict(candidate.config))
    if candidate.reason:
        trial.set_user_attr("reason", candidate.reason)
        return
    trial.set_user_attr("scores", dict(candidate.scores))


def outcome_of(trial: FrozenTrial) -> str:
    """What became of a trial, "" if nothing yet, or if it is somebody else's; most say it by their state alone."""
    if not trial.state.is_finished():
        return ""
    if "outcome" in trial.user_attrs or "fingerprint" not in trial.user_attrs:
        return str(trial.user_attrs.get("outcome", ""))
    return {TrialState.COMPLETE: EVALUATED, TrialState.PRUNED: PRUNED}.get(trial.state, LOST)


def quality_of_trial(trial: FrozenTrial, place: int | None) -> float | None:
    """The quality of a trial, that of the objective in some place; None where there is none."""
    if "quality" in trial.user_attrs:  # studies of old
        return _numbers({"": trial.user_attrs["quality"]}).get("")
    if place is None or trial.state != TrialState.COMPLETE or place >= len(trial.values or ()):
        return None
    return trial.values[place] if math.isfinite(trial.values[place]) else None


def _seconds(trial: FrozenTrial) -> dict[str, float]:
    """What an evaluation took; nothing where none was spent."""
    if "seconds" in trial.user_attrs or outcome_of(trial) not in SETTLED:
        return _numbers(trial.user_attrs.get("seconds"))
    return {"quality": trial.duration.total_seconds()} if trial.duration else {}


def _numbers(values: Any) -> dict[str, float]:
    """The numbers in a mapping that anybody may have put there."""
    found = values.items() if isinstance(values, Mapping) else ()
    return {name: value for name, value in found if type(value) in (int, float) and abs(value) < math.inf}


def record_of(trial: FrozenTrial, quality: int | None = None) -> Record:
    """The record of a trial; also of one that somebody else put into the study.

    Args:
        trial: of optuna.
        quality: which objective is the quality, if any.
    """
    attrs = trial.user_attrs
    config, reused = attrs.get("config"), attrs.get("reused_from")
    return Record(
        number=trial.number,
        state=trial.state,
        outcome=outcome_of(trial),
        key=str(attrs.get("fingerprint", "")),
        config=config if isinstance(config, Mapping) else {},
        scores=_numbers(attrs.get("scores")),
        constraints=trial.constraints,
        values=tuple(map(float, trial.values or ())),
        quality=quality_of_trial(trial, quality),
        origin=str(attrs.get("origin", "sampler")),
        reused_from=reused if isinstance(reused, int) else None,
        reason=str(attrs.get("reason", "")),
        seconds=_seconds(trial),
    )
