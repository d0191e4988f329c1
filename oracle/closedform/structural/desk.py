"""Structural cells of one kind under one workload: which kernels each runs and who lives when, sizes left open.

That is found out once per structure: operations that are alike (`oracle.counting.fusion.likeness`) share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.structural.composing import SUMS, Composed
from oracle.closedform.structural.memory import Spans, spans_of
from oracle.closedform.structural.parts import SUM, PartKey
from oracle.closedform.structural.signs import Rows, Signs
from oracle.closedform.structural.sizes import value_at
from oracle.closedform.structural.stock import Stock, StockKey, Values, stock_of
from oracle.closedform.template import Format
from oracle.counting.fusion import kernels_of
from oracle.counting.fusion.likeness import likeness
from oracle.counting.memory import lifetimes_of
from oracle.counting.traffic import stored_bytes
from oracle.families.graphs import Graph
from oracle.optable import OpTable

Ints = NDArray[np.int64]

_MOST_STRUCTURES = 8_192  # 5 to 10 kB each
_MOST_SIGNS = 65_536  # about 2 kB each


class Cell(NamedTuple):
    """One architecture.

    Attributes:
        signs: of its kernels, in order of execution.
        edges: numbers of its edges' pieces.
        sizes: for each of its storages the number of its size.
        spans: who lives when.
        ends: formats of what leaves it at both ends.
    """

    signs: tuple[int, ...]
    edges: tuple[int, ...]
    sizes: Ints
    spans: Spans
    ends: tuple[Format, Format | None]


class _Form(NamedTuple):
    """A kernel whose sign depends on a choice of operations that are alike.

    Attributes:
        position: among the cell's kernels.
        rows: where its rows came from.
        rest: the number of what else tells kernels apart.
        edges: those whose choice matters.
        known: pieces of these edges -> sign.
    """

    position: int
    rows: Rows
    rest: int
    edges: tuple[int, ...]
    known: dict[tuple[int, ...], int]


class _Structure(NamedTuple):
    """A graph of representatives.

    Attributes:
        signs: of its kernels, 0 where a choice matters.
        forms: those kernels.
        choices: of each edge, operation -> piece.
        sizes: of each storage the number of its size.
        slots: of each edge, its storages' numbers in the cell, and there.
        spans: who lives when.
        sums: what the row of each sum is.
        ends: formats of what leaves it.
    """

    signs: tuple[int, ...]
    forms: tuple[_Form, ...]
    choices: tuple[Mapping[str, int], ...]
    sizes: Ints
    slots: tuple[tuple[Ints, Ints], ...]
    spans: Spans
    sums: tuple[int, ...]
    ends: tuple[Format, Format | None]


class Desk:
    """Knows the structures of one kind of cell under one workload. Safe to share between threads.

    Attributes:
        stock: what the cells are made of.
        sizes: the sizes of storages met so far, elements and dtype, with their numbers.
    """

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        self.sizes: dict[tuple[Any, str], int] = {}
        self._composer = stock.composer(stock.at_primes)
        self._storages: dict[int, Ints] = {}
        self._choices: dict[int, Mapping[str, int]] = {}
        self._lock = RLock()
        # What was found out so far, by wiring and representatives; when it grows too large, both are begun anew.
        self._structures: dict[Any, _Structure | None] = {}
        self._signs = Signs(stock)

    # -- what is requested -------------------------------------------------------------------------------------------

    def cells(self, archs: Sequence[str]) -> tuple[list[Cell | None], Signs]:
        """The cells of some architectures, None where a part is missing, and what their signs stand for."""
        with self._lock:
            if len(self._structures) > _MOST_STRUCTURES or len(self._signs) > _MOST_SIGNS:
                self._structures, self._signs = {}, Signs(self.stock)
            return [self._cell(self.stock.structure.graph(arch)) for arch in archs], self._signs

    def bytes_of(self, values: Values) -> Ints:
        """The bytes of all sizes met so far, by their numbers.

        Raises:
            OverflowError: one exceeds 64 bits.
        """
        known = dict(values)
        with self._lock:
            pairs = list(self.sizes)
        return np.array([stored_bytes(value_at(size, known), dtype) for size, dtype in pairs], dtype=np.int64)

    # -- structures ----------------------------------------------------------------------------------------------

    def _cell(self, graph: Graph) -> Cell | None:
        edges = [edge for node in graph.nodes for edge in node]
        represented = self._representatives
        if any(edge.operation not in represented for edge in edges):
            return None
        key = graph.wiring, tuple([represented[edge.operation] for edge in edges])
        if key not in self._structures:
            self._structures[key] = self._made(graph)
        structure = self._structures[key]
        if structure is None:
            return None
        pieces = tuple([choice[edge.operation] for choice, edge in zip(structure.choices, edges, strict=True)])
        signs = structure.signs
        if structure.forms:
            changed = list(signs)
            for form in structure.forms:
                chosen = tuple([pieces[edge] for edge in form.edges])
                sign = form.known.get(chosen)
                if sign is None:
                    contents = self._signs.contents_of(form.rows, pieces, structure.sums)
                    sign = form.known[chosen] = self._signs.number(contents, form.rest, form.position, graph)
                changed[form.position] = sign
            signs = tuple(changed)
        sizes = structure.sizes
        several = [edge for edge, choice in enumerate(structure.choices) if len(choice) > 1]
        if several:
            sizes = sizes.copy()
            for edge in several:
                here, there = structure.slots[edge]
                sizes[here] = self._storage_sizes(pieces[edge])[there]
        return Cell(signs, pieces, sizes, structure.spans, structure.ends)

    @cached_property
    def _representatives(self) -> dict[str, str]:
        """Operation -> the first one that is alike, whatever may enter at both ends."""
        behaviour: dict[str, dict[Any, Any]] = {}
        for at in self._met():
            part = self.stock.parts[at]
            like = likeness(self.stock.at_primes[at].table), part.output_format, part.input_gradient
            behaviour.setdefault(at.operation, {})[at.input, at.gradient] = like
        first: dict[Any, str] = {}
        return {
            operation: first.setdefault(frozenset(like.items()), operation) for operation, like in behaviour.items()
        }

    def _met(self) -> list[PartKey]:
        """The parts of edges that cells can have, given what enters at both ends."""
        key, parts = self.stock.key, self.stock.parts
        edges = [at for at in parts if at.operation != SUM]
        sums = [at for at in parts if at.operation == SUM]
        forward, backward = {key.input}, {key.gradient}
        while True:
            size = len(forward), len(backward)
            forward.update(parts[at].output_format for at in (*edges, *sums) if forward.issuperset(at.input))
            if key.gradient is None:
                backward |= forward
            met = [at for at in edges if at.input[0] in forward and at.gradient in backward]
            backward.update(parts[at].input_gradient for at in met)
            backward.update(parts[at].output_format for at in sums if backward.issuperset(at.input))
            if size == (len(forward), len(backward)):
                return met

    def _made(self, graph: Graph) -> _Structure | None:
        """The structure of a graph, found out on its own table; any that is alike would do."""
        composed = self._composer.compose(graph)
        if composed is None:
            return None
        table, workload, known = composed.table, self.stock.key.workload, self._signs
        kernels = kernels_of(table, workload.runtime, workload.engine, quantised=workload.is_quantised)
        run = {row for kernel in kernels for row in kernel.rows}
        pieces = tuple([self.stock.numbers[piece.key] for piece in composed.pieces])
        choices = tuple(map(self._choices_of, pieces))
        sums = known.sums_of(composed)
        signs, forms = [], []
        for position, kernel in enumerate(kernels):
            rows = tuple([composed.sources[row] for row in kernel.rows])
            rest = known.rest_of(table, kernel, run)
            edges = known.matters(rows, choices)
            if edges:
                forms.append(_Form(position, rows, rest, edges, {}))
                signs.append(0)
            else:
                signs.append(known.number(known.contents_of(rows, pieces, sums), rest, position, graph))
        homes: list[tuple[list[int], list[int]]] = [([], []) for _ in pieces]
        for home, (edge, index) in enumerate(composed.origins):
            if edge >= 0 and len(choices[edge]) > 1:
                homes[edge][0].append(home)
                homes[edge][1].append(index)
        return _Structure(
            tuple(signs),
            tuple(forms),
            choices,
            self._sizes_of(composed),
            tuple((np.array(here, dtype=np.int64), np.array(there, dtype=np.int64)) for here, there in homes),
            spans_of(lifetimes_of(table, kernels, workload.runtime), training=workload.training),
            sums,
            (composed.output_format, composed.input_gradient),
        )

    def _choices_of(self, number: int) -> Mapping[str, int]:
        """The pieces that could stand in the place of one, by their operation."""
        if number not in self._choices:
            key, represented = self.stock.keys[number], self._representatives
            self._choices[number] = {
                operation: self.stock.numbers[key._replace(operation=operation)]
                for operation, first in represented.items()
                if first == represented[key.operation]
            }
        return self._choices[number]

    # -- sizes of storages ---------------------------------------------------------------------------------------

    def _sizes_of(self, composed: Composed) -> Ints:
        """For each storage of a cell the number of its size."""
        sums = [self._size_of(piece.part.table, piece.table.boundary_out) for piece in composed.sums]
        first = composed.pieces[0].part.table
        found = []
        for storage, (edge, index) in zip(composed.table.storages, composed.origins, strict=True):
            if edge >= 0:
                found.append(int(self._storage_sizes(self.stock.numbers[composed.pieces[edge].key])[index]))
            elif edge == SUMS:
                found.append(sums[index])
            elif index == 0:
                found.append(self._size_of(first, first.boundary_in))
            else:  # the gradient that enters is as large as what leaves
                elements, _ = list(self.sizes)[found[composed.table.boundary_out]]
                found.append(self._numbered(elements, storage.dtype))
        return np.array(found, dtype=np.int64)

    def _storage_sizes(self, number: int) -> Ints:
        """For each storage of a piece the number of its size."""
        if number not in self._storages:
            table = self.stock.part(number).table
            self._storages[number] = np.array([self._size_of(table, index) for index in range(len(table.storages))])
        return self._storages[number]

    def _size_of(self, table: OpTable, storage: int) -> int:
        return self._numbered(table.storages[storage].elements, table.storages[storage].dtype)

    def _numbered(self, elements: Any, dtype: str) -> int:
        return self.sizes.setdefault((elements, dtype), len(self.sizes))


@lru_cache(maxsize=8)
def desk_of(key: StockKey) -> Desk:
    """The desk for a key, made once."""
    return Desk(stock_of(key))
