"""The operator table of a structural cell, put together from those of its parts as a trace would write it.

Forward, edges and sums run one after the other. Backward, autograd runs what made the latest tensors first, so
everything comes in reverse; where a second gradient arrives at a tensor the two are added right away. Then the
optimiser takes its steps, each on the parameters of all edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

from oracle.closedform.structural.parts import SUM, Part, PartKey
from oracle.closedform.template import Format
from oracle.families.graphs import Graph
from oracle.optable import OpTable, Row, Shape, Storage, Use, Value

SUMS, OPTIMIZER, ENDS = -1, -2, -3
"""In the place of an edge: of the sums, of the optimiser, of what enters the cell at both ends."""

_INPUT = 0  # the node of the tensor that enters a cell
_GRAD = "size"  # the framework call that torch's traces name last before a backward pass


@dataclass(frozen=True, eq=False)
class Piece:
    """A part whose sizes may be numbers, taken to pieces: which of its rows and values are of which phase.

    Attributes:
        key, part: what it is.
        table: its operators and their memory.
    """

    key: PartKey
    part: Part
    table: OpTable

    @cached_property
    def params(self) -> int:
        """How many parameters it has; they are its first values."""
        return sum(storage.kind == "parameter" for storage in self.table.storages)

    @cached_property
    def given(self) -> int:
        """How many values there are before the input: parameters and buffers."""
        return self.table.boundary_in

    @cached_property
    def forward_values(self) -> int:
        """Where the values of the forward pass end, among values as among storages."""
        return self._starts[0][0]

    @cached_property
    def backward_values(self) -> int:
        """Where those of the backward pass end; the gradient that enters it comes first."""
        return self._starts[1][0]

    @cached_property
    def storage_ends(self) -> tuple[int, int]:
        """Where the storages of the forward and of the backward pass end."""
        return self._starts[0][1], self._starts[1][1]

    @cached_property
    def _starts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        values, storages = len(self.table.values), len(self.table.storages)
        entering, state = self.table.grad_out, self._first_state
        last = (values, storages) if state < 0 else (self._value_of(state), state)
        return (last if entering < 0 else (self._value_of(entering), entering)), last

    def _value_of(self, storage: int) -> int:
        return next(index for index, value in enumerate(self.table.values) if value.storage == storage)

    @cached_property
    def _first_state(self) -> int:
        return next((index for index, one in enumerate(self.table.storages) if one.kind == "state"), -1)

    @cached_property
    def phases(self) -> dict[str, tuple[Row, ...]]:
        """Its rows by phase."""
        rows = self.table.rows
        return {
            phase: tuple(row for row in rows if row.phase == phase) for phase in ("forward", "backward", "optimizer")
        }

    @cached_property
    def calls(self) -> int:
        """How many framework calls its forward pass makes."""
        return max((row.call for row in self.phases["forward"]), default=0)

    @cached_property
    def output(self) -> int:
        """The value that leaves it; its input where it runs nothing."""
        stored = self.table.boundary_out
        found = [index for index in self.table.outputs if self.table.values[index].storage == stored]
        return found[0]

    @cached_property
    def input_gradient(self) -> int:
        """The value of the gradient that leaves it."""
        stored = self.table.grad_in
        found = [index for index in self.table.outputs if self.table.values[index].storage == stored]
        return found[0]

    @cached_property
    def gradients(self) -> tuple[int, ...]:
        """The values of the gradients of its parameters."""
        table = self.table
        return tuple(
            value for value in sorted(table.outputs) if table.storages[table.values[value].storage].kind == "gradient"
        )


class Composed(NamedTuple):
    """A cell's table, with what each edge is made of, in the order of the edges.

    Attributes:
        table: its operators and their memory.
        origins: of each storage, the edge that it came with and its number there; (`SUMS`, n) of the n-th sum,
            (`ENDS`, 0) of the input and (`ENDS`, 1) of the gradient that enters.
        sources: of each row, likewise; (`OPTIMIZER`, n) of the optimiser's n-th.
        pieces: of the edges.
        sums: of the sums, in order.
        output_format, input_gradient: formats of what leaves it at both ends.
    """

    table: OpTable
    origins: tuple[tuple[int, int], ...]
    sources: tuple[tuple[int, int], ...]
    pieces: tuple[Piece, ...]
    sums: tuple[Piece, ...]
    output_format: Format
    input_gradient: Format | None


class _Tensor(NamedTuple):
    """A value, its format, and which of the tensors it is whose gradients meet: a skip makes no new one."""

    value: int
    form: Format
    node: int


class _Event(NamedTuple):
    """What ran: an edge by its number, or `SUMS`; what it read, and what it made. An edge reads `left` alone."""

    edge: int
    left: _Tensor
    right: _Tensor
    made: _Tensor


class Composer:
    """Puts cells together under one workload.

    Args:
        pieces: the parts of cells whose dimensions are 0 or 1 where `pinned` says so.
        pinned: what.
        form: the format of what enters the cells.
        gradient: of what enters from behind; None means like the output.
        training: whether there is a backward pass; the input then needs a gradient.
    """

    def __init__(
        self,
        pieces: Mapping[PartKey, Piece],
        pinned: tuple[tuple[str, int], ...],
        form: Format,
        gradient: Format | None,
        *,
        training: bool,
    ) -> None:
        self.entering = form
        self.behind = gradient
        self.training = training
        self._pieces = pieces
        self._pinned = pinned

    def compose(self, graph: Graph) -> Composed | None:
        """The table of a graph; None where a part is missing that it needs."""
        try:
            return _Writer(self, graph).written()
        except KeyError:
            return None

    def edge(self, operation: str, form: Format, gradient: Format | None) -> Piece:
        """The piece of an edge; its forward pass is the same behind any gradient.

        Raises:
            KeyError: there is none.
        """
        return self._pieces[PartKey(operation, self._pinned, (form,), gradient)]

    def any_edge(self, operation: str, form: Format) -> Piece:
        """The piece of an edge behind some gradient: what is known of it before its own is.

        Raises:
            KeyError: there is none.
        """
        return self._pieces[self._some[operation, form]]

    @cached_property
    def _some(self) -> dict[tuple[str, Format], PartKey]:
        found: dict[tuple[str, Format], PartKey] = {}
        for key in self._pieces:
            if key.pinned == self._pinned and key.operation != SUM:
                found.setdefault((key.operation, key.input[0]), key)
        return found

    def total(self, left: Format, right: Format) -> Piece:
        """The piece of a sum.

        Raises:
            KeyError: there is none.
        """
        if self.training and left.dtype != right.dtype:  # autograd would cast the gradients
            raise KeyError(left)
        return self._pieces[PartKey(SUM, self._pinned, (left, right), None)]


class _Writer:
    """Writes one table."""

    def __init__(self, composer: Composer, graph: Graph) -> None:
        self._composer = composer
        self._edges = [edge for node in graph.nodes for edge in node]
        self._graph = graph
        self.rows: list[Row] = []
        self.values: list[Value] = []
        self.storages: list[Storage] = []
        self._origins: list[tuple[int, int]] = []
        self._sources: list[tuple[int, int]] = []
        self._sums: list[Piece] = []
        self._call = 0
        self._maps: list[list[int]] = []  # edge -> for each of its values, what it is here
        self._homes: list[list[int]] = []  # likewise for storages
        self._events: list[_Event] = []
        self._nodes = _INPUT + 1
        self._states: list[int] = []  # values of the nodes

    def written(self) -> Composed:
        composer = self._composer
        pieces = self._forward_pieces()
        out = self._forward(pieces)
        held, gradient = {out.value}, None
        ends: dict[str, Any] = {"boundary_in": self._at, "boundary_out": self.values[out.value].storage}
        if composer.training:
            form = composer.behind or out.form
            elements = self.storages[self.values[out.value].storage].elements
            entering = self._store(Storage(elements, form.dtype, "input"), (ENDS, 1))
            pieces, leaving = self._backward(pieces, out, _Tensor(entering, form, out.node))
            gradient = leaving.form
            own = [self._maps[edge][value] for edge, piece in enumerate(pieces) for value in piece.gradients]
            self._optimise(pieces)
            held |= {leaving.value, *own}
            ends |= {"grad_in": self.values[leaving.value].storage, "grad_out": self.values[entering].storage}
        table = OpTable(
            tuple(self.rows), tuple(self.values), tuple(self.storages), frozenset(held), (), (), **ends,
            released=self._released(),
        )  # fmt: skip
        ways = tuple(self._origins), tuple(self._sources)
        return Composed(table, *ways, tuple(pieces), tuple(self._sums), out.form, gradient)

    def _released(self) -> tuple[int, ...]:
        """When Python lets go of each storage: of a node's tensor, which is in the list of states, at the end."""
        states = {self.values[value].storage for value in self._states}
        return tuple([len(self.rows) if index in states else 0 for index in range(len(self.storages))])

    # -- forward -------------------------------------------------------------------------------------------------

    def _forward_pieces(self) -> list[Piece]:
        """The piece of each edge, chosen by the format that it reads."""
        states, found = [self._composer.entering], []
        for node in self._graph.nodes:
            forms = []
            for edge in node:
                piece = self._composer.any_edge(edge.operation, states[edge.source])
                found.append(piece)
                forms.append(piece.part.output_format)
            states.append(reduce(lambda a, b: self._composer.total(a, b).part.output_format, forms))
        return found

    def _forward(self, pieces: Sequence[Piece]) -> _Tensor:
        for edge, piece in enumerate(pieces):
            self._maps.append([])
            self._homes.append([])
            self._give(edge, piece, 0, piece.params)
        for edge, piece in enumerate(pieces):
            self._give(edge, piece, piece.params, piece.given)
        first = pieces[0].table
        self._at = len(self.storages)
        entering = self._store(first.storages[first.boundary_in], (ENDS, 0))
        states = [_Tensor(entering, self._composer.entering, _INPUT)]
        numbered = iter(enumerate(pieces))
        for node in self._graph.nodes:
            sources = [states[edge.source] for edge in node]
            total = self._run(*next(numbered), sources[0])
            for source in sources[1:]:
                own = self._run(*next(numbered), source)
                before, total = total, self._add(total, own, "forward", "", "add")
                self._events.append(_Event(SUMS, before, own, total))
            states.append(total)
        self._states = [state.value for state in states]
        return states[-1]

    def _give(self, edge: int, piece: Piece, start: int, stop: int) -> None:
        for index in range(start, stop):
            self._homes[edge].append(len(self.storages))
            self._maps[edge].append(self._store(piece.table.storages[index], (edge, index)))

    def _store(self, storage: Storage, origin: tuple[int, int]) -> int:
        """A new storage; the value in it."""
        self.values.append(Value(len(self.storages), -1))
        self.storages.append(storage)
        self._origins.append(origin)
        return len(self.values) - 1

    def _run(self, number: int, piece: Piece, entering: _Tensor) -> _Tensor:
        """Run an edge on a tensor; what it makes."""
        self._maps[number].append(entering.value)
        self._homes[number].append(self.values[entering.value].storage)
        values, storages = (piece.given + 1, piece.forward_values), (piece.given + 1, piece.storage_ends[0])
        self._write(number, piece, "forward", values, storages)
        self._call += piece.calls
        value = self._maps[number][piece.output]
        leaving = entering
        if value != entering.value:
            leaving = _Tensor(value, piece.part.output_format, self._nodes)
            self._nodes += 1
        self._events.append(_Event(number, entering, entering, leaving))
        return leaving

    def _path(self, number: int) -> str:
        """The path of an edge's module."""
        return f"edges.{self._edges[number].name}"

    def _write(
        self,
        number: int,
        piece: Piece,
        phase: str,
        values: tuple[int, int],
        storages: tuple[int, int],
    ) -> None:
        """Write the rows of a phase of an edge, with the values and storages of the piece that come with them."""
        first = 0 if phase == "forward" else len(piece.phases["forward"])
        path = self._path(number)
        table, here, homes = piece.table, self._maps[number], self._homes[number]
        known, row_shift = len(self.storages), len(self.rows) - first
        homes.extend(range(known, known + storages[1] - storages[0]))
        here.extend(range(len(self.values), len(self.values) + values[1] - values[0]))
        self.storages.extend(table.storages[slice(*storages)])
        self._origins.extend((number, index) for index in range(*storages))
        for storage, producer, base in table.values[slice(*values)]:
            self.values.append(
                Value(
                    homes[storage],
                    producer + row_shift if producer >= 0 else -1,
                    here[base] if base >= 0 else -1,
                )
            )
        call = self._call
        for index, row in enumerate(piece.phases[phase], start=first):
            name, op_class, module, _, _, number_of_call, function, args, kwargs, out, reads, writes, pointwise = row
            self.rows.append(
                Row(
                    name, op_class, path + module, phase, 0,
                    call + number_of_call if phase == "forward" else call,
                    function, args, kwargs, out,
                    tuple([Use(here[v], shape, stride, offset, dtype) for v, shape, stride, offset, dtype in reads]),
                    tuple([Use(here[v], shape, stride, offset, dtype) for v, shape, stride, offset, dtype in writes]),
                    pointwise,
                )
            )  # fmt: skip
            self._sources.append((number, index))

    def _add(self, left: _Tensor, right: _Tensor, phase: str, module: str, function: str) -> _Tensor:
        """A row that adds two tensors."""
        piece = self._composer.total(left.form, right.form)
        (row,) = piece.table.rows
        self._call += phase == "forward"
        made = self._store(piece.table.storages[piece.table.boundary_out], (SUMS, len(self._sums)))
        self.values[made] = Value(self.values[made].storage, len(self.rows))
        reads = tuple(
            use._replace(value=side.value)
            for side, use in zip((left, right), (row.reads[0], row.reads[-1]), strict=True)
        )
        if left.value == right.value:
            reads = reads[:1]
        writes = (row.writes[0]._replace(value=made),)
        self.rows.append(
            row._replace(module=module, phase=phase, call=self._call, function=function, reads=reads, writes=writes)
        )
        self._sources.append((SUMS, len(self._sums)))
        self._sums.append(piece)
        self._nodes += 1
        return _Tensor(made, piece.part.output_format, self._nodes - 1)

    # -- backward ------------------------------------------------------------------------------------------------

    def _backward(self, pieces: list[Piece], out: _Tensor, entering: _Tensor) -> tuple[list[Piece], _Tensor]:
        """Run everything in reverse; the piece of each edge behind its gradient, and the gradient of the input."""
        self._call += 2
        buffers: dict[int, _Tensor] = {out.node: entering}
        chosen = list(pieces)

        def deliver(node: int, gradient: _Tensor, module: str) -> None:
            before = buffers.get(node)
            buffers[node] = gradient if before is None else self._add(before, gradient, "backward", module, _GRAD)

        for number, left, right, made in reversed(self._events):
            if made.node == left.node:
                continue  # it ran nothing: the gradient is there already
            gradient = buffers.pop(made.node)
            if number == SUMS:
                deliver(left.node, gradient, "")
                deliver(right.node, gradient, "")
                continue
            operation = self._edges[number].operation
            chosen[number] = piece = self._composer.edge(operation, left.form, gradient.form)
            self._maps[number].append(gradient.value)
            self._homes[number].append(self.values[gradient.value].storage)
            values = piece.forward_values + 1, piece.backward_values
            storages = piece.storage_ends[0] + 1, piece.storage_ends[1]
            self._write(number, piece, "backward", values, storages)
            leaving = self._maps[number][piece.input_gradient]
            form = piece.part.input_gradient or gradient.form
            module = self._path(number) + piece.phases["backward"][-1].module
            deliver(left.node, _Tensor(leaving, form, left.node), module)
        return chosen, buffers[_INPUT]

    def _optimise(self, pieces: Sequence[Piece]) -> None:
        """The optimiser's rows, each on the lists of all edges one after the other."""
        trained = [(edge, piece) for edge, piece in enumerate(pieces) if piece.params]
        if not trained:
            return
        first = trained[0][1]
        states = sum(storage.kind == "state" for storage in first.table.storages) // first.params
        for number in range(states):
            for edge, piece in trained:
                start = piece.storage_ends[1] + number * piece.params
                self._give(edge, piece, start, start + piece.params)
        made = {edge: piece.storage_ends[1] + states * piece.params for edge, piece in trained}
        following = {edge: piece.backward_values + states * piece.params for edge, piece in trained}
        for step, row in enumerate(first.phases["optimizer"]):
            self._step(trained, step, row, made, following)

    def _step(
        self,
        trained: Sequence[tuple[int, Piece]],
        step: int,
        row: Row,
        made: dict[int, int],
        following: dict[int, int],
    ) -> None:
        same = [(edge, piece, piece.phases["optimizer"][step]) for edge, piece in trained]
        self._call += 1
        number = len(self.rows)
        for edge, piece, own in same:  # what it writes, and the memory that comes with that
            for _ in own.writes:
                storage, _, base = piece.table.values[following[edge]]
                if storage >= made[edge]:
                    self._homes[edge].append(len(self.storages))
                    self.storages.append(piece.table.storages[storage])
                    self._origins.append((edge, storage))
                    made[edge] += 1
                home = self._homes[edge][storage]
                self.values.append(Value(home, number, self._maps[edge][base] if base >= 0 else -1))
                self._maps[edge].append(len(self.values) - 1)
                following[edge] += 1
        args = tuple(
            tuple(shape for _, _, own in same for shape in own.args[place])
            if isinstance(value, tuple) and value and isinstance(value[0], Shape)
            else value
            for place, value in enumerate(row.args)
        )
        out = row.out if row.out is None else tuple(shape for _, _, own in same for shape in own.out)
        ends = [self._merged([(edge, piece, getattr(own, end)) for edge, piece, own in same]) for end in _ENDS]
        self.rows.append(row._replace(call=self._call, args=args, out=out, reads=ends[0], writes=ends[1]))
        self._sources.append((OPTIMIZER, step))

    def _merged(self, ends: Sequence[tuple[int, Piece, tuple[Use, ...]]]) -> tuple[Use, ...]:
        """Uses list by list: of the first list those of all edges, then of the second, and so on."""
        _, first, uses = ends[0]
        return tuple(
            use._replace(value=self._maps[edge][use.value])
            for number in range(len(uses) // first.params)
            for edge, piece, own in ends
            for use in own[number * piece.params : (number + 1) * piece.params]
        )


_ENDS = ("reads", "writes")
