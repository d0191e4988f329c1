"""What a study's trials say about members: which are taken, which are evaluated, and to what values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from ..study.params import Parameters
from .members import Members, Source

_NOTE = "pool:member"
"""The system attribute in which a sampler notes what it chose, before the objective suggests it."""


_REMEMBERED = 256  # choices, of as many workers of this process


class Look(NamedTuple):
    """A member as it was described: a row of some members."""

    members: Members
    row: int

    @property
    def key(self) -> str:
        """What the member is to an evaluation."""
        return self.members.keys[self.row]


class Note(NamedTuple):
    """A choice, as every process reads it: the member's key, and the trial's `params` to be."""

    key: str
    suggestions: Mapping[str, Any]


@dataclass(slots=True)
class Past:
    """What trials are about, in the order of their numbers.

    Attributes:
        taken: keys of members that some trial has, whatever became of it.
        done, values: what is evaluated, and to which values.
        running: what is under way.
        settled: the number of the first trial that may still change.
    """

    taken: set[str] = field(default_factory=set)
    done: list[Look] = field(default_factory=list)
    values: list[Sequence[float]] = field(default_factory=list)
    running: list[Look] = field(default_factory=list)
    settled: int = 0

    def add(self, trial: FrozenTrial, look: Look | None) -> None:
        """Take another trial into account; None where it is about no member.

        A pruned trial takes its member and teaches nothing: what it reported is no final value. On one table its last
        report found good members sooner, on another later (docs/studies.md).
        """
        if look is None:
            return
        self.taken.add(look.key)
        if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all():
            self.done.append(look)
            self.values.append(trial.values)
        elif trial.state == TrialState.RUNNING:
            self.running.append(look)


def noted(study: Study, trial: FrozenTrial, note: Note) -> None:
    """Write down a choice: at once, for other workers choose meanwhile."""
    text = json.dumps({"key": note.key, "suggestions": dict(note.suggestions)})
    study._storage.set_trial_system_attr(trial._trial_id, _NOTE, text)  # noqa: SLF001 - as optuna's own samplers do


def is_shared(study: Study, number: int, key: str, settled: int) -> bool:
    """Whether another trial notes the same member.

    Every worker writes before it reads, and changes its choice if it finds it elsewhere: of two that choose the same
    at once, the one that reads last finds the other's, so that never both keep it.

    Args:
        study, number: whose trial.
        key: of its member.
        settled: the number of the first trial that is not yet known to have another.
    """
    text = _key_text(key)
    return any(
        other.number != number and other.system_attrs.get(_NOTE, "").startswith(text)
        for other in study.get_trials(deepcopy=False)[settled:]
    )


def _key_text(key: str) -> str:
    """How the note of a member begins: comparing that is faster than to parse thousands of notes."""
    return json.dumps({"key": key})[:-1]


def _note_of(trial: FrozenTrial) -> Note | None:
    text = trial.system_attrs.get(_NOTE)
    return None if text is None else Note(**json.loads(text))


@dataclass(slots=True)
class _Known:
    """What is read of a study and will not change.

    Attributes:
        name: of the study.
        past: what its first trials are about, all of which are over.
        last: of them.
    """

    name: str
    past: Past = field(default_factory=Past)
    last: FrozenTrial | None = None

    def holds(self, name: str, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a study is the one that was read: names come again, in other storages."""
        count = self.past.settled
        if self.last is None or count > len(trials) or name != self.name:
            return False
        again = trials[count - 1]
        return again.datetime_complete == self.last.datetime_complete and again.params == self.last.params


class Ledger:
    """The members of trials, each described once."""

    def __init__(self, source: Source, parameters: Parameters) -> None:
        """Nothing is known yet."""
        self._source, self._parameters = source, parameters
        self._names = set(parameters.distributions)
        self._looks: dict[str, Look] = {}  # by key
        self._known = _Known("")
        self._chosen: dict[str, str] = {}  # suggestions -> key, of the latest choices

    def add(self, members: Members) -> None:
        """Make members known, so that none of them is described again."""
        for row, key in enumerate(members.keys):
            self._looks.setdefault(key, Look(members, row))

    def described(self, configs: Sequence[Mapping[str, Any]]) -> list[Look | None]:
        """Each config as a member; None for what is not feasible."""
        found: list[Look | None] = [None] * len(configs)
        if configs:
            members, positions = self._source.of_configs(configs)
            for row, position in enumerate(positions.tolist()):
                found[position] = Look(members, row)
        return found

    def look(self, suggestions: Mapping[str, Any], config: Mapping[str, Any]) -> Look | None:
        """A member by its suggestions, which are described unless they were chosen here; None for what is none."""
        at = json.dumps(dict(sorted(suggestions.items())))
        if at not in self._chosen:
            return self.described([config])[0]
        return self._looks.get(self._chosen[at])

    def chose(self, note: Note) -> None:
        """Remember what was chosen for whom will ask for it at once."""
        if len(self._chosen) >= _REMEMBERED:
            self._chosen.pop(next(iter(self._chosen)))
        self._chosen[json.dumps(dict(sorted(note.suggestions.items())))] = note.key

    def past(self, study: Study, number: int) -> Past:
        """What all trials but one are about; those that are over are read once."""
        trials = study.get_trials(deepcopy=False)
        known = self._known
        if not known.holds(study.study_name, trials):
            known = self._known = _Known(study.study_name)
        rest = trials[known.past.settled :]
        looks = self._looks_of(rest)
        over = next((place for place, trial in enumerate(rest) if not trial.state.is_finished()), len(rest))
        for trial, look in zip(rest[:over], looks[:over], strict=True):
            known.past.add(trial, look)
        if over:
            known.past.settled += over
            known.last = rest[over - 1]
        past = replace(known.past, taken=set(known.past.taken), running=[])
        if over < len(rest):
            past.done, past.values = list(past.done), list(past.values)
        for trial, look in zip(rest[over:], looks[over:], strict=True):
            if trial.number != number:
                past.add(trial, look)
        return past

    def _looks_of(self, trials: Sequence[FrozenTrial]) -> list[Look | None]:
        found: list[Look | None] = [None] * len(trials)
        unknown: list[tuple[int, Mapping[str, Any]]] = []
        for place, trial in enumerate(trials):
            note = _note_of(trial)
            params = self._params_of(trial, note)
            if note is not None and note.suggestions == params and note.key in self._looks:
                found[place] = self._looks[note.key]
            elif params is not None:
                unknown.append((place, self._parameters.config(params)))
        looks = self.described([config for _, config in unknown])
        for (place, _), look in zip(unknown, looks, strict=True):
            found[place] = look if look is None else self._looks.setdefault(look.key, look)
        return found

    def _params_of(self, trial: FrozenTrial, note: Note | None) -> Mapping[str, Any] | None:
        """The parameters of the space that a trial has or will have; None where it does not say all of them."""
        params = trial.system_attrs.get("fixed_params", {}) | trial.params
        if self._names <= params.keys():
            return {name: params[name] for name in self._names}
        return note.suggestions if note is not None and self._names <= note.suggestions.keys() else None


def stacked(looks: Sequence[Look], count: int) -> list[NDArray[np.float32]]:
    """(n, columns) features of members, block by block; `count` blocks."""
    return [
        np.array([look.members.blocks[place][look.row] for look in looks], dtype=np.float32) for place in range(count)
    ]
