"""Trials as they are written: once when they are opened, with all that is known by then, and once when they end."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState, create_trial

from .candidates import Candidate
from .params import Parameters
from .records import EVALUATED, PRUNED


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be evaluated next.

    Attributes:
        candidate: as far as the closed form knows it.
        params: its config as optuna's parameters.
        origin: `sampler` or `closed form`.
        notes: what the sampler keeps with its trial.
    """

    candidate: Candidate
    params: Mapping[str, Any]
    origin: str
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A trial of ours that is not finished.

    Attributes:
        trial_id, number: of optuna.
        queued: whether it waited in the storage, with a number from before we took it.
    """

    trial_id: int
    number: int
    queued: bool = False


class Timer:
    """Seconds by what they were spent on.

    Attributes:
        seconds: oracle, sampler, quality, storage -> seconds.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("oracle", "sampler", "quality", "storage"), 0.0)

    @contextmanager
    def of(self, part: str) -> Generator[None, None, None]:
        """Add the seconds of a block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - began


class Recorder:
    """Writes the trials of one worker.

    Args:
        study: of optuna.
        parameters: of its space.
        worker: who we are.
        timer: of the seconds of the storage.
    """

    def __init__(self, study: Study, parameters: Parameters, worker: str, timer: Timer) -> None:
        self._study, self._worker, self._timer = study, worker, timer
        self._distributions: dict[str, BaseDistribution] = parameters.distributions

    def open(self, proposal: Proposal) -> Opened:
        """A running trial that claims a candidate: all of it appears to others at once."""
        return self._made(proposal, TrialState.RUNNING, {"evaluating": self._worker})

    def complete(self, proposal: Proposal, values: Sequence[float]) -> Opened:
        """A finished trial, for what needs no evaluation."""
        return self._made(proposal, TrialState.COMPLETE, {}, values)

    def _made(
        self, proposal: Proposal, state: TrialState, attrs: Mapping[str, Any], values: Sequence[float] | None = None
    ) -> Opened:
        candidate = proposal.candidate
        template = create_trial(
            state=state,
            values=values,
            params=dict(proposal.params),
            distributions=self._distributions,
            user_attrs={
                "config": dict(candidate.config),
                "scores": dict(candidate.scores),
                "fingerprint": candidate.key,
                "origin": proposal.origin,
                **attrs,
            },
            system_attrs=dict(proposal.notes),
            constraints=dict(candidate.violations),
        )
        with self._timer.of("storage"):
            storage = self._study._storage  # noqa: SLF001 - `Study.add_trial` does not say which trial it added
            trial_id = storage.create_new_trial(self._study._study_id, template)  # noqa: SLF001
            return Opened(trial_id, storage.get_trial_number_from_id(trial_id))

    def trial(self, opened: Opened) -> Trial:
        """A trial as optuna hands it out."""
        return Trial(self._study, opened.trial_id)

    def close(
        self,
        opened: Opened,
        outcome: str,
        values: Sequence[float] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> bool:
        """End a trial: pruned, complete with values, failed without; False where somebody else has ended it.

        An outcome that its state implies is not written beside it.
        """
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        state = TrialState.PRUNED if outcome == PRUNED else state
        plain = outcome == PRUNED or (outcome == EVALUATED and values is not None)
        written = dict(notes or {}) | ({} if plain else {"outcome": outcome})
        with self._timer.of("storage"):
            storage = self._study._storage  # noqa: SLF001 - as optuna's Trial writes
            try:
                for name, note in written.items():
                    storage.set_trial_user_attr(opened.trial_id, name, note)
                if state == TrialState.PRUNED:
                    self._study.tell(opened.number, state=state)  # with the last report as its value
                else:
                    storage.set_trial_state_values(opened.trial_id, state, values)
            except (UpdateFinishedTrialError, ValueError):
                if not storage.get_trial(opened.trial_id).state.is_finished():
                    raise
                return False
        return True
