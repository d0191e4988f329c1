"""Studies that need no evaluation: the space is enumerated, and the best of all that was seen are the trials.

A finite space is looked at as a whole. From an infinite one, or one of more members than SAMPLER.DRAWS, candidates are
drawn, twice as many each round as in all before; after a round the neighbours of the best are judged (one parameter
by 1, 2, 4, ... steps), and theirs, until nothing better is among them or as many were judged as the round has drawn.
What a round does depends on the seed and on the trials that the rounds before it left, and on no clock: whoever stops
a study and goes on has what one go gives.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from optuna import Study

from oracle.families.fingerprint import Fingerprints, first_of_each

from ..pareto import hypervolume, non_dominated
from ..space import Space, Tally, judge
from ..space.space import Chunk
from .candidates import Candidate, gate_of
from .claims import Index
from .coverage import LARGEST_FRONT, Coverage
from .files import StudyPlan
from .pool import Rows, nothing_feasible
from .progress import Watcher, progress_of
from .recording import Proposal, Recorder, Timer
from .workers import Watch, is_alive, others

_REACH = 512  # steps of a number to its farthest neighbours
_PARENTS = 512  # of the best, whose neighbours are judged at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """The best candidates so far.

    Attributes:
        places: (n, parameters), see `Grid`.
        costs: (n, objectives), all to be minimised.
        prints: (2, n) fingerprints.
        candidates: n of them.
    """

    places: Floats
    costs: Floats
    prints: Fingerprints
    candidates: Sequence[Candidate]

    def __add__(self, other: Front) -> Front:
        return Front(
            np.concatenate([self.places, other.places]),
            np.concatenate([self.costs, other.costs]),
            np.concatenate([self.prints, other.prints], axis=1),
            [*self.candidates, *other.candidates],
        )

    def taken(self, rows: NDArray[np.int64]) -> Front:
        """Some of them."""
        return Front(
            self.places[rows], self.costs[rows], self.prints[:, rows], [self.candidates[row] for row in rows.tolist()]
        )


class Enumeration:
    """The enumeration of a study by one worker.

    Args:
        plan: of the study; nothing in it needs an evaluation.
        study: of optuna.
        watcher: called with the progress.
    """

    def __init__(self, plan: StudyPlan, study: Study, watcher: Watcher | None) -> None:
        self._plan, self._study, self._watcher = plan, study, watcher
        self._gate = gate_of(plan)
        self._grid = self._gate.grid
        self._space = _stream(plan)
        self._signs = [-1.0 if objective.maximise else 1.0 for objective in plan.objectives]
        self._kept = plan.trials if len(plan.objectives) == 1 else 0
        self._timer = Timer()
        self._index = Index(study, plan.objectives)
        self._watch = Watch(study)
        self._recorder = Recorder(study, self._grid.parameters, self._watch.worker, self._timer)
        self._tally = Tally()
        self._front = self._nothing

    @property
    def _nothing(self) -> Front:
        shape = (0, len(self._grid.axes)), (0, len(self._signs))
        return Front(np.empty(shape[0]), np.empty(shape[1]), np.empty((2, 0), dtype=np.uint64), [])

    def run(self, note: str = "") -> None:
        """Look at what is left; trials and coverage are written after every round.

        Args:
            note: for the watcher, before anything else.

        Raises:
            ConfigError: nothing is feasible.
        """
        if any(map(is_alive, others(self._study))):
            self._say("another worker enumerates the space, which cannot be shared; it takes seconds")
            return
        end = time.monotonic() + (self._plan.timeout_s or math.inf)
        with self._watch:
            self._index.refresh()
            if note:
                self._say(note)
            coverage = self._resumed()
            if coverage.done:
                self._say(f"{self._plan.name}: finished; nothing was left to look at. {coverage}")
            while not coverage.done and time.monotonic() < end:
                after = self._round(coverage, end)
                if after is None:
                    break
                self._write(after)
                coverage = after
        if not self._front.candidates and coverage.done:
            raise nothing_feasible(self._tally, self._plan.labels)
        self._index.refresh()
        self._say()

    def _resumed(self) -> Coverage:
        """What was seen by those before us; nothing if they looked for something else."""
        start = Coverage(members=self._grid.size, whole=self._space.enumerated, kept=self._kept)
        old = Coverage.of(self._study) or start
        if (old.whole, old.kept) != (start.whole, start.kept):
            old = start
        self._front = self._best(self._written())
        return replace(old, done=old.chunks >= self._space.chunks)

    def _written(self) -> Front:
        """The trials that there are."""
        trials = self._index.evaluated
        if not trials:
            return self._nothing
        attrs = [trial.user_attrs for trial in trials]
        keys = [attr["fingerprint"] for attr in attrs]
        return Front(
            np.array([self._grid.place(trial.params) for trial in trials]),
            np.array([trial.values for trial in trials]) * self._signs,
            np.array([[int(key[at : at + 16], 16) for key in keys] for at in (0, 16)], dtype=np.uint64),
            [
                Candidate(attr["config"], attr["fingerprint"], attr["scores"], trial.constraints)
                for attr, trial in zip(attrs, trials, strict=True)
            ],
        )

    def _round(self, coverage: Coverage, end: float) -> Coverage | None:
        """As many chunks as were done before, and the neighbourhood of the best; None where time is up."""
        stop = min(max(1, 2 * coverage.chunks), self._space.chunks)
        before, drawn, feasible, neighbours = self._front.costs, 0, 0, 0
        for number in range(coverage.chunks, stop):
            with self._timer.of("oracle"):
                tally = self._look(self._space.chunk(number))
            drawn, feasible = drawn + tally.drawn, feasible + tally.feasible
            self._tally += tally
            self._say(probed=(coverage.drawn + drawn, self._space.length))
            if time.monotonic() >= end:
                return None
        if not coverage.whole:
            with self._timer.of("oracle"):
                neighbours = self._refine(drawn)
        return replace(
            coverage,
            drawn=coverage.drawn + drawn,
            feasible=coverage.feasible + feasible,
            neighbours=coverage.neighbours + neighbours,
            chunks=stop,
            gain=_gain(before, self._front.costs),
            thinned=not self._kept and len(self._front.costs) >= LARGEST_FRONT,
            done=stop == self._space.chunks,
        )

    def _look(self, chunk: Chunk) -> Tally:
        """Judge candidates, and keep the best."""
        count = chunk.population.size
        if not count:
            return chunk.tally
        scores = self._gate.limits.scores(chunk.population)
        feasible, tally = judge(self._gate.limits.limits, scores, count)
        rows = np.flatnonzero(feasible)
        columns = [sign * o.column(scores)[rows] for sign, o in zip(self._signs, self._plan.objectives, strict=True)]
        costs = np.stack(columns, axis=1)
        best = self._chosen(costs, chunk.prints[:, rows])
        own = Rows.of(self._gate, chunk, scores, rows[best])
        candidates = [own.candidate(self._gate, row) for row in range(len(best))]
        found = Front(self._grid.places(own.columns), costs[best], chunk.prints[:, rows[best]], candidates)
        self._front = self._best(self._front + found)
        return chunk.tally + tally

    def _refine(self, budget: int) -> int:
        """Judge the neighbours of the best, and of those that are better; how many there were.

        Args:
            budget: about how many at most.
        """
        expanded: set[bytes] = set()
        judged = 0
        while judged < budget:
            new = [place for place in self._front.places if place.tobytes() not in expanded][:_PARENTS]
            if not new:
                break
            expanded |= {place.tobytes() for place in new}
            near = np.unique(self._grid.neighbours(np.array(new), _REACH), axis=0)
            judged += len(near)
            if len(near):
                self._look(self._space.networks(self._grid.columns(near)))
        return judged

    def _best(self, front: Front) -> Front:
        return front.taken(self._chosen(front.costs, front.prints))

    def _chosen(self, costs: Floats, prints: Fingerprints) -> NDArray[np.int64]:
        """The rows to keep, each network once: by the first objective, the best first."""
        rows = first_of_each(prints) if len(costs) else np.empty(0, dtype=np.int64)
        rows = rows[~np.isnan(costs[rows]).any(axis=1)]
        if not self._kept and len(rows):
            rows = rows[non_dominated(list(costs[rows].T))]
        rows = rows[np.argsort(costs[rows, 0], kind="stable")]
        if self._kept:
            return rows[: self._kept]
        return (
            rows if len(rows) <= LARGEST_FRONT else rows[np.linspace(0, len(rows) - 1, LARGEST_FRONT).astype(np.int64)]
        )

    def _write(self, coverage: Coverage) -> None:
        """A trial for each of the best that is none yet, and how far we are."""
        for candidate, costs in zip(self._front.candidates, self._front.costs, strict=True):
            if not self._index.knows(candidate.key):
                params = self._grid.parameters.suggestions(candidate.config)
                values = [sign * cost for sign, cost in zip(self._signs, costs.tolist(), strict=True)]
                self._recorder.complete(Proposal(candidate, params, "closed form"), values)
        with self._timer.of("storage"):
            coverage.keep(self._study)
            self._index.refresh()

    def _say(self, message: str = "", probed: tuple[int, int] | None = None) -> None:
        if self._watcher is not None:
            plan = replace(self._plan, trials=max(1, self._index.spent))
            self._watcher(progress_of(plan, self._index, self._timer.seconds, message, probed))


def _stream(plan: StudyPlan) -> Space:
    """The space as it is enumerated: as a whole if it has no more than DRAWS members, else as draws in whole chunks."""
    space, draws = plan.space, plan.sampler["DRAWS"]
    if space.size is not None and space.size <= draws:
        return replace(space, num_samples=space.size, seed=plan.seed)
    count = -(-draws // space.chunk_size) * space.chunk_size
    if space.size is not None:
        count = min(count, space.size - 1)  # one less than all, and it is drawn
    return replace(space, num_samples=count, seed=plan.seed)


def _gain(before: Floats, after: Floats) -> float | None:
    """By how much a front has improved, see `Coverage.gain`; costs are minimised."""
    if not len(before):
        return None
    if before.shape[1] == 1:
        old, new = before[:, 0].min(), after[:, 0].min()
        return float((old - new) / abs(old)) if old else None
    if before.shape[1] > 3:
        return None
    worst = np.maximum(before.max(axis=0), after.max(axis=0)).tolist()
    old, new = (hypervolume(list(costs.T), worst) for costs in (before, after))
    return new / old - 1 if old else None
