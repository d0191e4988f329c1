"""Kernels of structural cells: equal ones of different cells are one *sign*, counted once per size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any, NamedTuple

from oracle.calibration import kernel_class
from oracle.closedform.structural.composing import OPTIMIZER, SUMS, Composed
from oracle.closedform.structural.stock import MOST_SIZES, Stock, Values
from oracle.counting import KernelCount, kernel_count, works_of
from oracle.counting.fusion import Kernel, kernels_of
from oracle.errors import OracleError
from oracle.families.graphs import Graph
from oracle.optable import OpTable, Row
from oracle.products import Product, product_of

Counted = tuple[KernelCount, Product | None]
"""What a kernel counts, and the product at its heart."""

Rows = tuple[tuple[int, int], ...]
"""Of each row of a kernel the edge that it came with, or what `Composed` says, and its number there."""


class Sign(NamedTuple):
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


class Signs:
    """The signs of the kernels met so far. What tells rows and kernels apart is numbered, so that it compares fast.

    One thread at a time may add to it; counting is safe to share.

    Args:
        stock: what the cells are made of.
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._composer = stock.composer(stock.at_primes)
        self._signs: list[Sign] = []
        self._numbers: dict[Any, int] = {}  # what tells kernels apart -> place in `_signs`
        self._contents: dict[Any, int] = {}
        self._rows: dict[int, tuple[int, ...]] = {}
        self._counted: dict[Values, dict[int, Counted]] = {}
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._signs)

    # -- what is requested -------------------------------------------------------------------------------------------

    def classes(self, signs: Sequence[int]) -> tuple[str, ...]:
        """The classes of some kernels."""
        return tuple([self._signs[sign].kernel_class for sign in signs])

    def counts(self, signs: Sequence[int], values: Values) -> list[Counted]:
        """The counts of some kernels at some values, and their products."""
        with self._lock:
            if values not in self._counted and len(self._counted) >= MOST_SIZES:
                self._counted.clear()
            known = self._counted.setdefault(values, {})
            composer, tables = self._stock.composer(self._stock.at(values)), dict[Graph, OpTable]()
            for number in signs:
                if number not in known:
                    sign = self._signs[number]
                    if sign.graph not in tables:
                        tables = {sign.graph: self._again(composer.compose(sign.graph), sign.graph).table}
                    known[number] = self._counted_at(sign, tables[sign.graph])  # signs of a cell stand together
            return [known[sign] for sign in signs]

    # -- what cells are made of ----------------------------------------------------------------------------------

    def sums_of(self, composed: Composed) -> tuple[int, ...]:
        """What the row of each sum of a cell is."""
        added = [row for row, (edge, _) in enumerate(composed.sources) if edge == SUMS]
        return tuple(
            self._content(("sum", self._stock.numbers[piece.key], composed.table.rows[row].phase))
            for piece, row in zip(composed.sums, added, strict=True)
        )

    def rest_of(self, table: OpTable, kernel: Kernel, run: set[int]) -> int:
        """What tells kernels of equal rows apart."""
        return self._content(("rest", _rest_of(table, kernel, run)))

    def matters(self, rows: Rows, choices: Sequence[Mapping[str, int]]) -> tuple[int, ...]:
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

    def contents_of(self, rows: Rows, pieces: tuple[int, ...], sums: Sequence[int]) -> tuple[int, ...]:
        """What the rows of a kernel are under a choice of operations."""
        contents = []
        for edge, index in rows:
            if edge >= 0:
                contents.append(self._row_contents(pieces[edge])[index])
            elif edge == SUMS:
                contents.append(sums[index])
            else:
                at_primes, keys = self._stock.at_primes, self._stock.keys
                trained = tuple([number for number in pieces if at_primes[keys[number]].params])
                contents.append(self._content(("step", index, trained)))
        return tuple(contents)

    def number(self, contents: tuple[int, ...], rest: int, position: int, graph: Graph) -> int:
        """The sign of a kernel, which is the one at some position in the cell of a graph."""
        key = contents, rest
        if key not in self._numbers:
            self._numbers[key] = len(self._signs)
            self._signs.append(self._new(graph, position))
        return self._numbers[key]

    # -- making and counting them --------------------------------------------------------------------------------

    def _new(self, graph: Graph, position: int) -> Sign:
        table, workload = self._again(self._composer.compose(graph), graph).table, self._stock.key.workload
        kernels = kernels_of(table, workload.runtime, workload.engine, quantised=workload.is_quantised)
        kernel = kernels[position]
        reads = []
        for row, use in kernel.reads:
            which = _which(table.rows[row].reads, use)
            reads.append((row, which, -1 if table.rows[row].reads[which] is use else use.value))
        writes = tuple((row, _which(table.rows[row].writes, use)) for row, use in kernel.writes)
        run = frozenset(row for other in kernels for row in other.rows)
        return Sign(graph, kernel, tuple(reads), writes, run, kernel_class(table, kernel.rows, workload.runner))

    def _again(self, composed: Composed | None, graph: Graph) -> Composed:
        if composed is None:
            raise OracleError(f"cell kind={self._stock.key.kind!r}: {graph} was composed, and is not any more")
        return composed

    def _row_contents(self, number: int) -> tuple[int, ...]:
        """What each row of a piece is, wherever it stands."""
        if number not in self._rows:
            rows = self._stock.at_primes[self._stock.keys[number]].table.rows
            self._rows[number] = tuple(self._content(_content_of(row)) for row in rows)
        return self._rows[number]

    def _content(self, key: Any) -> int:
        return self._contents.setdefault(key, len(self._contents))

    def _counted_at(self, sign: Sign, table: OpTable) -> Counted:
        def read(row: int, which: int, value: int) -> tuple[int, Any]:
            use = table.rows[row].reads[which]
            return row, use if value < 0 else use._replace(value=value)

        workload = self._stock.key.workload
        kernel = sign.kernel._replace(
            reads=tuple(read(*one) for one in sign.reads),
            writes=tuple((row, table.rows[row].writes[which]) for row, which in sign.writes),
        )
        works = {row: works_of(table.rows[row], workload) for row in kernel.rows}
        found = kernel_count(table, kernel, works, set(sign.run), workload)
        product = product_of(found.name, *table.rows[kernel.main].main_shapes) if found.matrix_flops else None
        return found, product


def _rest_of(table: OpTable, kernel: Kernel, run: set[int]) -> tuple[Any, ...]:
    """What crosses a kernel's border, and how it came to be there."""
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
