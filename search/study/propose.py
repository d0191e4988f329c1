"""What a study looks at next: members of the pool, by a sampler or in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study

from ..pool import ExhaustedError
from .candidates import Candidate, Gate
from .claims import Index
from .files import StudyPlan
from .pool import Pool, Seen, nothing_feasible
from .recording import Proposal, Timer
from .samplers import LEARNERS, suggest

_APART = 32  # members among which workers that join choose by lot
_AT_ONCE = 10_000  # candidates that they draw at a time: there is work, and they are to begin it


class Proposer:
    """Proposes feasible candidates that nobody has evaluated or is at.

    Args:
        plan: of the study.
        study: of optuna.
        gate: what candidates must pass.
        index: of the study; as fresh as its last refresh.
        words: of the seed, beside the plan's: none for the worker that began, others for those that join.
        timer: of the seconds of oracle and sampler.
        seen: called with the progress of probing.

    Attributes:
        pool: of feasible members.
    """

    def __init__(
        self,
        plan: StudyPlan,
        study: Study,
        gate: Gate,
        index: Index,
        words: Sequence[int],
        timer: Timer,
        seen: Seen,
    ) -> None:
        self._plan, self._study, self._gate, self._index = plan, study, gate, index
        self._words, self._timer = tuple(words), timer
        self._learner = LEARNERS.get(plan.sampler["TYPE"])
        in_order = plan.sampler["TYPE"] == "grid"
        projected = self._learner is not None and self._learner.projected
        chunk = _AT_ONCE if words else 0
        self.pool = Pool(gate, plan.seed, in_order=in_order, points=projected, seen=seen, chunk=chunk)
        lasts = self._learner is not None and not self._learner.projected
        self._lasting = self._learner.make(plan, plan.seed) if self._learner and lasts else None
        self._parameters = gate.grid.parameters
        self._distributions = self._parameters.distributions

    def begin(self) -> None:
        """Look at a sample of the space by the closed form; the study keeps what came of it.

        Raises:
            ConfigError: nothing is feasible.
        """
        known = "probe" in self._study.user_attrs
        if known and (self._words or self._learner is None or not self._learner.projected):
            return  # whatever is needed will be drawn, of no more than that
        with self._timer.of("oracle"):
            tally = self.pool.probe(self._plan.probe)
        if not tally.feasible:
            raise nothing_feasible(tally, self._plan.labels)
        if not known:
            self._study.set_user_attr("probe", {"drawn": tally.drawn, "feasible": tally.feasible})

    def propose(self) -> Proposal | None:
        """The next candidate; None where none is left.

        The first ones of a sampler that learns are drawn at random; it is called all the same, as some count their
        generations by that.
        """
        number = self._index.size
        if self._learner is None:
            return self._of(self._drawn(number), "closed form")
        try:
            with self._timer.of("sampler"):
                params, notes = suggest(
                    self._plan, self._study, number, self._words, self._distributions, self._lasting
                )
        except ExhaustedError:
            return None
        if not self._learner.projected:
            with self._timer.of("oracle"):
                return Proposal(self._gate.check(self._parameters.config(params)), params, "sampler", notes)
        if len(self._index.settled) < self._plan.startup:
            return self._of(self._drawn(number), "closed form", notes)
        with self._timer.of("oracle"):
            found = self.pool.nearest(params, self._index.knows, len(self._index.settled))
        return self._of(found, "sampler", notes)

    def _drawn(self, number: int) -> Candidate | None:
        skip = int(np.random.default_rng([*self._words, number]).integers(_APART)) if self._words else 0
        with self._timer.of("oracle"):
            return self.pool.next(self._index.knows, skip)

    def _of(self, candidate: Candidate | None, origin: str, notes: Mapping[str, Any] | None = None) -> Proposal | None:
        if candidate is None:
            return None
        return Proposal(candidate, self._parameters.suggestions(candidate.config), origin, notes or {})
