"""Costs of a whole population: place by place along its chains, all candidates side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.cells import CellCosts, Piece, cost_cells
from oracle.closedform.inputs import CellInputs
from oracle.closedform.memory import ChainMemory
from oracle.closedform.places import Place
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format
from oracle.families.population import CellArray, Population
from oracle.spec import Workload

__all__ = ["PopulationCosts", "cost_population"]

Ints = NDArray[np.int64]

_LOSS = "cross_entropy"


@dataclass(frozen=True, slots=True, eq=False)
class PopulationCosts:
    """One entry per candidate; `latency_s` has a row per device, in their order."""

    macs: Ints
    flops: Ints
    traffic_bytes: Ints
    params: Ints
    activations: Ints
    pycls_macs: Ints
    pycls_activations: Ints
    peak_memory_bytes: Ints
    latency_s: NDArray[np.float64]
    unknown: tuple[str, ...]


class _Segment(NamedTuple):
    """Equal cells of some candidates: `rows` ascending within a piece, `counts` how often each."""

    rows: Ints
    counts: Ints
    costs: CellCosts


class _Situation(NamedTuple):
    """A piece with what is needed to cost it again under another gradient."""

    group: CellArray
    positions: Ints
    dims: tuple[Ints, ...]
    form: Format
    first: bool
    piece: Piece


def cost_population(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[Place]
) -> PopulationCosts:
    """Cost every candidate of a population.

    Raises:
        OracleError: a cell that cannot be traced, or numbers beyond 62 bits.
    """
    totals = _Totals(population.size, len(devices), workload.training)
    walked = _walk(store, population, workload, devices)
    if not workload.training:
        for situation in walked:
            totals.add(_whole(situation))
    else:
        for segment in reversed(list(_backwards(store, list(walked), population.size, workload, devices))):
            totals.add(segment)
    return totals.result()


def _walk(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[Place]
) -> Iterator[_Situation]:
    """Cost the cells from the first place to the last, each with what the one before hands on."""
    size = population.size
    dims = np.ones((4, size), dtype=np.int64)
    for axis, dim in enumerate((workload.batch_size, *population.input_shape)):
        dims[axis] = dim
    rank = len(population.input_shape) + 1
    forms = [Format.image("float32", rank, workload.layout)]
    form_of = np.zeros(size, dtype=np.int64)  # index into forms
    for place, groups in enumerate(_places(population, workload)):
        asked = [(group, place == 0) for group in groups]
        while asked:
            group, first = asked.pop(0)
            here = form_of[group.rows]
            for number in range(len(forms)):
                chosen = np.flatnonzero(here == number)
                if not len(chosen):
                    continue
                form = forms[number]
                rows = group.rows[chosen]
                entering = tuple(dims[axis, rows] for axis in range(len(form.order)))
                inputs = _inputs(group, chosen, entering, form, first)
                for piece in cost_cells(store, inputs, len(rows), workload, devices):
                    positions = chosen[piece.where]
                    entered = tuple(d[piece.where] for d in entering)
                    counted, rest = _repetitions(group, positions, entered, form, first, piece)
                    yield _Situation(counted, positions, entered, form, first, piece)
                    if rest is not None:
                        asked.append((rest, False))
                    if piece.output not in forms:
                        forms.append(piece.output)
                    members = group.rows[positions]
                    form_of[members] = forms.index(piece.output)
                    for axis, sizes in enumerate(piece.costs.output):
                        dims[axis, members] = sizes


def _repetitions(
    group: CellArray, positions: Ints, entered: tuple[Ints, ...], form: Format, first: bool, piece: Piece
) -> tuple[CellArray, CellArray | None]:
    """A group whose counts are of cells that cost what `piece` says, and the cells that are still to be asked.

    A cell repeats the one before only where it is handed what that one was handed.
    """
    repeated = group.counts[positions] > 1
    if not repeated.any():
        return group, None
    if not first and piece.output == form and len(piece.costs.output) == len(entered):
        same = [before == after for before, after in zip(entered, piece.costs.output, strict=True)]
        repeated &= ~np.logical_and.reduce(same)
    again = positions[repeated]
    if not len(again):
        return group, None
    counts = group.counts.copy()
    counts[again] = 1
    params = tuple((name, v[again] if isinstance(v, np.ndarray) else v) for name, v in group.params)
    rest = CellArray(group.kind, params, group.rows[again], group.counts[again] - 1)
    return replace(group, counts=counts), rest


def _backwards(
    store: TemplateStore, situations: list[_Situation], size: int, workload: Workload, devices: Sequence[Place]
) -> Iterator[_Segment]:
    """From the last cell to the first, each with the gradient that the next hands back."""
    forms: list[Format | None] = [None]
    given = np.zeros(size, dtype=np.int64)  # index into forms: what comes from behind; None: like the output
    for situation in reversed(situations):
        entering = given[situation.group.rows[situation.positions]]
        for number in np.unique(entering):
            left = _part(situation, np.flatnonzero(entering == number))
            counts = situation.group.counts[left.positions]
            for segment, leaving in _run_backwards(store, left, counts, forms[number], workload, devices):
                yield segment
                if leaving not in forms:
                    forms.append(leaving)
                given[segment.rows] = forms.index(leaving)


def _run_backwards(
    store: TemplateStore,
    situation: _Situation,
    counts: Ints,
    gradient: Format | None,
    workload: Workload,
    devices: Sequence[Place],
) -> Iterator[tuple[_Segment, Format | None]]:
    """Runs of equal cells from their last one on, and the format of the gradient that leaves each segment.

    The last of a run gets the gradient from behind; what it hands to the one before may be the usual one.
    """
    piece = situation.piece
    if gradient is None or gradient == piece.output:
        yield _Segment(situation.group.rows[situation.positions], counts, piece.costs), piece.input_gradient
        return
    inputs = _inputs(situation.group, situation.positions, situation.dims, situation.form, situation.first, gradient)
    for recosted in cost_cells(store, inputs, len(situation.positions), workload, devices):
        where, leaving = recosted.where, recosted.input_gradient
        rows, left = situation.group.rows[situation.positions[where]], counts[where]
        settled = leaving == gradient
        yield _Segment(rows, left if settled else np.ones_like(left), recosted.costs), leaving
        more = np.flatnonzero(left > 1)
        if len(more) and not settled:
            yield from _run_backwards(store, _part(situation, where[more]), left[more] - 1, leaving, workload, devices)


def _part(situation: _Situation, inside: Ints) -> _Situation:
    costs = situation.piece.costs.taken(inside)
    piece = situation.piece._replace(where=np.arange(len(inside)), costs=costs)
    dims = tuple(dim[inside] for dim in situation.dims)
    return situation._replace(positions=situation.positions[inside], dims=dims, piece=piece)


def _whole(situation: _Situation) -> _Segment:
    group = situation.group
    return _Segment(group.rows[situation.positions], group.counts[situation.positions], situation.piece.costs)


def _inputs(
    group: CellArray,
    positions: Ints,
    dims: tuple[Ints, ...],
    form: Format,
    first: bool,
    gradient: Format | None = None,
) -> CellInputs:
    if len(positions) == len(group.rows):  # ascending, so all of them: no copies, and equal columns stay one array
        return CellInputs(group.kind, group.params, dims, form, gradient, first)
    params = tuple((name, v[positions] if isinstance(v, np.ndarray) else v) for name, v in group.params)
    return CellInputs(group.kind, params, dims, form, gradient, first)


def _places(population: Population, workload: Workload) -> Iterator[tuple[CellArray, ...]]:
    yield from population.places
    if workload.training:
        rows = np.arange(population.size)
        yield (CellArray(_LOSS, (), rows, np.ones(population.size, dtype=np.int64)),)


class _Totals:
    """Sums over the cells of each candidate, and the peak of their chain."""

    def __init__(self, size: int, devices: int, training: bool) -> None:
        self._sums = [np.zeros(size, dtype=np.int64) for _ in SUMS]
        self._latency = np.zeros((devices, size))
        self._memory = ChainMemory(size, training)

    def add(self, segment: _Segment) -> None:
        """Add a segment; segments come from the first cell to the last."""
        rows, counts, costs = segment
        everyone = slice(None) if len(rows) == self._latency.shape[1] else rows
        for total, found in zip(self._sums, costs.sums, strict=True):
            total[everyone] += counts * found
        for device, latency in enumerate(costs.latency_s):
            self._latency[device, everyone] += counts * latency
        self._memory.add(everyone, counts, costs.memory)

    def result(self) -> PopulationCosts:
        """The costs."""
        fields: dict[str, Any] = dict(zip(SUMS, self._sums, strict=True))
        return PopulationCosts(
            **fields, peak_memory_bytes=self._memory.peak_bytes(), latency_s=self._latency, unknown=()
        )


def _concatenated(parts: list[CellCosts]) -> CellCosts:
    if len(parts) == 1:
        return parts[0]
    fields = type(parts[0].memory).__dataclass_fields__
    memory = type(parts[0].memory)(
        **{name: np.concatenate([getattr(part.memory, name) for part in parts]) for name in fields}
    )
    return CellCosts(
        tuple(np.concatenate(columns) for columns in zip(*(part.sums for part in parts), strict=True)),
        memory,
        tuple(np.concatenate(c) for c in zip(*(part.output for part in parts), strict=True)),
        tuple(np.concatenate(c) for c in zip(*(part.latency_s for part in parts), strict=True)),
    )
