"""The parts of structural cells of one kind under one workload: their sizes left open, at primes, or at some values.

At primes every dimension is a prime of its own: two sizes are equal there only where they are equal always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from oracle.closedform.structural.composing import Composed, Composer, Piece
from oracle.closedform.structural.parts import Part, PartKey, load_parts, member_of
from oracle.closedform.structural.sizes import Poly, value_at
from oracle.closedform.template import Format
from oracle.counting import TableCount, count
from oracle.counting.quantised import quantised
from oracle.errors import OracleError
from oracle.families.graphs import Graph, structure_of
from oracle.spec import Workload

Values = tuple[tuple[str, int], ...]
"""A cell's integers by name."""

MOST_SIZES = 64
"""How many of a cell's `Values` are remembered with what was found out at each."""

_PRIMES = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069)  # more than cells have symbols


class StockKey(NamedTuple):
    """What a stock is for; the workload's batch size does not matter, the others are as in `PartKey`."""

    kind: str
    workload: Workload
    pinned: tuple[tuple[str, int], ...]
    input: Format
    gradient: Format | None


class _At(dict[PartKey, Piece]):
    """The parts at some values, made as they are requested; iteration tells which there are."""

    def __init__(self, parts: Mapping[PartKey, Part], values: Mapping[str, int]) -> None:
        super().__init__()
        self._parts = parts
        self._values = values

    def __missing__(self, key: PartKey) -> Piece:
        part = self._parts[key]
        made = self[key] = Piece(key, part, part.table.mapped(self._size))
        return made

    def __iter__(self) -> Iterator[PartKey]:
        return iter(self._parts)

    def _size(self, size: Any) -> Any:
        return value_at(size, self._values) if isinstance(size, Poly) else size


class Stock:
    """What cells of a kind are made of. Safe to share between threads.

    Attributes:
        key: what it is for.
        structure: how cells spell out their graphs.
        parts: by their keys.
        keys: of the parts, by number.
        numbers: the number of each key.
        symbols: the cell's integers that sizes and guards name, dimensions first.
        open_pieces: the parts with their sizes left open.
        at_primes: the parts whose dimensions are primes.
        at: the parts at some values.
        alone: the counts of one piece, by number, at some values.

    Raises:
        OracleError: cells of the kind spell out no graph.
    """

    def __init__(self, key: StockKey) -> None:
        structure = structure_of(key.kind)
        if structure is None:
            raise OracleError(f"cell kind={key.kind!r}: expected one that spells out a graph")
        self.key = key
        self.structure = structure
        shipped = load_parts(key.kind, member_of(key.workload))
        self.parts = {at: _stored(part, key.workload) for at, part in shipped.items() if at.pinned == key.pinned}
        self.keys = list(self.parts)
        self.numbers = {at: number for number, at in enumerate(self.keys)}
        names = sorted({name for part in self.parts.values() for name in _symbols(part)})
        self.symbols = (*names, *sorted(_guarded(self.parts.values()) - {*names}))
        self.open_pieces = {at: Piece(at, part, part.table) for at, part in self.parts.items()}
        self.at_primes: Mapping[PartKey, Piece] = _At(self.parts, dict(zip(names, _PRIMES[: len(names)], strict=True)))
        self.at = lru_cache(maxsize=MOST_SIZES)(lambda values: _At(self.parts, dict(values)))
        self.alone = lru_cache(maxsize=1024)(self._alone)

    def part(self, number: int) -> Part:
        """One of the parts."""
        return self.parts[self.keys[number]]

    def composer(self, pieces: Mapping[PartKey, Piece]) -> Composer:
        """Who puts cells together of some of the pieces above."""
        key = self.key
        return Composer(pieces, key.pinned, key.input, key.gradient, training=key.workload.training)

    def compose(self, graph: Graph, pieces: Mapping[PartKey, Piece] | None = None) -> Composed | None:
        """The table of a graph, of other pieces than those whose dimensions are primes; None if one is missing."""
        return self.composer(self.at_primes if pieces is None else pieces).compose(graph)

    def _alone(self, number: int, values: Values) -> TableCount:
        return count(self.at(values)[self.keys[number]].table, self.key.workload)


def _stored(part: Part, workload: Workload) -> Part:
    """A part as it is stored where the workload is quantised."""
    table = quantised(part.table, workload)
    return part if table is part.table else replace(part, table=table)


@lru_cache(maxsize=8)
def stock_of(key: StockKey) -> Stock:
    """The stock for a key, made once."""
    return Stock(key)


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

    part.table.mapped(look)
    return found
