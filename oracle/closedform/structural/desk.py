"""Structural cells of one kind under one workload: which kernels each runs and who lives when, sizes left open.

That is found out once per structure, on tables in which every dimension is a prime of its own: two sizes are equal
there only where they are equal always. Operations that are alike (`oracle.counting.fusion.likeness`) share it. Equal
kernels of different cells are one *sign*, whose numbers are counted once per size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.calibration import kernel_class
from oracle.closedform.structural.composing import OPTIMIZER, SUMS, Composed, Composer, Piece
from oracle.closedform.structural.memory import Spans, spans_of
from oracle.closedform.structural.parts import SUM, Part, PartKey, load_parts, member_of
from oracle.closedform.structural.sizes import Poly, value_at
from oracle.closedform.structural.tables import mapped
from oracle.closedform.template import Format
from oracle.counting import KernelCount, TableCount, count, kernel_count
from oracle.counting.flops import work_of
from oracle.counting.fusion import Kernel, kernels_of
from oracle.counting.fusion.likeness import likeness
from oracle.counting.memory import lifetimes_of
from oracle.counting.traffic import itemsize
from oracle.errors import OracleError
from oracle.families.graphs import Graph, structure_of
from oracle.optable import OpTable, Row
from oracle.products import Product, product_of
from oracle.spec import Workload

__all__ = ["Cell", "Desk", "DeskKey", "Register", "Values", "desk_of"]

Ints = NDArray[np.int64]
Values = tuple[tuple[str, int], ...]
"""A cell's integers by name."""

_PRIMES = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069)  # more than cells have symbols
_MOST_STRUCTURES = 8_192  # 5 to 10 kB each
_MOST_SIGNS = 65_536  # about 2 kB each
_MOST_SIZES = 64


class DeskKey(NamedTuple):
    """What a desk is for; the workload's batch size does not matter, the others are as in `PartKey`."""

    kind: str
    workload: Workload
    pinned: tuple[tuple[str, int], ...]
    input: Format
    gradient: Format | None


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


class _Sign(NamedTuple):
    """A kernel by which all equal ones are counted: one of some cell's, its rows and values those of that table.

    Attributes:
        graph: of the cell.
        kernel: the kernel.
        reads: (row, which of its reads, value) of what it reads.
        writes: (row, which of its writes).
        run: rows of the cell that are in some kernel.
        kernel_class: as `oracle.calibration` has it.
    """

    graph: Graph
    kernel: Kernel
    reads: tuple[tuple[int, int, int], ...]
    writes: tuple[tuple[int, int], ...]
    run: frozenset[int]
    kernel_class: str


class _Form(NamedTuple):
    """A kernel whose sign depends on a choice of operations that are alike.

    Attributes:
        position: among the cell's kernels.
        rows: of each row the edge that it came with, or what `Composed` says, and its number there.
        rest: the number of what else tells kernels apart.
        edges: those whose choice matters.
        known: pieces of these edges -> sign.
    """

    position: int
    rows: tuple[tuple[int, int], ...]
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


@dataclass(eq=False)
class Register:
    """What a desk has found out so far; when it grows too large a new one is begun.

    Attributes:
        structures: by wiring and representatives.
        signs: all kernels that were met.
        numbers: what tells kernels apart -> place in `signs`.
        counted: values -> sign -> its counts, and its product.
    """

    structures: dict[Any, _Structure | None] = field(default_factory=dict)
    signs: list[_Sign] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)
    counted: dict[Values, dict[int, tuple[KernelCount, Product | None]]] = field(default_factory=dict)


class _At(dict[PartKey, Piece]):
    """The parts at some values, made as they are asked for; iteration tells which there are."""

    def __init__(self, parts: Mapping[PartKey, Part], values: Mapping[str, int]) -> None:
        super().__init__()
        self._parts = parts
        self._values = values

    def __missing__(self, key: PartKey) -> Piece:
        part = self._parts[key]
        made = self[key] = Piece(key, part, mapped(part.table, self._size))
        return made

    def __iter__(self) -> Iterator[PartKey]:
        return iter(self._parts)

    def _size(self, size: Any) -> Any:
        return value_at(size, self._values) if isinstance(size, Poly) else size


class Desk:
    """Knows structures and signs of one kind of cell under one workload. Safe to share between threads.

    Attributes:
        key: what it is for.
        structure: how cells spell out their graphs.
        parts: what they are made of.
        keys: of the parts, by number.
        symbols: the cell's integers that sizes and guards name, dimensions first.
        open_pieces: the parts with their sizes left open.
        sizes: the sizes of storages met so far, elements and dtype, with their numbers.
        at: the parts at some values.
        alone: the counts of one piece, by number, at some values.
    """

    def __init__(self, key: DeskKey) -> None:
        structure = structure_of(key.kind)
        if structure is None:
            raise OracleError(f"cell kind={key.kind!r}: expected one that spells out a graph")
        self.key = key
        self.structure = structure
        shipped = load_parts(key.kind, member_of(key.workload))
        self.parts = {at: part for at, part in shipped.items() if at.pinned == key.pinned}
        names = sorted({name for part in self.parts.values() for name in _symbols(part)})
        self.symbols = (*names, *sorted(_guarded(self.parts.values()) - {*names}))
        self.open_pieces = {at: Piece(at, part, part.table) for at, part in self.parts.items()}
        self._pieces = _At(self.parts, dict(zip(names, _PRIMES[: len(names)], strict=True)))
        self._composer = self._composer_of(self._pieces)
        self.keys = list(self.parts)
        self._numbers = {at: number for number, at in enumerate(self.keys)}
        self._contents: dict[Any, int] = {}
        self._rows: dict[int, tuple[int, ...]] = {}
        self.sizes: dict[tuple[Any, str], int] = {}
        self._storages: dict[int, Ints] = {}
        self._choices: dict[int, Mapping[str, int]] = {}
        self._lock = RLock()
        self._register = Register()
        self.at = lru_cache(maxsize=_MOST_SIZES)(lambda values: _At(self.parts, dict(values)))
        self.alone = lru_cache(maxsize=1024)(self._alone)

    # -- what is asked -------------------------------------------------------------------------------------------

    def cells(self, archs: Sequence[str]) -> tuple[list[Cell | None], Register]:
        """The cells of some architectures, None where a part is missing, and the register of their signs."""
        with self._lock:
            register = self._register
            if len(register.structures) > _MOST_STRUCTURES or len(register.signs) > _MOST_SIGNS:
                register = self._register = Register()
            return [self._cell(self.structure.graph(arch), register) for arch in archs], register

    def counts(
        self, register: Register, signs: Sequence[int], values: Values
    ) -> list[tuple[KernelCount, Product | None]]:
        """The counts of some kernels at some values, and their products."""
        with self._lock:
            if values not in register.counted and len(register.counted) >= _MOST_SIZES:
                register.counted.clear()
            known = register.counted.setdefault(values, {})
            missing = [sign for sign in signs if sign not in known]
            composer, tables = self._composer_of(self.at(values)), dict[Graph, OpTable]()
            for number in missing:
                sign = register.signs[number]
                if sign.graph not in tables:
                    composed = composer.compose(sign.graph)
                    if composed is None:
                        raise OracleError(
                            f"cell kind={self.key.kind!r}: {sign.graph} was composed, and is not any more"
                        )
                    tables = {sign.graph: composed.table}  # signs of a cell stand together
                known[number] = self._counted(sign, tables[sign.graph])
            return [known[sign] for sign in signs]

    def bytes_of(self, values: Values) -> Ints:
        """The bytes of all sizes met so far, by their numbers.

        Raises:
            OverflowError: one exceeds 64 bits.
        """
        known = dict(values)
        quantised = self.key.workload.is_quantised
        with self._lock:
            pairs = list(self.sizes)
        return np.array([value_at(size, known) * itemsize(dtype, quantised) for size, dtype in pairs], dtype=np.int64)

    def compose(self, graph: Graph, pieces: Mapping[PartKey, Piece] | None = None) -> Composed | None:
        """The table of a graph, of other pieces than those whose dimensions are primes; None if one is missing."""
        return self._composer_of(self._pieces if pieces is None else pieces).compose(graph)

    def _alone(self, number: int, values: Values) -> TableCount:
        return count(self.at(values)[self.keys[number]].table, self.key.workload)

    # -- structures ----------------------------------------------------------------------------------------------

    def _composer_of(self, pieces: Mapping[PartKey, Piece]) -> Composer:
        key = self.key
        return Composer(pieces, key.pinned, key.input, key.gradient, training=key.workload.training)

    def _cell(self, graph: Graph, register: Register) -> Cell | None:
        edges = [edge for node in graph.nodes for edge in node]
        represented = self._representatives
        if any(edge.operation not in represented for edge in edges):
            return None
        key = graph.wiring, tuple([represented[edge.operation] for edge in edges])
        if key not in register.structures:
            register.structures[key] = self._made(graph, register)
        structure = register.structures[key]
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
                    contents = self._contents_of(form.rows, pieces, structure.sums)
                    sign = form.known[chosen] = self._sign(contents, form.rest, form.position, graph, register)
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
            part = self.parts[at]
            like = likeness(self._pieces[at].table), part.output_format, part.input_gradient
            behaviour.setdefault(at.operation, {})[at.input, at.gradient] = like
        first: dict[Any, str] = {}
        return {
            operation: first.setdefault(frozenset(like.items()), operation) for operation, like in behaviour.items()
        }

    def _met(self) -> list[PartKey]:
        """The parts of edges that cells can have, given what enters at both ends."""
        edges = [at for at in self.parts if at.operation != SUM]
        sums = [at for at in self.parts if at.operation == SUM]
        forward, backward = {self.key.input}, {self.key.gradient}
        while True:
            size = len(forward), len(backward)
            forward.update(self.parts[at].output_format for at in (*edges, *sums) if forward.issuperset(at.input))
            if self.key.gradient is None:
                backward |= forward
            met = [at for at in edges if at.input[0] in forward and at.gradient in backward]
            backward.update(self.parts[at].input_gradient for at in met)
            backward.update(self.parts[at].output_format for at in sums if backward.issuperset(at.input))
            if size == (len(forward), len(backward)):
                return met

    def _made(self, graph: Graph, register: Register) -> _Structure | None:
        """The structure of a graph, found out on its own table; any that is alike would do."""
        composed = self._composer.compose(graph)
        if composed is None:
            return None
        table, workload = composed.table, self.key.workload
        kernels = kernels_of(table, workload.runtime)
        run = {row for kernel in kernels for row in kernel.rows}
        pieces = tuple([self._numbers[piece.key] for piece in composed.pieces])
        choices = tuple(map(self._choices_of, pieces))
        added = [row for row, (edge, _) in enumerate(composed.sources) if edge == SUMS]
        sums = tuple(
            self._content(("sum", self._numbers[piece.key], table.rows[row].phase))
            for piece, row in zip(composed.sums, added, strict=True)
        )
        signs, forms = [], []
        for position, kernel in enumerate(kernels):
            rows = tuple([composed.sources[row] for row in kernel.rows])
            rest = self._content(("rest", _rest_of(table, kernel, run)))
            edges = self._matters(rows, choices)
            if edges:
                forms.append(_Form(position, rows, rest, edges, {}))
                signs.append(0)
            else:
                contents = self._contents_of(rows, pieces, sums)
                signs.append(self._sign(contents, rest, position, graph, register))
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
            key, represented = self.keys[number], self._representatives
            self._choices[number] = {
                operation: self._numbers[key._replace(operation=operation)]
                for operation, first in represented.items()
                if first == represented[key.operation]
            }
        return self._choices[number]

    def _sizes_of(self, composed: Composed) -> Ints:
        """For each storage of a cell the number of its size."""
        sums = [self._size_of(piece.part.table, piece.table.boundary_out) for piece in composed.sums]
        first = composed.pieces[0].part.table
        found = []
        for storage, (edge, index) in zip(composed.table.storages, composed.origins, strict=True):
            if edge >= 0:
                found.append(int(self._storage_sizes(self._numbers[composed.pieces[edge].key])[index]))
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
            table = self.parts[self.keys[number]].table
            self._storages[number] = np.array([self._size_of(table, index) for index in range(len(table.storages))])
        return self._storages[number]

    def _size_of(self, table: OpTable, storage: int) -> int:
        return self._numbered(table.storages[storage].elements, table.storages[storage].dtype)

    def _numbered(self, elements: Any, dtype: str) -> int:
        return self.sizes.setdefault((elements, dtype), len(self.sizes))

    # -- kernels -------------------------------------------------------------------------------------------------

    def _matters(self, rows: Sequence[tuple[int, int]], choices: Sequence[Mapping[str, int]]) -> tuple[int, ...]:
        """The edges whose choice of operation some rows depend on."""
        found: set[int] = set()
        for edge, index in rows:
            if edge == OPTIMIZER:
                return tuple(edge for edge, choice in enumerate(choices) if len(choice) > 1)
            if edge >= 0 and len(choices[edge]) > 1:
                contents = {self._row_contents(number)[index] for number in choices[edge].values()}
                if len(contents) > 1:
                    found.add(edge)
        return tuple(sorted(found))

    def _contents_of(
        self, rows: Sequence[tuple[int, int]], pieces: tuple[int, ...], sums: Sequence[int]
    ) -> tuple[int, ...]:
        """What the rows of a kernel are under a choice of operations."""
        contents = []
        for edge, index in rows:
            if edge >= 0:
                contents.append(self._row_contents(pieces[edge])[index])
            elif edge == SUMS:
                contents.append(sums[index])
            else:
                trained = tuple([number for number in pieces if self._pieces[self.keys[number]].params])
                contents.append(self._content(("step", index, trained)))
        return tuple(contents)

    def _sign(self, contents: tuple[int, ...], rest: int, position: int, graph: Graph, register: Register) -> int:
        """The sign of a kernel, which is the one at some position in the cell of a graph."""
        key = contents, rest
        if key not in register.numbers:
            register.numbers[key] = len(register.signs)
            register.signs.append(self._new_sign(graph, position))
        return register.numbers[key]

    def _new_sign(self, graph: Graph, position: int) -> _Sign:
        composed, runtime = self._composer.compose(graph), self.key.workload.runtime
        if composed is None:
            raise OracleError(f"cell kind={self.key.kind!r}: {graph} was composed, and is not any more")
        table = composed.table
        kernels = kernels_of(table, runtime)
        kernel = kernels[position]
        reads = []
        for row, use in kernel.reads:
            which = _which(table.rows[row].reads, use)
            reads.append((row, which, -1 if table.rows[row].reads[which] is use else use.value))
        writes = tuple((row, _which(table.rows[row].writes, use)) for row, use in kernel.writes)
        run = frozenset(row for other in kernels for row in other.rows)
        return _Sign(graph, kernel, tuple(reads), writes, run, kernel_class(table, kernel.rows, runtime))

    def _row_contents(self, number: int) -> tuple[int, ...]:
        """What each row of a piece is, wherever it stands."""
        if number not in self._rows:
            rows = self._pieces[self.keys[number]].table.rows
            self._rows[number] = tuple(self._content(_content_of(row)) for row in rows)
        return self._rows[number]

    def _content(self, key: Any) -> int:
        return self._contents.setdefault(key, len(self._contents))

    def _counted(self, sign: _Sign, table: OpTable) -> tuple[KernelCount, Product | None]:
        def read(row: int, which: int, value: int) -> tuple[int, Any]:
            use = table.rows[row].reads[which]
            return row, use if value < 0 else use._replace(value=value)

        kernel = sign.kernel._replace(
            reads=tuple(read(*one) for one in sign.reads),
            writes=tuple((row, table.rows[row].writes[which]) for row, which in sign.writes),
        )
        works: Any = {row: work_of(table.rows[row], self.key.workload.causal) for row in kernel.rows}
        found = kernel_count(table, kernel, works, set(sign.run), self.key.workload)
        shapes = table.rows[kernel.main].main_shapes
        return found, product_of(found.name, *shapes) if found.matrix_flops else None


@lru_cache(maxsize=8)
def desk_of(key: DeskKey) -> Desk:
    """The desk for a key, made once."""
    return Desk(key)


def _rest_of(table: OpTable, kernel: Kernel, run: set[int]) -> tuple[Any, ...]:
    """What tells kernels of equal rows apart: what crosses their border, and how it came to be there."""
    rows = kernel.rows
    reads = []
    for row, use in kernel.reads:
        uses = table.rows[row].reads
        which = _which(uses, use)
        value = table.values[use.value]
        beforehand = value.producer >= 0 and value.producer not in run
        reads.append((rows.index(row), which, uses[which] is use, beforehand, table.storages[value.storage].kind))
    return (
        tuple(reads),
        tuple([(rows.index(row), _which(table.rows[row].writes, use)) for row, use in kernel.writes]),
        tuple([rows.index(row) for row in kernel.folded]),
        rows.index(kernel.main),
    )


def _which(uses: Sequence[Any], use: Any) -> int:
    """Which of some uses one is, or was before its value was replaced."""
    for index, other in enumerate(uses):
        if other is use:
            return index
    return next(index for index, other in enumerate(uses) if other[1:] == use[1:])


def _content_of(row: Row) -> tuple[Any, ...]:
    """All of a row but where it stands and what its tensors are called."""
    forms = tuple(tuple(use[1:] for use in uses) for uses in (row.reads, row.writes))
    kwargs = tuple(row.kwargs.items())
    return row.name, row.op_class, row.phase, row.args, kwargs, row.out, *forms, row.pointwise


def _guarded(parts: Iterable[Part]) -> set[str]:
    """The names in what parts rely on."""
    sides = (side for part in parts for _, *pair in part.guards for side in pair)
    return {name for side in sides if isinstance(side, Poly) for names in side.terms for name in names}


def _symbols(part: Part) -> set[str]:
    """The names in the sizes of a part's table."""
    found: set[str] = set()

    def look(size: Any) -> Any:
        if isinstance(size, Poly):
            found.update(name for names in size.terms for name in names)
        return size

    mapped(part.table, look)
    return found
