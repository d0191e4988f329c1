"""Peak memory by liveness: a tensor lives from the kernel that makes it to the last one that uses it.

Weights stay, and in training gradients and the optimiser's state; so do the outputs of a call until it returns,
and in eager inference the half-precision copies of weights, which autocast keeps (we count them from the start,
though each is made when it is needed). An input lives until its last
use, although a caller may hold it for longer, as Python frames do with what their variables name. Workspace of
kernels and the allocator's rounding are not included. The code works on sizes that are ints, and as well on numpy
arrays of sizes (one entry per cell), for which `maximum` is numpy's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from oracle.counting.fusion import Kernel
from oracle.optable import OpTable

__all__ = ["CellMemory", "Lifetimes", "PeakMemory", "chain_peak", "lifetimes_of", "measure"]

Size = Any  # an int, or an array of them

PHASES = ("forward", "backward", "optimizer")


class Span(NamedTuple):
    """A storage that lives from step `first` to step `last` of one phase, both included."""

    storage: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Who lives when, in one cell; structure only, sizes come later.

    Attributes:
        steps: kernels in each phase; at least one in the forward phase.
        spans: per phase, the storages alive and their steps; without those below.
        input_forward: last forward step at which the input is alive; -1 if there is none.
        input_backward: last backward step that uses the input; -1 if none.
        weights, states, gradients: storages that stay.
        retained: storages made in the forward pass and used in the backward pass, boundaries apart.
        boundary_in, boundary_out: storages, -1 if none.
        output_retained: whether the backward pass of this cell uses its output.
    """

    steps: tuple[int, int, int]
    spans: tuple[tuple[Span, ...], tuple[Span, ...], tuple[Span, ...]]
    input_forward: int
    input_backward: int
    weights: tuple[int, ...]
    states: tuple[int, ...]
    gradients: tuple[int, ...]
    retained: tuple[int, ...]
    boundary_in: int
    boundary_out: int
    output_retained: bool


@dataclass(frozen=True, slots=True)
class CellMemory:
    """A cell's memory in bytes; the `_held` peaks are those with its input alive throughout the phase."""

    weights: Size
    states: Size
    gradients: Size
    forward: Size
    forward_held: Size
    backward: Size
    backward_held: Size
    optimizer: Size
    retained: Size
    input: Size
    output: Size
    output_retained: Any  # bools, or arrays of them
    input_retained: Any


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak memory in bytes, of the whole call and of each phase.

    Attributes:
        weights_bytes: parameters and buffers, and what autocast or an engine keeps in their place.
        states_bytes: the optimiser's state; 0 in inference, as are the next two.
        gradients_bytes: of all parameters.
        saved_bytes: what the forward pass made, or was given, and keeps for the backward pass.
        forward_bytes, backward_bytes, optimizer_bytes: peak of each phase. Weights and states are in all of them;
            so is whatever of saved tensors and gradients is alive at the peak. In inference the last two are no
            more than the weights.
        peak_bytes: the largest of the three.
    """

    weights_bytes: Size
    states_bytes: Size
    gradients_bytes: Size
    saved_bytes: Size
    forward_bytes: Size
    backward_bytes: Size
    optimizer_bytes: Size
    peak_bytes: Size


def lifetimes_of(table: OpTable, kernels: Sequence[Kernel], runtime: str) -> Lifetimes:
    """Find out who lives when under a runtime's kernels."""
    counters = [0, 0, 0]
    of_cell: Counter[int] = Counter()  # steps of the optimiser, which each is one for the parameters of all cells
    used: dict[int, list[list[int]]] = {}  # storage -> per phase, the steps that touch it
    born: dict[int, int] = {}
    touched: set[int] = set()
    for kernel in kernels:
        main = table.rows[kernel.main]
        phase = PHASES.index(main.phase)
        step = of_cell[main.cell] if phase == 2 else counters[phase]
        of_cell[main.cell] += phase == 2
        counters[phase] = max(counters[phase], step + 1)
        for uses, writing in ((kernel.reads, False), (kernel.writes, True)):
            for _, use in uses:
                storage = table.values[use.value].storage
                used.setdefault(storage, [[], [], []])[phase].append(step)
                touched.add(storage)
                if writing:
                    born.setdefault(storage, phase)
    weights, states, gradients = _residents(table, touched, set(born), runtime)
    stays = {*weights, *states}
    final = set(gradients)
    held = {table.values[value].storage for value in table.outputs}
    spans: list[list[Span]] = [[], [], []]
    retained = []
    for storage, steps in used.items():
        if storage in stays or storage == table.boundary_in:
            continue
        spans_of, kept = _spans_of(table, storage, steps, counters, storage in final, storage in held)
        for phase, span in spans_of:
            spans[phase].append(span)
        if kept and storage != table.boundary_out:
            retained.append(storage)
    x = used.get(table.boundary_in, [[], [], []])
    y = used.get(table.boundary_out, [[], [], []])
    given = table.boundary_in not in stays
    count = max(counters[0], 1)  # where nothing runs, such as in a reshape, the input is there all the same
    returned = [count - 1] if table.boundary_in in held else [0]
    return Lifetimes(
        (count, counters[1], counters[2]),
        (tuple(spans[0]), tuple(spans[1]), tuple(spans[2])),
        max(x[0] + returned) if given else -1,
        max(x[1], default=-1) if given else -1,
        tuple(weights),
        tuple(states),
        tuple(gradients),
        tuple(retained),
        table.boundary_in if given else -1,
        table.boundary_out,
        bool(y[1]),
    )


def _residents(
    table: OpTable, touched: set[int], born: set[int], runtime: str
) -> tuple[list[int], list[int], list[int]]:
    """Storages that stay: weights, optimiser state, gradients of parameters."""
    weights, states, gradients = [], [], []
    inference = all(row.phase == "forward" for row in table.rows)
    copies = _cast_weights(table) if inference and runtime == "eager" else set()
    for index, storage in enumerate(table.storages):
        if inference and runtime == "engine":
            # What an engine loads is what its kernels read, folded and cast as they read it.
            resident = index in touched and index not in born and storage.kind != "input"
        else:
            resident = storage.is_weight or index in copies
        if resident:
            weights.append(index)
        elif storage.kind == "state":
            states.append(index)
        elif storage.kind == "gradient":
            gradients.append(index)
    return weights, states, gradients


def _cast_weights(table: OpTable) -> set[int]:
    """Copies of weights in another type; autocast keeps them until it ends, should the weight be used again."""
    return {
        table.values[row.writes[0].value].storage
        for row in table.rows
        if row.name == "aten._to_copy" and row.writes and table.storage_of(row.reads[0]).kind == "parameter"
    }


def _spans_of(
    table: OpTable, storage: int, steps: list[list[int]], counters: list[int], gradient: bool, held: bool
) -> tuple[list[tuple[int, Span]], bool]:
    """Where a storage that is no resident and no input lives, and whether the backward pass uses it again."""
    forward, backward, optimizer = steps
    found = []
    kept = bool(forward and backward)
    if forward:
        first = 0 if table.storages[storage].kind == "input" else min(forward)
        last = counters[0] - 1 if kept or held or storage == table.boundary_out else max(forward)
        found.append((0, Span(storage, first, last)))
    if backward:
        given = kept or storage == table.grad_out
        last = counters[1] - 1 if gradient or storage == table.grad_in else max(backward)
        found.append((1, Span(storage, 0 if given else min(backward), last)))
    if optimizer and not gradient:
        found.append((2, Span(storage, min(optimizer), max(optimizer))))
    return found, kept


def measure(lifetimes: Lifetimes, sizes: Sequence[Size], maximum: Callable[[Size, Size], Size] = max) -> CellMemory:
    """Put sizes (bytes per storage) to lifetimes."""

    def total(storages: Sequence[int]) -> Size:
        return sum((sizes[storage] for storage in storages), start=0 * sizes[0] if len(sizes) else 0)

    def peak(phase: int, extra: tuple[Span, ...] = ()) -> Size:
        steps = lifetimes.steps[phase]
        change: list[Size] = [0] * (steps + 1)
        for storage, first, last in (*lifetimes.spans[phase], *extra):
            change[first] = change[first] + sizes[storage]
            change[last + 1] = change[last + 1] - sizes[storage]
        top = running = 0 * sizes[0] if len(sizes) else 0
        for step in range(steps):
            running = running + change[step]
            top = maximum(top, running)
        return top

    def input_span(phase: int, last: int) -> tuple[Span, ...]:
        return (Span(lifetimes.boundary_in, 0, last),) if lifetimes.boundary_in >= 0 and last >= 0 else ()

    last_forward, last_backward = lifetimes.steps[0] - 1, lifetimes.steps[1] - 1
    input_retained = lifetimes.input_backward >= 0
    return CellMemory(
        weights=total(lifetimes.weights),
        states=total(lifetimes.states),
        gradients=total(lifetimes.gradients),
        forward=peak(0, input_span(0, last_forward if input_retained else lifetimes.input_forward)),
        forward_held=peak(0, input_span(0, last_forward)),
        backward=peak(1, input_span(1, lifetimes.input_backward)),
        backward_held=peak(1, input_span(1, last_backward)),
        optimizer=peak(2),
        retained=total(lifetimes.retained),
        input=sizes[lifetimes.boundary_in] if lifetimes.boundary_in >= 0 else 0,
        output=sizes[lifetimes.boundary_out] if lifetimes.boundary_out >= 0 else 0,
        output_retained=lifetimes.output_retained,
        input_retained=input_retained,
    )


def chain_peak(cells: Sequence[CellMemory], maximum: Callable[[Size, Size], Size] = max) -> PeakMemory:
    """Peak memory of a chain of cells: what it would be, to the last byte, had the whole chain been traced.

    Each boundary tensor is the output of one cell and the input of the next; it is kept for the backward pass if
    either uses it there. The optimiser takes each of its steps on the tensors of all cells before the next one, so
    that what it makes on the way adds up.
    """
    weights = sum(cell.weights for cell in cells)
    states = sum(cell.states for cell in cells)
    all_gradients = sum(cell.gradients for cell in cells)
    forward: Size = 0
    backward: Size = 0
    optimizer: Size = 0
    before: Size = 0  # kept by earlier cells, without the boundary into this one
    for position, cell in enumerate(cells):
        held = position > 0 and cells[position - 1].output_retained
        forward = maximum(forward, before + (cell.forward_held if held else cell.forward))
        later = sum(other.gradients for other in cells[position + 1 :])
        backward = maximum(backward, before + later + (cell.backward_held if held else cell.backward))
        # The boundary out of this cell is the next cell's own input: its curves count it.
        before = before + cell.retained + (cell.input if held or cell.input_retained else 0)
        optimizer = optimizer + cell.optimizer
    kept = before + (cells[-1].output if cells and cells[-1].output_retained else 0)
    resident = weights + states
    phases = resident + forward, resident + backward, resident + all_gradients + optimizer
    top = maximum(maximum(phases[0], phases[1]), phases[2])
    return PeakMemory(weights, states, all_gradients, kept, *phases, top)
