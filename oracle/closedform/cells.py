"""Costs of many cells of one kind: distinct ones found, covered by templates, evaluated as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.distinct import distinct, members
from oracle.closedform.inputs import CellInputs, is_static
from oracle.closedform.places import Place
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import Answer, Format, Template, TemplateKey
from oracle.counting.memory import CellMemory
from oracle.errors import OracleError
from oracle.roofline import Roofs, total_seconds
from oracle.spec import CellSpec, Scalar, Workload

__all__ = ["LIMIT", "CellCosts", "Piece", "cost_cells", "templates_for"]

Ints = NDArray[np.int64]
LIMIT = 2**62
"""Sums of 64-bit integers stay exact below it."""


class CellCosts(NamedTuple):
    """Costs of some cells: arrays with one entry each; `sums` are what `SUMS` names, `latency_s` is per device."""

    sums: tuple[Ints, ...]
    memory: CellMemory
    output: tuple[Ints, ...]
    latency_s: tuple[NDArray[np.float64], ...]

    def taken(self, take: Ints) -> CellCosts:
        """The costs at some positions, in that order."""
        fields = CellMemory.__dataclass_fields__
        return CellCosts(
            tuple(array[take] for array in self.sums),
            CellMemory(**{name: getattr(self.memory, name)[take] for name in fields}),
            tuple(array[take] for array in self.output),
            tuple(array[take] for array in self.latency_s),
        )


class Piece(NamedTuple):
    """The cells that one template (or one concrete trace) answered for: which, what, and what leaves them."""

    where: Ints
    costs: CellCosts
    output: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]


def cost_cells(
    store: TemplateStore, inputs: CellInputs, count: int, workload: Workload, devices: Sequence[Place]
) -> Iterator[Piece]:
    """Cost `count` cells; every one is in exactly one piece.

    Raises:
        OracleError: a cell that cannot be traced, or whose numbers exceed 62 bits.
    """
    for group in _statically_equal(inputs, count):
        yield from _cost_group(store, group, workload, devices)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Cells whose static parameters are equal; `columns` are their other integers, then the input's dimensions."""

    inputs: CellInputs
    static: tuple[tuple[str, Scalar], ...]
    names: tuple[str, ...]
    index: Ints
    columns: tuple[Ints, ...]


def _statically_equal(inputs: CellInputs, count: int) -> Iterator[_Group]:
    fixed = [(name, value) for name, value in inputs.params if is_static(name, value)]
    free = [(name, value) for name, value in inputs.params if not is_static(name, value)]
    varying = [(name, value) for name, value in fixed if isinstance(value, np.ndarray)]
    everything = np.arange(count)
    combinations = [((), everything)] if not varying else _combinations([value for _, value in varying])
    for values, index in combinations:
        chosen = dict(zip((name for name, _ in varying), values, strict=True))
        static: Any = tuple((name, chosen.get(name, value)) for name, value in fixed)
        columns = [_column(value, count)[index] for value in (*(value for _, value in free), *inputs.dims)]
        names = (*(name for name, _ in free), *(f"d{axis}" for axis in range(len(inputs.dims))))
        yield _Group(inputs, static, names, index, tuple(columns))


def _cost_group(store: TemplateStore, group: _Group, workload: Workload, devices: Sequence[Place]) -> Iterator[Piece]:
    found = distinct(group.columns)
    columns = group.columns if found is None else tuple(column[found.first] for column in group.columns)
    answers: list[tuple[Ints, Piece]] = []
    for template, rows in _covered(store, group, columns, workload):
        whole = len(rows) == len(columns[0])
        values = {n: c if whole else c[rows] for n, c in zip(group.names, columns, strict=True)}
        if template is None:
            answers += [
                (rows[[i]], piece) for i, piece in enumerate(_concrete(group, values, len(rows), workload, devices))
            ]
        else:
            costs = _costs(template, values, len(rows), devices)
            piece = Piece(rows, costs, template.output_format, template.input_gradient, template.unknown)
            answers.append((rows, piece))
    for rows, piece in answers:
        index, take = members(found, rows, len(columns[0]))
        costs = piece.costs if take is None else piece.costs.taken(take)
        yield piece._replace(where=group.index if index is None else group.index[index], costs=costs)


def _covered(
    store: TemplateStore, group: _Group, columns: Sequence[Ints], workload: Workload
) -> Iterator[tuple[Template | None, Ints]]:
    """Templates with the distinct cells that they cover; None with those that none can."""
    for alike, flags in _pinned_patterns(columns):
        rows = alike
        names = [name for name, flag in zip(group.names, flags, strict=True) if flag is None]
        pins = tuple((name, flag) for name, flag in zip(group.names, flags, strict=True) if flag is not None)
        key = _key(group.inputs, group.static, pins, workload)
        known = list(store.known(key))
        while len(rows):
            fresh = not known
            if known:
                template: Template | None = known.pop(0)
            else:
                first = {name: int(c[rows[0]]) for name, c in zip(group.names, columns, strict=True)}
                template = _new_template(store, key, group.inputs, first, workload)
            if template is None:
                yield None, rows
                break
            whole = len(rows) == len(columns[0])
            chosen = [columns[group.names.index(name)] for name in names]
            values = chosen if whole else [column[rows] for column in chosen]
            inside = np.broadcast_to(np.asarray(template.covers(*values), dtype=bool), rows.shape)
            if inside.all():
                yield template, rows
                break
            if inside.any():
                yield template, rows[inside]
            elif fresh:
                # Made for the first row, and does not hold there: a guard that symbols cannot express.
                yield None, rows[:1]
                inside = np.arange(len(rows)) == 0
            rows = rows[~inside]


def templates_for(
    store: TemplateStore,
    inputs: CellInputs,
    static: tuple[tuple[str, Scalar], ...],
    values: Mapping[str, int],
    workload: Workload,
) -> Iterator[Template]:
    """Templates that may cover one cell: the known ones, then one made for it unless symbols cannot work.

    Args:
        store: where templates are.
        inputs: kind and parameters of the cell, and the formats at its ends.
        static: those of its parameters that are no symbols.
        values: its other integers by name, and its input's dimensions as d0, d1, ...
        workload: what it runs under.
    """
    pins = tuple((name, value) for name, value in values.items() if value < 2)
    key = _key(inputs, static, pins, workload)
    yield from store.known(key)
    made = _new_template(store, key, inputs, values, workload)
    if made is not None:
        yield made


def _key(
    inputs: CellInputs, static: tuple[tuple[str, Scalar], ...], pins: tuple[tuple[str, int], ...], workload: Workload
) -> TemplateKey:
    return TemplateKey(inputs.kind, static, pins, inputs.input, inputs.gradient, inputs.first, _workload_key(workload))


def _new_template(
    store: TemplateStore, key: TemplateKey, inputs: CellInputs, values: Mapping[str, int], workload: Workload
) -> Template | None:
    dims = [values[f"d{axis}"] for axis in range(len(inputs.dims))]
    hints = {name: values[name] for name, _ in inputs.params if name in values}
    return store.make(key, [name for name, _ in inputs.params], hints, dims, workload)


def _costs(template: Template, values: Mapping[str, Ints], count: int, devices: Sequence[Place]) -> CellCosts:
    arguments: list[Ints | int] = [values[name] for name in template.program.symbols]
    if count:
        spans = [(int(values[name].min()), int(values[name].max())) for name in template.program.symbols]
        # What all rows share, such as the image's size, is computed once, and not per row.
        arguments = [low if low == high else array for array, (low, high) in zip(arguments, spans, strict=True)]
        # Rounded to powers of two, so that the bound of one chunk serves the next.
        highs = tuple(1 << high.bit_length() for _, high in spans)
        lows = tuple(1 << (low.bit_length() - 1) for low, _ in spans)
        if template.largest(highs, lows) >= LIMIT:
            raise OracleError(f"cell={template.key.kind}: its FLOPs or bytes exceed 62 bits; the cells are too large")
    answer = template.answer(arguments)
    return CellCosts(
        tuple(_column(value, count) for value in answer.sums),
        _broadcast(answer.memory, count),
        tuple(_column(value, count) for value in answer.output),
        tuple(_latency(template.roofs(device), answer, count) for device in devices),
    )


def _latency(roofs: Roofs, answer: Answer, count: int) -> NDArray[np.float64]:
    latency = total_seconds(roofs, answer.matrix_flops, answer.vector_flops, answer.kernel_bytes)
    return np.broadcast_to(np.asarray(latency, dtype=np.float64), (count,))


def _concrete(
    group: _Group, values: Mapping[str, Ints], count: int, workload: Workload, devices: Sequence[Place]
) -> Iterator[Piece]:
    """One concrete trace per distinct cell, for what symbols cannot express."""
    from oracle.closedform.concrete import concrete_cell  # needs torch

    static = dict(group.static)
    for position in range(count):
        here = {name: int(column[position]) for name, column in values.items()}
        dims = [here.pop(f"d{axis}") for axis in range(len(group.inputs.dims))]
        params = tuple((name, static[name] if name in static else here[name]) for name, _ in group.inputs.params)
        cell = concrete_cell(CellSpec(group.inputs.kind, params), dims, group.inputs, workload)
        costs = CellCosts(
            tuple(_column(value, 1) for value in cell.answer.sums),
            _broadcast(cell.answer.memory, 1),
            tuple(_column(value, 1) for value in cell.answer.output),
            tuple(_latency(cell.roofs(device), cell.answer, 1) for device in devices),
        )
        yield Piece(np.zeros(1, dtype=np.int64), costs, cell.output_format, cell.input_gradient, cell.unknown)


def _pinned_patterns(columns: Sequence[Ints]) -> Iterator[tuple[Ints, tuple[int | None, ...]]]:
    """Rows by which of their values are 0 or 1, and those values (None: free)."""
    rows = np.arange(len(columns[0]))
    free = [int(column.min()) >= 2 for column in columns]
    if all(free):
        yield rows, (None,) * len(columns)
        return
    code = np.zeros(len(rows), dtype=np.int64)
    for column, is_free in zip(columns, free, strict=True):
        code = code * 3 + (0 if is_free else np.where(column < 2, column + 1, 0))
    for number in np.unique(code):
        chosen = rows if (code == number).all() else np.flatnonzero(code == number)
        yield chosen, tuple(None if column[chosen[0]] >= 2 else int(column[chosen[0]]) for column in columns)


def _combinations(columns: Sequence[Ints]) -> list[tuple[tuple[int, ...], Ints]]:
    values, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [
        (tuple(int(v) for v in row), np.flatnonzero(inverse.reshape(-1) == number)) for number, row in enumerate(values)
    ]


def _column(value: Any, count: int) -> Any:
    return value if isinstance(value, np.ndarray) and value.ndim else np.full(count, value, dtype=np.int64)


@lru_cache(maxsize=256)
def _workload_key(workload: Workload) -> tuple[tuple[str, str], ...]:
    """All fields but the batch size, which is a dimension of the input."""
    names = ("dtype", "mode", "runtime", "layout", "causal") + (("optimizer",) if workload.training else ())
    return tuple((name, getattr(workload, name)) for name in names)


def _broadcast(memory: CellMemory, count: int) -> CellMemory:
    return CellMemory(
        **{
            name: np.full(count, value) if isinstance(value, bool) else _column(value, count)
            for name, value in ((n, getattr(memory, n)) for n in CellMemory.__dataclass_fields__)
        }
    )
