"""Costs of a whole population: place by place along its chains, all candidates side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.cells import CellCosts, Piece, cost_cells
from oracle.closedform.inputs import CellInputs
from oracle.closedform.memory import ChainMemory
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format
from oracle.devices import Device
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
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[Device]
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
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[Device]
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
        for group in groups:
            here = form_of[group.rows]
            for number in range(len(forms)):
                chosen = np.flatnonzero(here == number)
                if not len(chosen):
                    continue
                form = forms[number]
                rows = group.rows[chosen]
                entering = tuple(dims[axis, rows] for axis in range(len(form.order)))
                inputs = _inputs(group, chosen, entering, form, place == 0)
                for piece in cost_cells(store, inputs, len(rows), workload, devices):
                    positions = chosen[piece.where]
                    yield _Situation(group, positions, tuple(d[piece.where] for d in entering), form, place == 0, piece)
                    if piece.output not in forms:
                        forms.append(piece.output)
                    members = group.rows[positions]
                    form_of[members] = forms.index(piece.output)
                    for axis, sizes in enumerate(piece.costs.output):
                        dims[axis, members] = sizes


def _backwards(
    store: TemplateStore, situations: list[_Situation], size: int, workload: Workload, devices: Sequence[Device]
) -> Iterator[_Segment]:
    """From the last cell to the first, each with the gradient that the next hands back."""
    forms: list[Format | None] = [None]
    given = np.zeros(size, dtype=np.int64)  # index into forms: what comes from behind; None: like the output
    for situation in reversed(situations):
        members = situation.group.rows[situation.positions]
        entering = given[members]
        for number in np.unique(entering):
            gradient = forms[number]
            inside = np.flatnonzero(entering == number)
            left, segments = _part(situation, inside), []
            counts = situation.group.counts[left.positions]
            # The last of a run gets the foreign gradient; what it hands on may be the usual one.
            while gradient is not None and gradient != left.piece.output and counts.max(initial=0) > 0:
                recosted = _recost(store, left, gradient, workload, devices)
                segments.append((left, np.minimum(counts, 1), recosted))
                counts = counts - 1
                gradient = recosted.input_gradient
            segments.append((left, counts, left.piece))
            for part, repeated, piece in segments:
                times = repeated[piece.where]
                if times.any():
                    yield _Segment(part.group.rows[part.positions][piece.where], times, piece.costs)
            leaving = left.piece.input_gradient if (counts > 0).all() else gradient
            if leaving not in forms:
                forms.append(leaving)
            given[members[inside]] = forms.index(leaving)


def _recost(
    store: TemplateStore, situation: _Situation, gradient: Format, workload: Workload, devices: Sequence[Device]
) -> Piece:
    inputs = _inputs(situation.group, situation.positions, situation.dims, situation.form, situation.first, gradient)
    pieces = list(cost_cells(store, inputs, len(situation.positions), workload, devices))
    index = np.concatenate([piece.where for piece in pieces])
    costs = _concatenated([piece.costs for piece in pieces])
    return Piece(index, costs, pieces[0].output, pieces[0].input_gradient, pieces[0].unknown)


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
