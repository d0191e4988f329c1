"""Peak memory by liveness: a tensor lives from the kernel that makes it to the last one that uses it.

Weights stay, caches of keys and values likewise, and in training gradients and the optimiser's state; so do the
outputs of a call until it returns, and in eager inference the half-precision copies of weights, which autocast keeps
(we count them from the start, though each is made when it is needed). In eager inference a tensor lives for longer
where Python holds it: a caller holds its arguments until the call returns, and a frame what its variables name
(`OpTable.released`, where a trace observed it; the input of a network is held until the network returns). Training
keeps most of these tensors for its backward pass anyway. Workspace of kernels and the allocator's rounding are not
included. The code works on sizes that are ints, and as well on numpy arrays of sizes (one entry per cell), for which
`maximum` is numpy's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from oracle.counting.fusion import Kernel
from oracle.memory import PHASES, CellMemory
from oracle.optable import OpTable

__all__ = ["Lifetimes", "lifetimes_of", "measure"]

Size = Any  # an int, or an array of them

_PHASE = {name: number for number, name in enumerate(PHASES)}


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


def lifetimes_of(table: OpTable, kernels: Sequence[Kernel], runtime: str, *, recast: bool = False) -> Lifetimes:
    """Find out who lives when under a runtime's kernels.

    Args:
        table, kernels: what runs.
        runtime: of the workload.
        recast: whether the runtime keeps weights of products in another type: then a table of embeddings that such a
            product shares is there twice, as it is and as the product reads it.
    """
    counters, used, born = _touched(table, kernels)
    weights, states, gradients = _residents(table, used.keys(), born, runtime, recast)
    if runtime == "eager" and not any(counters[1:]):
        _hold(table, [kernel.main for kernel in kernels], used)
    stays = {*weights, *states}
    final = set(gradients)
    held = {table.values[value].storage for value in table.outputs}
    spans: list[list[Span]] = [[], [], []]
    retained = []
    for storage, steps in used.items():
        if storage in stays or storage == table.boundary_in or table.storages[storage].kind == "shared":
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


def _touched(table: OpTable, kernels: Sequence[Kernel]) -> tuple[list[int], dict[int, list[list[int]]], set[int]]:
    """How many steps each phase has; storage -> per phase, the steps that touch it; and what kernels write."""
    counters = [0, 0, 0]
    of_cell: dict[int, int] = {}  # steps of the optimiser, which each is one for the parameters of all cells
    used: dict[int, list[list[int]]] = {}
    born: set[int] = set()
    rows, values = table.rows, table.values
    for kernel in kernels:
        main = rows[kernel.main]
        phase = _PHASE[main.phase]
        step = counters[phase]
        if phase == _PHASE["optimizer"]:
            step = of_cell.get(main.cell, 0)
            of_cell[main.cell] = step + 1
        counters[phase] = max(counters[phase], step + 1)
        for uses in (kernel.reads, kernel.writes):
            for _, use in uses:
                storage = values[use.value].storage
                if storage not in used:
                    used[storage] = [[], [], []]
                used[storage][phase].append(step)
        born.update([values[use.value].storage for _, use in kernel.writes])
    return counters, used, born


def _hold(table: OpTable, rows: Sequence[int], used: dict[int, list[list[int]]]) -> None:
    """Add to the steps that touch a storage the last one at which Python holds it.

    Args:
        table: of a forward pass.
        rows: the main row of each kernel, ascending.
        used: as from `_touched`.
    """
    used.setdefault(table.boundary_in, [[], [], []])
    for storage, released in enumerate(table.released):
        last = bisect_left(rows, released) - 1
        if last >= 0 and storage in used:
            used[storage][0].append(last)


def _residents(
    table: OpTable, touched: Collection[int], born: Collection[int], runtime: str, recast: bool
) -> tuple[list[int], list[int], list[int]]:
    """Storages that stay: weights, optimiser state, gradients of parameters."""
    weights, states, gradients = [], [], []
    inference = all(row.phase == "forward" for row in table.rows)
    copies = _cast_weights(table) if inference and runtime == "eager" else set()
    for index, storage in enumerate(table.storages):
        if storage.kind == "cache":
            resident = True
        elif storage.kind == "shared":  # the cell that owns it counts it
            resident = recast
        elif storage.kind == "idle":  # others have the parameters themselves
            resident = inference and runtime == "engine"
        elif inference and runtime == "engine":
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
