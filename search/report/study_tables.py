"""Studies as tables that fit wherever they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle.report.captions import trust_caption, workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

from ..pareto.objectives import LATENCY
from ..pareto.ties import tie_caption
from ..space.certainty import bound_notes
from .tables import number_column

if TYPE_CHECKING:
    from oracle.devices import Device

    from ..study import Record, Results
    from ..study.results import Ranked

_SHOWN = 20  # of a front
_RANKED = 5  # the best and the next, of an enumeration


def run_tables(results: Results) -> list[Grid | Text]:
    """What became of the trials, and the front."""
    outcomes = Counter(record.outcome or record.state.name.lower() for record in results.trials)
    broken = Counter(
        results.plan.labels.get(name, name)
        for record in results.trials
        for name, value in record.constraints.items()
        if value > 0
    )
    words = ", ".join(f"{count:,} {word}" for word, count in outcomes.most_common())
    found: list[Grid | Text] = [Text(f"{results.plan.name}: {words}", style="bold")]
    if broken:
        reasons = ", ".join(f"{name} {count:,}" for name, count in broken.most_common())
        found.append(Text(f"Rejected before evaluation, by constraint: {reasons}"))
    found += [Text(line) for line in bound_notes(results.plan.bounds, results.plan.trust)]
    failures = Counter(_one_line(record.reason) for record in results.trials if record.outcome == "failed")
    found += [Text(f"Failed {count:,} times: {reason}") for reason, count in failures.most_common(3)]
    coverage = results.coverage
    found += [Text(str(coverage))] if coverage else []
    front = results.front()
    if not front:
        return [*found, Text("No feasible trial has been evaluated.")]
    if len(results.plan.objectives) > 1:
        points = len({tuple(record.values) for record in front})
        title = f"{len(front)} on the front" + (f" (at {points} points)" if points < len(front) else "")
        return [*found, *record_tables(results, front[:_SHOWN], title, front=True)]
    if coverage is None:
        return [*found, *record_tables(results, front[:_SHOWN], "Best feasible", front=True)]
    best = results.ranked()[: min(_RANKED, results.plan.trials)]
    return [*found, *record_tables(results, best, f"Best {len(best)}" if len(best) > 1 else "Best feasible")]


def record_tables(results: Results, records: Sequence[Record], title: str, *, front: bool = False) -> list[Grid | Text]:
    """Trials with their objectives and their latency on every device; of a front also how many are tied."""
    names = [objective.name for objective in results.plan.objectives]
    shown = [f"latency_ms@{device.name}" for device in results.plan.devices]
    shown = [name for name in (*shown, "macs", "params") if name not in names]
    columns = (
        _trials(records),
        *_objectives(results, records),
        *(number_column(name, [record.scores[name] for record in records]) for name in shown),
        *_tied(results, records, front),
        Column("Network", _networks(results, records)),
    )
    goals = ", ".join(map(str, results.plan.objectives))
    return [
        Sheet(columns, f"{title}: {goals}"),
        Text("\n".join(_captions(results, front)), style="dim"),
    ]


def _captions(results: Results, front: bool) -> list[str]:
    """What numbers of a study hold for."""
    lines = [workload_caption(results.plan.workload, results.plan.space.tokens), trust_caption(results.plan.trust)]
    return [*lines, *filter(None, [tied_caption(results)])] if front else lines


def tied_caption(results: Results) -> str:
    """How many members of the front are tied, and by which rule; "" where no objective is a latency."""
    front = results.front()
    tied = results.tied(front) or {}
    names = [objective.name for objective in results.plan.objectives]
    return tie_caption(names, results.plan.trust, sum(map(bool, tied.values())), len(front))


def _tied(results: Results, records: Sequence[Record], front: bool) -> list[Column]:
    """How many members of the front are tied with each, where an objective is a latency of known error."""
    if not front or not any(objective.score == LATENCY for objective in results.plan.objectives):
        return []
    tied = results.tied(results.front())
    if tied is None:
        return []
    return [Column("Tied", [f"{len(tied[record.number]):,}" for record in records], number=True)]


def trial_tables(results: Results, records: Sequence[Record]) -> list[Grid | Text]:
    """Every trial on a line."""
    columns = (
        _trials(records),
        Column("Outcome", [record.outcome or record.state.name.lower() for record in records]),
        Column("From", [_origin(record) for record in records]),
        *_objectives(results, records),
        Column("Broken", [_broken(results, record) for record in records]),
        Column("Network", _networks(results, records)),
    )
    return [Sheet(columns)]


def rerank_tables(results: Results, ranked: Sequence[Ranked], device: Device) -> list[Grid | Text]:
    """Evaluated networks by their latency on another device."""
    records = [row.record for row in ranked]
    there = f"latency_ms@{device.name}"
    columns = (
        _trials(records),
        number_column(there, [row.latency_ms for row in ranked]),
        *_objectives(results, records, besides=there),
        Column("Front there", ["yes" if row.on_front else "" for row in ranked]),
        Column("Network", _networks(results, records)),
    )
    title = f"{results.plan.name} on {device.name}, the fastest first; nothing was evaluated again"
    workload = workload_caption(results.plan.workload, results.plan.space.tokens)
    caption = f"{workload}\n{trust_caption(results.trust_on(device))}"
    return [Sheet(columns, title), Text(caption, style="dim")]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."


def _trials(records: Sequence[Record]) -> Column:
    return Column("Trial", [str(record.number) for record in records], number=True)


def _objectives(results: Results, records: Sequence[Record], besides: str = "") -> list[Column]:
    """A column for each objective but one that has its own."""
    return [
        number_column(objective.name, [record.value(i) for record in records])
        for i, objective in enumerate(results.plan.objectives)
        if objective.name != besides
    ]


def _networks(results: Results, records: Sequence[Record]) -> list[str]:
    """What distinguishes the networks of a study: the values of the keys that its space varies."""
    from ..study.params import Parameters  # brings optuna's distributions

    keys = Parameters.of(results.plan.space).varying
    return [
        ", ".join(f"{key.rpartition('.')[2]} {_value(r.config[key])}" for key in keys if key in r.config)
        for r in records
    ]


def _value(value: object) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value)


def _origin(record: Record) -> str:
    return f"trial {record.reused_from}" if record.reused_from is not None else record.origin


def _broken(results: Results, record: Record) -> str:
    labels = results.plan.labels
    found = [f"{labels.get(name, name)} {value:+.1%}" for name, value in record.constraints.items() if value > 0]
    return ", ".join(found) or record.reason
