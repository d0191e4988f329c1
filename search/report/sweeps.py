"""The page of a sweep, or of any file of candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oracle.errors import OracleError
from oracle.query.trust import Trust
from oracle.report.captions import titled, trust_caption, workload_caption
from oracle.report.facts import WORTH, Population, RunFacts, device_facts, run_facts
from oracle.report.page import PageFacts

from ..pareto.objectives import LATENCY, Objective
from ..pareto.ties import tie_caption
from ..space.certainty import bound_notes
from ..space.limits import OVERLAP
from ..sweep import Candidates
from .candidates import Row, Value, population
from .manifests import Manifest, manifest_beside

_VALUES = {"quality": True, "accuracy": True, **WORTH}
_NAMES = ("network", "name")


def sweep_page(candidates: Candidates, objectives: Sequence[Objective] = (), command: str = "") -> PageFacts:
    """What a page shows of a file of candidates.

    Args:
        candidates: the file.
        objectives: what latency is weighed against; the counts in the file, and a quality or accuracy, if empty.
        command: that makes the page again.

    Raises:
        OracleError: as `sweep_population`; or a manifest beside the file that cannot be read.
    """
    manifest = manifest_beside(candidates.file)
    found = sweep_population(candidates, objectives, manifest.trust if manifest else {})
    names = {device.name: device.title for device in manifest.devices} if manifest else {}
    where = [names.get(device, device) for device in candidates.devices]
    what = f"{found.total:,} candidates of {manifest.space if manifest else candidates.file.name}"
    run = _run(manifest, command, found) if manifest else run_facts([f"Candidates of {candidates.file.name}."], command)
    return PageFacts(
        title=titled(what, where),
        subtitle=workload_caption(manifest.workload) if manifest else "",
        run=run,
        devices=tuple(device_facts(device) for device in manifest.devices) if manifest else (),
        population=found,
    )


def sweep_population(
    candidates: Candidates, objectives: Sequence[Objective] = (), trust: Mapping[str, Trust] | None = None
) -> Population:
    """The candidates of a file.

    Args:
        candidates: the file.
        objectives: as in `sweep_page`.
        trust: device -> how far to trust its latencies.

    Raises:
        OracleError: no candidates, no such column, or a latency that is not positive.
    """
    latencies = {device: f"{LATENCY}@{device}" for device in candidates.devices}
    weighed = {one.column: one.maximise for one in objectives if not one.column.startswith(LATENCY)}
    weighed = weighed or {name: more for name, more in _VALUES.items() if name in candidates.names}
    if not weighed and not latencies:
        raise OracleError(f"{candidates.file}: no latency and none of {', '.join(_VALUES)}: there is nothing to draw")
    columns = candidates.columns([*latencies.values(), *weighed])
    size = len(next(iter(columns.values())))
    if not size:
        raise OracleError(f"{candidates.file}: holds no candidates")
    known = {*latencies.values(), *weighed, "row", *_NAMES}

    def details(positions: list[int]) -> tuple[list[str], list[Row], list[Row]]:
        rows = candidates.rows(positions)
        return (
            [_name(row, position) for row, position in zip(rows, positions, strict=True)],
            [{name: value for name, value in row.items() if _is_knob(name)} for row in rows],
            [{name: value for name, value in row.items() if not _is_knob(name) and name not in known} for row in rows],
        )

    return population(
        "candidates",
        {device: columns[name] for device, name in latencies.items()},
        {name: Value(columns[name], maximise) for name, maximise in weighed.items()},
        details,
        size,
        trust=trust,
    )


def _is_knob(name: str) -> bool:
    """Whether a column is a key of a config: `REGNET.DEPTH`."""
    section, _, key = name.partition(".")
    return bool(key) and section.isupper()


def _name(row: Mapping[str, Any], position: int) -> str:
    given = next((str(row[name]) for name in _NAMES if row.get(name)), "")
    return given or f"row {row.get('row', position)}"


def _run(manifest: Manifest, command: str, found: Population) -> RunFacts:
    notes = [
        workload_caption(manifest.workload),
        _account(manifest),
        "Counts: the oracle's own, 1 MAC = 2 FLOPs, by closed forms that are equal to a trace.",
        *bound_notes(manifest.limits, manifest.trust),
        *_ties(manifest, found),
        trust_caption(manifest.trust),
    ]
    return RunFacts(manifest.versions, tuple(line for note in notes for line in note.splitlines()), command)


def _ties(manifest: Manifest, found: Population) -> Iterator[str]:
    """How many members are tied on each front of latency and the value that a page begins with, and by which rule."""
    for name, value in list(found.values.items())[:1]:
        for device, front in value.fronts.items():
            tied = sum(map(bool, value.tied.get(device, ())))
            rule = tie_caption([f"{LATENCY}@{device}"], manifest.trust, tied, len(front))
            yield f"Front of {name} and latency on {device}. {rule}"


def _account(manifest: Manifest) -> str:
    """What became of the candidates."""
    tally = manifest.tally
    reasons = sorted(tally.rejected.items(), key=lambda item: -item[1])
    parts = [f"{tally.drawn:,} drawn", f"{tally.feasible:,} feasible"]
    if manifest.kept < tally.feasible:
        parts.append(f"{manifest.kept:,} of them kept, as many as were wanted")
    account = f"Space {manifest.space}: {', '.join(parts)}"
    if reasons:
        account += f"; rejected: {', '.join(f'{name} {count:,}' for name, count in reasons)}"
    return f"{account}. {OVERLAP}" if tally.overlaps else f"{account}."
