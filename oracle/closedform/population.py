"""Costs of a whole population: place by place along its chains, all candidates side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.boundary import Boundary, alike
from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.cells import Piece, cost_cells
from oracle.closedform.columns import Columns, Known
from oracle.closedform.evaluate import evaluate
from oracle.closedform.inputs import CellInputs, check_image
from oracle.closedform.mixed import check_mixed, conversion, place_codes, stored_dtype
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import Format
from oracle.closedform.totals import PopulationCosts, Segment, Totals
from oracle.errors import OracleError
from oracle.families.population import CellArray, Population, Rows, taken
from oracle.memory import held_input_bytes
from oracle.optable import prod
from oracle.spec import LOSS, Workload

Ints = NDArray[np.int64]

_FLAT = Format("float32", (0,))  # of a tensor of which only the number of elements matters


class _Situation(NamedTuple):
    """A piece with what is needed to cost it again under another gradient."""

    group: CellArray
    positions: Ints
    dims: tuple[Any, ...]
    form: Format
    first: bool
    piece: Piece
    place: int = 0


def cost_population(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> PopulationCosts:
    """Cost every candidate of a population.

    Raises:
        OracleError: a cell that cannot be traced, or numbers beyond 62 bits.
    """
    if workload.training:
        return _costs(store, _present(population), workload, devices)
    try:
        return _costs(store, population, workload, devices)
    except OracleError:  # perhaps about a cell that no candidate has
        there = _present(population)
        if there is population:
            raise
        return _costs(store, there, workload, devices)


def _costs(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> PopulationCosts:
    """Costs at places that hold the weights of each candidate, or let them stream."""
    streaming = {place: place.streaming for place in devices if place.streaming is not place}
    found = _costs_at(store, population, workload, [*devices, *streaming.values()])
    latency_s = found.latency_s[: len(devices)]
    for place, other_s in zip(streaming, found.latency_s[len(devices) :], strict=True):
        holds = place.device.llc is None or found.flash_bytes <= place.device.llc.value
        for row in [row for row, other in enumerate(devices) if other is place]:
            latency_s[row] = np.where(holds, latency_s[row], other_s)
    return replace(found, latency_s=latency_s)


def _costs_at(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> PopulationCosts:
    if population.dtypes:
        return _mixed_costs(store, population, workload, devices)
    totals = Totals(
        population.size, len(devices), workload.training, held_input_bytes(population.input_shape, workload)
    )
    walked = _walk(store, population, workload, devices)
    if not workload.training:
        for situation in walked:
            totals.add(_whole(situation))
    else:
        for segment in reversed(list(_backwards(store, list(walked), population.size, workload, devices))):
            totals.add(segment)
    return totals.result()


def _mixed_costs(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> PopulationCosts:
    """Costs of networks whose cells compute in several types; see `oracle.closedform.mixed`.

    The chains are walked once in each type; of each walk the cells of that type count.
    """
    check_mixed(workload, population.input_shape)
    population, words, codes = place_codes(population, workload.dtype)
    workloads = [workload.in_dtype(word) for word in words]
    places = [[place.under(word) for place in devices] for word in words]
    totals = Totals(population.size, len(devices), training=False)
    kinds: list[str] = []  # types that tensors between cells are stored in
    stored = np.zeros((len(words), len(codes), population.size), dtype=np.int8)
    elements = np.zeros((len(codes), population.size), dtype=np.int64)
    for code, own in enumerate(workloads):
        for situation in _walk(store, population, own, places[code]):
            segment, at = _whole(situation), situation.place
            kind = stored_dtype(situation.form, own)
            kinds += [] if kind in kinds else [kind]
            stored[code, at, segment.rows] = kinds.index(kind)
            kept = np.flatnonzero((codes[at][segment.rows] == code) & (segment.counts > 0))
            if len(kept):
                elements[at, segment.rows[kept]] = taken(prod(situation.dims), kept, len(segment.rows))
                totals.add(Segment(segment.rows[kept], segment.counts[kept], segment.costs.taken(kept)))
    for at, before, after, rows in _seams(codes, len(words)):
        ends = stored[before, at, rows], stored[after, at, rows]
        for left, right in product(range(len(kinds)), repeat=2):
            chosen = rows[(ends[0] == left) & (ends[1] == right)]
            if left != right and len(chosen):
                template = conversion(kinds[left], kinds[right], _FLAT, workloads[after])
                columns = Columns(("d0",), (elements[at, chosen],), len(chosen))
                costs = evaluate(template, columns, places[after])
                totals.add(Segment(chosen, np.ones_like(chosen), costs))
    return totals.result()


def _seams(codes: Sequence[Ints], count: int) -> Iterator[tuple[int, int, int, Ints]]:
    """Where cells follow such of another type: the place, both types, and the candidates.

    Args:
        codes: as from `place_codes`.
        count: of types.
    """
    last = np.full_like(codes[0], -1)
    for at, own in enumerate(codes):
        for before, after in permutations(range(count), 2):
            rows = np.flatnonzero((last == before) & (own == after))
            if len(rows):
                yield at, before, after, rows
        last = np.where(own >= 0, own, last)


def _walk(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> Iterator[_Situation]:
    """Cost the cells from the first place to the last, each with what the one before hands on."""
    rank = len(population.input_shape) + 1
    image = Format.image(workload.input_dtype(rank), rank, workload.layout)
    handed = Boundary(population.size, (workload.batch_size, *population.input_shape), image)
    known = Known()
    for place, groups in enumerate(_places(population, workload)):
        requested = [(group, place == 0) for group in groups]
        while requested:
            group, first = requested.pop(0)
            for chosen, entering, form in list(handed.at(group.rows)):
                inputs = _inputs(group, chosen, entering, form, first)
                for piece in cost_cells(store, inputs, len(chosen), workload, devices, known):
                    positions = taken(chosen, piece.where, len(chosen))
                    entered = _at(entering, piece.where, len(chosen))
                    check_image(workload, piece.costs.output)
                    same = alike(entered, piece.costs.output) if piece.output == form else False
                    counted, rest = _repetitions(group, positions, False if first else same)
                    yield _Situation(counted, positions, entered, form, first, piece, place)
                    if rest is not None:
                        requested.append((rest, False))
                    if not np.all(same):
                        _leave(handed, group, positions, piece)


def _present(population: Population) -> Population:
    """The cells that are there, repeated at least once; the same population where all are."""

    def kept(group: CellArray) -> CellArray:
        there = np.flatnonzero(group.counts)
        return group if len(there) == len(group.rows) else group.at(Rows(there), group.rows[there])

    places = tuple(tuple(map(kept, place)) for place in population.places)
    return population if places == population.places else replace(population, places=places)


def _leave(handed: Boundary, group: CellArray, positions: Ints, piece: Piece) -> None:
    """Hand on what leaves the cells of a group that are there."""
    rows, counts = (taken(column, positions, len(group.rows)) for column in (group.rows, group.counts))
    output = piece.costs.output
    if not counts.all():
        there = np.flatnonzero(counts)
        rows, output = rows[there], _at(output, there, len(rows))
    handed.leave(rows, output, piece.output)


def _repetitions(group: CellArray, positions: Ints, same: Any) -> tuple[CellArray, CellArray | None]:
    """A group whose counts are of cells that cost the same, and the cells that are still to be requested.

    A cell repeats the one before only where it is handed what that one was handed: where `same` holds.
    """
    if np.all(same) or group.counts.max(initial=0) <= 1:
        return group, None
    again = positions[(group.counts[positions] > 1) & ~np.asarray(same, dtype=bool)]
    if not len(again):
        return group, None
    counts = group.counts.copy()
    counts[again] = 1
    rest = group.at(Rows(again), group.rows[again])
    return replace(group, counts=counts), replace(rest, counts=rest.counts - 1)


def _at(dims: tuple[Any, ...], where: Ints, count: int) -> tuple[Any, ...]:
    return dims if len(where) == count else tuple(map(Rows(where).of, dims))


def _backwards(
    store: TemplateStore,
    situations: list[_Situation],
    size: int,
    workload: Workload,
    devices: Sequence[CalibratedDevice],
) -> Iterator[Segment]:
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
    devices: Sequence[CalibratedDevice],
) -> Iterator[tuple[Segment, Format | None]]:
    """Runs of equal cells from their last one on, and the format of the gradient that leaves each segment.

    The last of a run gets the gradient from behind; what it hands to the one before may be the usual one.
    """
    piece = situation.piece
    if gradient is None or gradient == piece.output:
        yield Segment(situation.group.rows[situation.positions], counts, piece.costs), piece.input_gradient
        return
    inputs = _inputs(situation.group, situation.positions, situation.dims, situation.form, situation.first, gradient)
    for recosted in cost_cells(store, inputs, len(situation.positions), workload, devices):
        where, leaving = recosted.where, recosted.input_gradient
        rows, left = situation.group.rows[situation.positions[where]], counts[where]
        settled = leaving == gradient
        yield Segment(rows, left if settled else np.ones_like(left), recosted.costs), leaving
        more = np.flatnonzero(left > 1)
        if len(more) and not settled:
            yield from _run_backwards(store, _part(situation, where[more]), left[more] - 1, leaving, workload, devices)


def _part(situation: _Situation, inside: Ints) -> _Situation:
    costs = situation.piece.costs.taken(inside)
    piece = situation.piece._replace(where=np.arange(len(inside)), costs=costs)
    dims = _at(situation.dims, inside, len(situation.positions))
    return situation._replace(positions=situation.positions[inside], dims=dims, piece=piece)


def _whole(situation: _Situation) -> Segment:
    group = situation.group
    rows, counts = (taken(column, situation.positions, len(group.rows)) for column in (group.rows, group.counts))
    return Segment(rows, counts, situation.piece.costs)


def _inputs(
    group: CellArray,
    positions: Ints,
    dims: tuple[Any, ...],
    form: Format,
    first: bool,
    gradient: Format | None = None,
) -> CellInputs:
    if len(positions) == len(group.rows):  # ascending, so all of them: no copies, and equal columns stay one array
        return CellInputs(group.kind, group.params, dims, form, gradient, first)
    chosen = Rows(positions)
    params = tuple((name, chosen.of(value)) for name, value in group.params)
    return CellInputs(group.kind, params, dims, form, gradient, first)


def _places(population: Population, workload: Workload) -> Iterator[tuple[CellArray, ...]]:
    yield from population.places
    if workload.training:
        rows = np.arange(population.size)
        yield (CellArray(LOSS.kind, (), rows, np.ones(population.size, dtype=np.int64)),)
