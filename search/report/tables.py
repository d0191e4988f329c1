"""Spaces, sweeps and fronts as tables that fit 100 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle._units import aligned, counted, percent, prefix, stated
from oracle.report.captions import trust_caption, workload_caption
from oracle.report.grid import Column, Grid
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

from ..pareto.ties import tie_caption
from ..space.certainty import bound_notes
from ..space.limits import OVERLAP, PYCLS, counts_as_pycls

if TYPE_CHECKING:
    from ..pareto.fronts import Fronts
    from ..space import Sampler, Space
    from ..sweep import Candidates, SweepResult
    from .about import About

_UNITS = {
    "latency_ms": "ms",
    "roofline_ms": "ms",
    "traffic_bytes": "B",
    "peak_memory_bytes": "B",
    "sram_bytes": "B",
    "flash_bytes": "B",
    "kv_cache_bytes": "B",
    "kv_bytes_per_token": "B",
    "intensity_flop_per_byte": "FLOP/byte",
    "intensity": "FLOP/byte",  # as studies call it
}
_TITLES = {
    "latency_ms": "Latency",
    "roofline_ms": "Lower bound",
    "macs": "MACs",
    "flops": "FLOPs",
    "params": "Params",
    "activations": "Activations",
    "traffic_bytes": "Traffic",
    "peak_memory_bytes": "Peak memory",
    "sram_bytes": "SRAM",
    "flash_bytes": "Flash",
    "kv_cache_bytes": "KV cache",
    "kv_bytes_per_token": "KV per token",
    "intensity_flop_per_byte": "Intensity",
    "intensity": "Intensity",
    "pycls_flops": "pycls FLOPs",
    "pycls_acts": "pycls acts",
}
_UNSCALED = ("latency_ms", "roofline_ms", "intensity_flop_per_byte", "intensity")


def spaces_tables(spaces: Sequence[Space]) -> list[Grid | Text]:
    """One line per space."""
    sizes = [f"{space.size:,}" if space.size is not None and space.size < 10**12 else _large(space) for space in spaces]
    return [
        Grid(
            (
                Column("Space", [space.name for space in spaces]),
                Column("Family", [space.base.MODEL.TYPE for space in spaces]),
                Column("Members", sizes, number=True),
                Column("Drawn", [f"{space.length:,}" for space in spaces], number=True),
                Column("How", ["each once" if space.enumerated else "at random" for space in spaces]),
                Column("Limits", [str(len(space.limits)) for space in spaces], number=True),
            )
        ),
        Text("Drawn: candidates at most, SETUP.NUM_SAMPLES. `oracle-search spaces NAME` shows samplers.", style="dim"),
    ]


def _large(space: Space) -> str:
    return "continuous" if space.size is None else f"{float(space.size):.1e}"


def space_tables(space: Space) -> list[Grid | Text]:
    """What each key may be, and what a member may cost."""
    how = "each once" if space.enumerated else f"at random, seed {space.seed}"
    members = "" if space.size is None else f" of {space.size:,} members"
    drawn = f"{space.length:,}{members}, {how}, in {counted(space.chunks, 'chunk')} of {space.chunk_size:,}"
    found: list[Grid | Text] = [
        Text(f"{space.name}: {space.base.MODEL.TYPE}; {drawn}", style="bold"),
        Grid(
            (
                Column("Key", [key for key, _ in space.samplers]),
                Column("Values", [_values(sampler) for _, sampler in space.samplers]),
            )
        ),
    ]
    limits = [(limit.label, str(limit)) for limit in space.limits]
    if space.num_stages:
        limits.append(("REGNET.NUM_STAGES", "{} to {} stages".format(*space.num_stages)))
    if limits:
        names, ranges = zip(*limits, strict=True)
        found.append(Grid((Column("Limit", names), Column("Expected", ranges))))
        if counts_as_pycls(names):
            found.append(Text(PYCLS, style="dim"))
    return found


def _values(sampler: Sampler) -> str:
    from ..space import Choice, Number

    if isinstance(sampler, Number):
        if sampler.low == sampler.high:
            return stated(sampler.low)
        step = f", multiples of {stated(sampler.step)}" if sampler.step else ""
        return f"{stated(sampler.low)} to {stated(sampler.high)}{step}, {sampler.law}"
    if isinstance(sampler, Choice):
        return "one of " + ", ".join(_value(value) for value in sampler.values)
    alike = len(set(sampler.items)) == 1
    items = [_values(item) for item in (sampler.items[:1] if alike else sampler.items)]
    return f"{len(sampler.items)} entries: {'; '.join(items)}" if alike else "; ".join(items)


def _value(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def sweep_tables(result: SweepResult, wanted: int | None = None) -> list[Grid | Text]:
    """What became of the candidates, and where they are."""
    tally = result.tally
    reasons = sorted(tally.rejected.items(), key=lambda item: -item[1])
    surplus = tally.feasible - result.count
    lines = [f"{result.count:,} candidates in {', '.join(map(str, result.files))}"]
    if surplus:
        lines.append(f"{surplus:,} more are feasible and were left out, as {result.count:,} were wanted")
    if wanted and result.count < wanted:
        lines.append(f"fewer than {wanted:,}: the stream of {tally.drawn:,} has ended; --samples draws more")
    if wanted and result.grid and tally.drawn < result.grid:
        lines.append(
            f"a grid is gone through in order, its last key fastest: these are the first of {result.grid:,}; "
            f"--samples {tally.drawn} draws from all of it at random"
        )
    if tally.overlaps:
        lines.append(OVERLAP)
    if counts_as_pycls(tally.rejected):
        lines.append(PYCLS)
    counts = [("drawn", tally.drawn), *((f"rejected: {name}", n) for name, n in reasons), ("feasible", tally.feasible)]
    grid = Grid(
        (
            Column("Candidates", [name for name, _ in counts]),
            Column("Count", [f"{n:,}" for _, n in counts], number=True),
            Column("Share", percent([n / max(tally.drawn, 1) for _, n in counts]), "% of drawn", number=True),
        ),
        totals=1,
    )
    lines += bound_notes(result.limits, result.trust)
    if result.devices:
        lines.append(trust_caption(result.trust))
    return [Text(workload_caption(result.workload, result.tokens), style="bold"), grid, Text("\n".join(lines))]


def fastest_tables(candidates: Candidates, devices: Sequence[str], top: int) -> list[Grid | Text]:
    """The fastest candidates on each device."""
    columns = candidates.columns([f"latency_ms@{device}" for device in devices])
    found: list[Grid | Text] = []
    for device in devices:
        latency = columns[f"latency_ms@{device}"]
        order = np.argsort(latency, kind="stable")[:top]
        rows = candidates.rows(order.tolist())
        bound = (f"roofline_ms@{device}",) if rows and f"roofline_ms@{device}" in rows[0] else ()
        shown = (f"latency_ms@{device}", *bound, "macs", "params", "traffic_bytes")
        found.append(Sheet(_row_columns(rows, shown), f"{device}: {len(order)} of {len(latency):,}, fastest first"))
    return found


def pareto_tables(found: Fronts, about: About, top: int | None = None, notes: Sequence[str] = ()) -> list[Grid | Text]:
    """Every front, what is on all of them, and how far the devices agree; what the numbers hold for, and notes."""
    objectives = ", ".join(map(str, found.objectives))
    heading = [f"{found.size:,} candidates of {found.source}: {objectives}", about.heading]
    tables: list[Grid | Text] = [Text("\n".join(filter(None, heading)), style="bold")]
    common = set(found.common.tolist())
    for front, positions in found.fronts.items():
        listed = positions[:top].tolist()
        rows = [found.rows[position] for position in listed]
        columns = _row_columns(rows, [objective.column for objective in found.of(front)])
        ties = found.ties.get(front)
        names = [objective.column for objective in found.of(front)]
        if ties is not None and any(name.startswith("latency_ms@") for name in names):
            columns += (Column("Tied", [f"{len(ties[position]):,}" for position in listed], number=True),)
        if len(found.fronts) > 1:
            columns += (Column("Every front", ["yes" if position in common else "" for position in listed]),)
        without = f"; {found.left_out[front]:,} without a number are left out" if found.left_out[front] else ""
        title = f"{front_title(len(listed), len(positions))}{without}"
        tables.append(Sheet(columns, f"{front}: {title}" if front else title))
    if len(found.fronts) > 1:
        some = "candidate is" if len(common) == 1 else "candidates are"
        tables.append(Text(f"{len(common):,} {some} on every front."))
    if found.agreements:
        tables += [_agreements(found), Text("\n".join(_flips(found)), style="dim")]
    captions = [_tie_caption(found, front) for front in found.fronts] if about.workload else []
    shown_on = [device for device in found.devices if _shows(found, device)]
    lines = list(filter(None, [*captions, about.footing(shown_on), *notes]))
    return [*tables, Text("\n".join(lines), style="dim")] if lines else tables


def front_title(listed: int, members: int) -> str:
    """How many members a front has, and how many of them, its best, are listed."""
    return f"the first {listed:,} of {members:,} on the front" if listed < members else f"{members:,} on the front"


def _tie_caption(found: Fronts, front: str) -> str:
    ties = found.ties.get(front, {})
    names = [objective.column for objective in found.of(front)]
    return tie_caption(names, found.trust, sum(map(bool, ties.values())), len(found.fronts[front]))


def _shows(found: Fronts, device: str) -> bool:
    """Whether a latency on a device is among what is shown."""
    shown = {objective.column for front in found.fronts for objective in found.of(front)}
    return bool(found.agreements) or f"latency_ms@{device}" in shown


def _row_columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[Column, ...]:
    """Which candidate, what it is, and some of its numbers."""
    keys = [name for name in (rows[0] if rows else ()) if name.split(".")[0].isupper() and "." in name]
    what = [", ".join(f"{key.rpartition('.')[2]} {_text(row[key])}" for key in keys) for row in rows]
    number = next((name for name in ("row", "trial") if rows and name in rows[0]), "")
    first = (Column(number.title(), [str(row[number]) for row in rows], number=True),) if number else ()
    numbers = (number_column(name, [row[name] for row in rows]) for name in names)
    return (*first, *((Column("Candidate", what),) if keys else ()), *numbers)


def _text(value: Any) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def number_column(name: str, values: Sequence[float | None]) -> Column:
    """A column of scores, with the unit that suits them; of a latency the unit says where."""
    score, _, device = name.partition("@")
    unit, scale = _UNITS.get(score, ""), 1.0
    if score in _TITLES and score not in _UNSCALED:
        unit, scale = prefix(values, unit)
    place = f"{unit}, {device}" if device else unit
    return Column(_TITLES.get(score, name), aligned(values, scale, most=6), place, number=True)


def _agreements(found: Fronts) -> Grid:
    pairs = found.agreements
    return Grid(
        (
            Column("Device", [pair.devices[0] for pair in pairs]),
            Column("and device", [pair.devices[1] for pair in pairs]),
            Column("Kendall tau-b", aligned([pair.kendall_tau for pair in pairs], most=3), number=True),
            Column("Spearman rho", aligned([pair.spearman_rho for pair in pairs], most=3), number=True),
            Column("Flips", [f"{pair.flips:,}" for pair in pairs], number=True),
            Column("Share", percent([pair.flips / max(pair.pairs, 1) for pair in pairs], most=2), "%", number=True),
        ),
        "Agreement on latency: 1 the same order, -1 reversed; a flip is a pair ordered oppositely",
    )


def _flips(found: Fronts) -> list[str]:
    lines = []
    for pair in found.agreements:
        if pair.largest is None:
            lines.append(f"{' and '.join(pair.devices)}: no flips.")
            continue
        rows = [found.rows[position] for position in (pair.largest.first, pair.largest.second)]
        places = (pair.largest.first, pair.largest.second)
        names = [
            next((f"{word} {row[word]}" for word in ("row", "trial") if word in row), f"candidate {position}")
            for row, position in zip(rows, places, strict=True)
        ]
        lines.append(
            f"Largest flip: {names[0]} is {pair.largest.ratios[0]:.3f} times faster than {names[1]} on "
            f"{pair.devices[0]}, and {names[1]} {pair.largest.ratios[1]:.3f} times faster on {pair.devices[1]}."
        )
    return lines
