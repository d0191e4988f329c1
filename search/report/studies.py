"""The page of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from oracle.report.captions import trust_caption, workload_caption
from oracle.report.facts import (
    WORTH,
    ConstraintFacts,
    ObjectiveFacts,
    Population,
    StudyFacts,
    device_facts,
    run_facts,
)
from oracle.report.page import PageFacts

from ..pareto import hypervolume, non_dominated
from ..pareto.objectives import LATENCY
from ..space.certainty import bound_notes
from ..study import Record, Results
from ..study.records import FAILED
from ..study.words import QUALITY, STRUCTURE
from .candidates import Floats, Value, population
from .study_tables import tied_caption

_SNAPSHOTS = 4
_REASONS = 3  # of failures, the commonest


def study_page(results: Results, command: str = "") -> PageFacts:
    """What a page shows of a study.

    Args:
        results: of the study.
        command: that makes the page again.
    """
    plan = results.plan
    found = study_facts(results)
    reasons = Counter(record.reason for record in results.trials if record.outcome == FAILED)
    notes = [
        workload_caption(plan.workload, plan.space.tokens),
        f"Trials: {', '.join(f'{count:,} {word}' for word, count in found.outcomes.items())}.",
        *([str(results.coverage)] if results.coverage else []),
        *(f"Failed {count:,} times: {reason}" for reason, count in reasons.most_common(_REASONS)),
        "Counts: the oracle's own, 1 MAC = 2 FLOPs, by closed forms that are equal to a trace.",
        *bound_notes(plan.bounds, plan.trust),
        *trust_caption(plan.trust).splitlines(),
        *filter(None, [tied_caption(results)]),
    ]
    return PageFacts(
        title=f"Study {plan.name}",
        subtitle=workload_caption(plan.workload, plan.space.tokens),
        run=run_facts(notes, command),
        devices=tuple(device_facts(device) for device in plan.devices),
        population=study_population(results) if results.evaluated else None,
        study=found,
    )


def study_population(results: Results) -> Population:
    """Feasible trials that were evaluated."""
    records = results.evaluated
    devices, tied = [device.name for device in results.plan.devices], results.tied(results.front())
    return population(
        "trials",
        {device: _scores(records, f"{LATENCY}@{device}") for device in devices},
        _values(results, records),
        lambda positions: (
            [f"trial {records[i].number}" for i in positions],
            [records[i].config for i in positions],
            [{"trial": records[i].number, "origin": records[i].origin, **_tied(tied, records[i])} for i in positions],
        ),
        len(records),
        trust=results.plan.trust,
        most=len(records),  # a study's lines and fronts are about all of its trials
    )


def _tied(tied: Mapping[int, list[int]] | None, record: Record) -> dict[str, int | None]:
    """How many members of the front are tied with one of them; nothing where no error is known."""
    return {"tied on the front": len(tied[record.number]) if record.number in tied else None} if tied else {}


def study_facts(results: Results) -> StudyFacts:
    """What became of the trials, and how the front grew."""
    records, objectives = results.evaluated, results.plan.objectives
    columns = [np.array([record.values[i] for record in records], dtype=np.float64) for i in range(len(objectives))]
    flips = [objective.maximise for objective in objectives]
    outcomes = Counter(record.outcome or record.state.name.lower() for record in results.trials)
    counts = sorted({-(-len(records) * k // _SNAPSHOTS) for k in range(1, _SNAPSHOTS + 1)} - {0})
    snapshots = [(count, _front([column[:count] for column in columns], flips)) for count in counts]
    return StudyFacts(
        objectives=tuple(
            ObjectiveFacts(objective.name, objective.maximise, column.tolist())
            for objective, column in zip(objectives, columns, strict=True)
        ),
        outcomes=dict(outcomes.most_common()),
        constraints=_constraints(results),
        trials=[record.number for record in records],
        front=snapshots[-1][1] if snapshots else [],
        snapshots=snapshots,
        progress=_progress(columns, flips),
        sampler=f"Sampler {results.plan.sampler['TYPE']}.",
    )


def _scores(records: Sequence[Record], name: str) -> Floats:
    return np.array([record.scores.get(name, np.nan) for record in records], dtype=np.float64)


def _values(results: Results, records: Sequence[Record]) -> dict[str, Value]:
    """What latency is weighed against: objectives, then quality, then counts."""
    found = {
        objective.name: Value(np.array([record.values[i] for record in records], dtype=np.float64), objective.maximise)
        for i, objective in enumerate(results.plan.objectives)
        if objective.score != LATENCY
    }
    if any(record.quality is not None for record in records):
        quality = np.array([np.nan if r.quality is None else r.quality for r in records], dtype=np.float64)
        found.setdefault(QUALITY, Value(quality, True))
    for name, more in WORTH.items():
        found.setdefault(name, Value(_scores(records, name), more))
    return {name: value for name, value in found.items() if not np.isnan(value.column).all()}


def _constraints(results: Results) -> tuple[ConstraintFacts, ...]:
    """What each limit turned away, the one that turned away most first."""
    stages, labels = results.plan.space.num_stages, results.plan.labels
    rule = "{} to {} stages".format(*stages) if stages else "of the space"
    limits = {STRUCTURE: f"{labels[STRUCTURE]} {rule}"}
    limits |= {bound.name: f"{bound.label} {bound}" for bound in results.plan.bounds}
    judged = [trial.constraints for trial in results.trials if trial.constraints]
    broken = [{name for name, value in one.items() if value > 0} for one in judged]
    found = [
        ConstraintFacts(
            limits.get(name, name),
            sum(name in one for one in judged),
            sum(name in names for names in broken),
            sum(names == {name} for names in broken),
        )
        for name in dict.fromkeys(name for one in judged for name in one)
    ]
    return tuple(sorted(found, key=lambda one: -one.broken))


def _front(columns: Sequence[Floats], flips: Sequence[bool]) -> list[int]:
    rows: list[int] = np.flatnonzero(non_dominated(columns, flips)).tolist()
    return rows


def _progress(columns: Sequence[Floats], flips: Sequence[bool]) -> list[float]:
    """See `StudyFacts.progress`; hypervolumes are measured from the worst value of each objective."""
    size = len(columns[0])
    if len(columns) == 1:
        best = np.maximum.accumulate(columns[0]) if flips[0] else np.minimum.accumulate(columns[0])
        return list(best.tolist())
    if len(columns) > 3 or not size:
        return []
    worst = [float(column.min() if flip else column.max()) for column, flip in zip(columns, flips, strict=True)]
    front: list[int] = []
    volumes: list[float] = []
    for row in range(size):
        rows = [*front, row]
        kept = non_dominated([column[rows] for column in columns], flips)
        grown = bool(kept[-1])
        front = [one for one, keep in zip(rows, kept, strict=True) if keep]
        volume = hypervolume([column[front] for column in columns], worst, flips) if grown else volumes[-1]
        volumes.append(volume)
    return [volume / volumes[-1] for volume in volumes] if volumes[-1] > 0 else []
