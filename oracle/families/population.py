"""Many networks at once: the cells of a whole population as arrays, without an object per candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import OracleError
from oracle.families.graphs import structure_of
from oracle.spec import CellSpec, NetSpec, Scalar

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CellArray:
    """Cells of one kind that stand at the same place in many chains.

    Attributes:
        kind: of all of them.
        params: in the order of the cell's `CellSpec`: a value that all share, or an array with one per row, of
            integers, or of strings (as objects) where they spell out a graph (`oracle.families.graphs`).
        rows: (m,) which candidates they belong to, ascending, each once.
        counts: (m,) how often the cell is repeated there; 0 where it is not there, but its parameters would do.
    """

    kind: str
    params: tuple[tuple[str, Scalar | Ints], ...]
    rows: Ints
    counts: Ints

    def at(self, positions: Rows, rows: Ints) -> CellArray:
        """The cells at some positions of `rows`, for candidates that have other numbers now."""
        params = tuple((name, positions.of(value)) for name, value in self.params)
        return CellArray(self.kind, params, rows, positions.of(self.counts))

    def spec(self, position: int) -> CellSpec:
        """The spec of the cell at one position of `rows`."""
        values = [
            (name, value.item(position) if isinstance(value, np.ndarray) else value) for name, value in self.params
        ]
        return CellSpec(self.kind, tuple(values))


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Networks as places: every candidate has at most one cell (or a run of equal ones) at each place, in order.

    Attributes:
        size: how many candidates.
        input_shape: of one input; a dimension may be an array with one entry per candidate.
        places: the cells at each place, kinds apart, from the stem to the head.
        names: one per candidate, or none.
        dtypes: as in `NetSpec`; a type may be an array of texts with one entry per candidate, "" where it says nothing.
        others: the other parts of pipelines of which these are one, where they may differ; a population for each.
    """

    size: int
    input_shape: tuple[int | Ints, ...]
    places: tuple[tuple[CellArray, ...], ...]
    names: tuple[str, ...] = ()
    dtypes: tuple[tuple[str, Any], ...] = ()
    others: tuple[Population, ...] = ()

    @classmethod
    def of(cls, specs: Iterable[NetSpec]) -> Population:
        """The population of some specs, runs of equal cells folded.

        Raises:
            OracleError: networks of images and of tokens.
        """
        nets = list(specs)
        if len({len(net.input_shape) for net in nets}) > 1:
            images, tokens = (next(net.name for net in nets if (len(net.input_shape) > 1) == more) for more in (1, 0))
            raise OracleError(f"{images!r} takes images and {tokens!r} tokens: expected networks of one kind of input")
        runs = [_runs(net.cells) for net in nets]
        dims = [tuple(net.input_shape for net in nets)] if nets else []
        shape = tuple(_shared(column) for column in zip(*dims[0], strict=True)) if dims else ()
        places = []
        for place in range(max(map(len, runs), default=0)):
            groups: dict[Any, list[tuple[int, CellSpec, int]]] = {}
            for row, cells in enumerate(runs):
                if place < len(cells):
                    cell, count = cells[place]
                    shared = tuple((k, None) if _varies(cell.kind, k, v) else (k, v) for k, v in cell.params)
                    groups.setdefault((cell.kind, shared), []).append((row, cell, count))
            places.append(tuple(_cell_array(members) for members in groups.values()))
        return cls(len(nets), shape, tuple(places), tuple(net.name for net in nets), _dtypes_of(nets))

    def __len__(self) -> int:
        return self.size

    @property
    def kinds(self) -> frozenset[str]:
        """Of all cells."""
        return frozenset(cells.kind for place in self.places for cells in place)

    @property
    def stated_dtypes(self) -> tuple[str, ...]:
        """The types that some cells may have beside the workload's."""
        return tuple(dict.fromkeys(str(word) for _, own in self.dtypes for word in np.unique(own) if word))

    def spec(self, row: int) -> NetSpec:
        """One candidate as a spec.

        Raises:
            IndexError: there is no such candidate; -1 is the last.
        """
        row = range(self.size)[row]
        cells: list[CellSpec] = []
        for place in self.places:
            for group in place:
                position = int(np.searchsorted(group.rows, row))
                if position < len(group.rows) and group.rows[position] == row:
                    cells.extend([group.spec(position)] * int(group.counts[position]))
        shape = tuple(int(dim[row]) if isinstance(dim, np.ndarray) else dim for dim in self.input_shape)
        dtypes = {name: str(own[row] if isinstance(own, np.ndarray) else own) for name, own in self.dtypes}
        stated = tuple([pair for pair in dtypes.items() if pair[1]])
        own = NetSpec(tuple(cells), shape, self.names[row] if self.names else "", stated)
        others = dict.fromkeys(replace(part.spec(row), dtypes=own.dtypes) for part in self.others)
        return replace(own, others=tuple(part for part in others if part.cells != own.cells))

    def specs(self) -> Iterator[NetSpec]:
        """All candidates as specs, one after the other."""
        return (self.spec(row) for row in range(self.size))

    def part(self, start: int, stop: int) -> Population:
        """The candidates from `start` up to `stop`, without copying their arrays."""
        if start == 0 and stop >= self.size:
            return self
        cuts: dict[tuple[int, int], Rows] = {}  # cells that share columns go on to share them

        def cut(group: CellArray) -> CellArray:
            first, last = np.searchsorted(group.rows, (start, stop)).tolist()
            inside = cuts.setdefault((first, last), Rows(slice(first, last)))
            return group.at(inside, inside.of(group.rows) - start)

        places = tuple(tuple(part for group in place if len((part := cut(group)).rows)) for place in self.places)
        whole = Rows(slice(start, stop))
        shape = tuple(whole.of(dim) for dim in self.input_shape)
        dtypes = tuple((name, whole.of(own)) for name, own in self.dtypes)
        others = tuple(part.part(start, stop) for part in self.others)
        return Population(min(stop, self.size) - start, shape, places, self.names[start:stop], dtypes, others)

    def take(self, rows: Ints) -> Population:
        """The candidates at some positions (ascending, each once), as a smaller population."""
        everyone = Rows(rows)
        kept = np.full(self.size, -1, dtype=np.int64)
        kept[rows] = np.arange(len(rows))

        def taken(group: CellArray) -> CellArray:
            if len(group.rows) == self.size:
                return group.at(everyone, np.arange(len(rows)))
            own = kept[group.rows]
            inside = np.flatnonzero(own >= 0)
            return group.at(Rows(inside), own[inside])

        places = tuple(tuple(map(taken, place)) for place in self.places)
        shape = tuple(everyone.of(dim) for dim in self.input_shape)
        names = tuple(self.names[int(row)] for row in rows) if self.names else ()
        dtypes = tuple((name, everyone.of(own)) for name, own in self.dtypes)
        return Population(len(rows), shape, places, names, dtypes, tuple(part.take(rows) for part in self.others))

    def shown(self, part: Ints) -> Population:
        """Of each candidate one part of its pipeline: 0 for this, then those of `others`."""
        own = [np.flatnonzero(part == number) for number in range(len(self.others) + 1)]
        every = replace(self, others=()), *self.others
        chosen = [(population.take(rows), rows) for population, rows in zip(every, own, strict=True)]
        return replace(joined(chosen, np.arange(self.size)), names=self.names, dtypes=self.dtypes)


def joined(parts: Iterable[tuple[Population, Ints]], rows: Ints) -> Population:
    """One population of several without names and types; `rows` are the positions of all candidates, ascending."""
    some = [(population, own) for population, own in parts if population.size]
    if len(some) <= 1:
        return some[0][0] if some else Population(0, (), ())
    homes = [np.searchsorted(rows, own) for _, own in some]
    places = tuple(
        tuple(
            CellArray(group.kind, group.params, home[group.rows], group.counts)
            for home, cells in zip(homes, place, strict=True)
            for group in cells
        )
        for place in zip_longest(*(population.places for population, _ in some), fillvalue=())
    )
    dims = zip(*(population.input_shape for population, _ in some), strict=True)
    shape = tuple(_dimension(dim, homes, len(rows)) for dim in dims)
    most = max(len(population.others) for population, _ in some)  # whose parts are alike has itself in their place
    others = [
        joined(
            [(population.others[at] if at < len(population.others) else population, own) for population, own in some],
            rows,
        )
        for at in range(most)
    ]
    return Population(len(rows), shape, places, others=tuple(replace(part, others=()) for part in others))


def _dimension(values: tuple[int | Ints, ...], homes: list[Ints], size: int) -> int | Ints:
    column = np.empty(size, dtype=np.int64)
    for value, home in zip(values, homes, strict=True):
        column[home] = value
    return int(column[0]) if (column == column[0]).all() else column


class Rows:
    """Positions to be taken out of columns; arrays that were one object stay one."""

    def __init__(self, positions: Ints | slice) -> None:
        self._positions = positions
        self._taken: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        """The entries of a column there; a number that all rows share stays what it is."""
        if not isinstance(value, np.ndarray):
            return value
        if id(value) not in self._taken:  # the column is kept as well: its address must not be given to another one
            own = value[self._positions] if isinstance(self._positions, slice) else value.take(self._positions)
            self._taken[id(value)] = own, value
        return self._taken[id(value)][0]


def taken(value: Any, positions: Ints, size: int) -> Any:
    """The entries at some ascending positions of a column of `size`; a plain value stays what it is."""
    return value.take(positions) if isinstance(value, np.ndarray) and len(positions) < size else value


def index_of(rows: Ints, size: int) -> Ints | slice:
    """Ascending positions in a column of `size` as an index of it: where they are all a slice, which copies nothing."""
    return slice(None) if len(rows) == size else rows


def _varies(kind: str, name: str, value: Scalar) -> bool:
    if isinstance(value, str):
        structure = structure_of(kind)
        return structure is not None and structure.param == name
    return isinstance(value, int) and not isinstance(value, bool)


def _dtypes_of(nets: Sequence[NetSpec]) -> tuple[tuple[str, Any], ...]:
    """What `Population.dtypes` is of some specs."""
    if not any(net.dtypes for net in nets):
        return ()
    stated = [dict(net.dtypes) for net in nets]
    return tuple((name, _shared([own.get(name, "") for own in stated])) for name in sorted(set().union(*stated)))


def _runs(cells: Sequence[CellSpec]) -> list[tuple[CellSpec, int]]:
    """Cells with how often each is repeated."""
    runs: list[tuple[CellSpec, int]] = []
    for cell in cells:
        if runs and runs[-1][0] == cell:
            runs[-1] = (cell, runs[-1][1] + 1)
        else:
            runs.append((cell, 1))
    return runs


def _cell_array(members: list[tuple[int, CellSpec, int]]) -> CellArray:
    first = members[0][1]
    params: list[tuple[str, Scalar | Ints]] = []
    for index, (name, value) in enumerate(first.params):
        if _varies(first.kind, name, value):
            dtype = object if isinstance(value, str) else np.int64
            params.append((name, np.array([cell.params[index][1] for _, cell, _ in members], dtype=dtype)))
        else:
            params.append((name, value))
    return CellArray(
        first.kind,
        tuple(params),
        np.array([row for row, _, _ in members], dtype=np.int64),
        np.array([count for _, _, count in members], dtype=np.int64),
    )


def _shared(column: Sequence[Any]) -> Any:
    """The one value of a column, or an array of them."""
    return column[0] if len(set(column)) == 1 else np.array(column)
