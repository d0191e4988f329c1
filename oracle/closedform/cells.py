"""Costs of many cells of one kind: distinct ones found, covered by templates, evaluated as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.store import TemplateStore
from oracle.closedform.template import Answer, Format, Template, TemplateKey
from oracle.counting.memory import CellMemory
from oracle.devices import Device
from oracle.errors import OracleError
from oracle.roofline import TEXTBOOK, KernelKinds, time_kernels
from oracle.spec import CellSpec, Scalar, Workload

__all__ = ["CellCosts", "CellInputs", "Piece", "cost_cells"]

Ints = NDArray[np.int64]
_LIMIT = 2**62
_STATIC = frozenset({"kernel", "stride", "padding"})  # small integers that decide the structure


@dataclass(frozen=True, slots=True, eq=False)
class CellInputs:
    """What enters cells of one kind.

    Attributes:
        kind, params: as in `oracle.families.population.CellArray`, arrays having one entry per cell.
        dims: dimensions of each input, ints or arrays.
        input, gradient, first: as in `TemplateKey`.
    """

    kind: str
    params: tuple[tuple[str, Scalar | Ints], ...]
    dims: tuple[int | Ints, ...]
    input: Format
    gradient: Format | None = None
    first: bool = False


class CellCosts(NamedTuple):
    """Costs of some cells: arrays with one entry each. `latency_s` is per device, in their order."""

    macs: Ints
    flops: Ints
    traffic_bytes: Ints
    params: Ints
    activations: Ints
    memory: CellMemory
    output: tuple[Ints, ...]
    latency_s: tuple[NDArray[np.float64], ...]


class Piece(NamedTuple):
    """The cells that one template (or one concrete trace) answered for: which, what, and what leaves them."""

    index: Ints
    costs: CellCosts
    output: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]


def cost_cells(
    store: TemplateStore, inputs: CellInputs, count: int, workload: Workload, devices: Sequence[Device]
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
    fixed = [(name, value) for name, value in inputs.params if _is_static(name, value)]
    free = [(name, value) for name, value in inputs.params if not _is_static(name, value)]
    varying = [(name, value) for name, value in fixed if isinstance(value, np.ndarray)]
    everything = np.arange(count)
    combinations = [((), everything)] if not varying else _combinations([value for _, value in varying])
    for values, index in combinations:
        chosen = dict(zip((name for name, _ in varying), values, strict=True))
        static = tuple((name, chosen.get(name, value)) for name, value in fixed)
        columns = [_column(value, count)[index] for value in (*(value for _, value in free), *inputs.dims)]
        names = (*(name for name, _ in free), *(f"d{axis}" for axis in range(len(inputs.dims))))
        yield _Group(inputs, static, names, index, tuple(columns))


def _cost_group(
    store: TemplateStore, group: _Group, workload: Workload, devices: Sequence[Device]
) -> Iterator[Piece]:
    distinct, inverse = _distinct(group.columns)
    columns = [column[distinct] for column in group.columns]
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(distinct) + 1))
    for template, rows in _covered(store, group, columns, workload):
        values = [column[rows] for column in columns]
        if template is None:
            yield from _concrete(group, values, rows, order, starts, workload, devices)
            continue
        used = dict(zip(group.names, values, strict=True))
        costs = _costs(template, used, len(rows), devices)
        index, take = _members(rows, order, starts)
        found = CellCosts(
            *(array[take] for array in costs[:5]),
            _taken(costs.memory, take),
            tuple(array[take] for array in costs.output),
            tuple(array[take] for array in costs.latency_s),
        )
        yield Piece(
            group.index[index], found, template.output_format, template.input_gradient, template.unknown
        )


def _covered(
    store: TemplateStore, group: _Group, columns: Sequence[Ints], workload: Workload
) -> Iterator[tuple[Template | None, Ints]]:
    """Templates with the distinct cells that they cover; None with those that none can."""
    pinned = np.stack(columns) < 2 if columns else np.zeros((0, 1), dtype=bool)
    pattern = (np.stack(columns) * pinned + pinned * 2).T  # 0 free, 2 pinned to 0, 3 pinned to 1
    patterns, membership = np.unique(pattern, axis=0, return_inverse=True)
    for number, flags in enumerate(patterns):
        rows = np.flatnonzero(membership.reshape(-1) == number)
        names = [name for name, flag in zip(group.names, flags, strict=True) if not flag]
        pins = tuple((name, int(flag) - 2) for name, flag in zip(group.names, flags, strict=True) if flag)
        inputs = group.inputs
        key = TemplateKey(
            inputs.kind,
            group.static,
            pins,
            len(inputs.dims),
            inputs.input,
            inputs.gradient,
            inputs.first,
            _workload_key(workload),
        )
        known = list(store.known(key))
        while len(rows):
            template = known.pop(0) if known else _new_template(store, key, group, columns, int(rows[0]), workload)
            if template is None:
                yield None, rows
                break
            values = [columns[group.names.index(name)][rows] for name in names]
            inside = np.broadcast_to(np.asarray(template.covers(*values), dtype=bool), rows.shape)
            if inside.any():
                yield template, rows[inside]
            elif not known:
                # Made for the first row, and does not hold there: a guard that symbols cannot express.
                yield None, rows[:1]
                inside = np.arange(len(rows)) == 0
            rows = rows[~inside]


def _new_template(
    store: TemplateStore, key: TemplateKey, group: _Group, columns: Sequence[Ints], row: int, workload: Workload
) -> Template | None:
    values = {name: int(column[row]) for name, column in zip(group.names, columns, strict=True)}
    dims = [values.pop(f"d{axis}") for axis in range(len(group.inputs.dims))]
    return store.make(key, [name for name, _ in group.inputs.params], values, dims, workload)


def _costs(template: Template, values: Mapping[str, Ints], count: int, devices: Sequence[Device]) -> CellCosts:
    symbols = template.program.symbols
    arguments = [values[name] for name in symbols]
    if count:
        largest = {name: int(values[name].max()) for name in symbols}
        smallest = {name: int(values[name].min()) for name in symbols}
        if template.largest(largest, smallest) >= _LIMIT:
            raise OracleError(f"cell={template.key.kind}: its FLOPs or bytes exceed 62 bits; the cells are too large")
    answer = template.answer(arguments)
    return CellCosts(
        *(_column(value, count) for value in answer[:5]),
        _broadcast(answer.memory, count),
        tuple(_column(value, count) for value in answer.output),
        tuple(_latency(template.kinds, answer, count, device) for device in devices),
    )


def _latency(kinds: KernelKinds, answer: Answer, count: int, device: Device) -> NDArray[np.float64]:
    if not kinds.op_classes:
        return np.zeros(count)
    stacked = [
        np.stack([_column(value, count) for value in column])
        for column in (answer.matrix_flops, answer.vector_flops, answer.kernel_bytes)
    ]
    timing = time_kernels(kinds, *stacked, device, TEXTBOOK)
    latency: NDArray[np.float64] = timing.latency_s
    return latency


def _concrete(
    group: _Group,
    values: Sequence[Ints],
    rows: Ints,
    order: Ints,
    starts: Ints,
    workload: Workload,
    devices: Sequence[Device],
) -> Iterator[Piece]:
    """One concrete trace per distinct cell, for what symbols cannot express."""
    from oracle.closedform.concrete import concrete_cell  # needs torch

    for position, row in enumerate(rows):
        here = {name: int(column[position]) for name, column in zip(group.names, values, strict=True)}
        dims = [here.pop(f"d{axis}") for axis in range(len(group.inputs.dims))]
        static = dict(group.static)
        params = tuple(
            (name, static[name] if name in static else here[name]) for name, _ in group.inputs.params
        )
        cell = concrete_cell(CellSpec(group.inputs.kind, params), dims, group.inputs, workload)
        members = order[starts[row] : starts[row + 1]]
        count = len(members)
        answer = cell.answer
        costs = CellCosts(
            *(_column(value, count) for value in answer[:5]),
            _broadcast(answer.memory, count),
            tuple(_column(value, count) for value in answer.output),
            tuple(np.full(count, _latency(cell.kinds, answer, 1, device)[0]) for device in devices),
        )
        yield Piece(group.index[members], costs, cell.output_format, cell.input_gradient, cell.unknown)


def _distinct(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Positions of the first of each distinct row, and for each row the number of its distinct one."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    span = 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        width = high - low + 1
        if span * width >= _LIMIT:
            _, index, inverse = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
            return index, inverse.reshape(-1)
        if width > 1:
            key = key * width + (column - low)
            span *= width
    _, index, inverse = np.unique(key, return_index=True, return_inverse=True)
    return index, inverse


def _members(rows: Ints, order: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """All cells of some distinct rows, and for each its place among those rows."""
    counts = starts[rows + 1] - starts[rows]
    take = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(len(take)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(starts[rows], counts) + offsets], take


def _combinations(columns: Sequence[Ints]) -> list[tuple[tuple[int, ...], Ints]]:
    values, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [
        (tuple(int(v) for v in row), np.flatnonzero(inverse.reshape(-1) == number)) for number, row in enumerate(values)
    ]


def _is_static(name: str, value: Any) -> bool:
    if name in _STATIC or isinstance(value, (bool, np.bool_)):
        return True
    return not isinstance(value, (int, np.integer, np.ndarray))


def _column(value: Any, count: int) -> Any:
    return value if isinstance(value, np.ndarray) and value.ndim else np.full(count, value, dtype=np.int64)


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


def _taken(memory: CellMemory, take: Ints) -> CellMemory:
    return CellMemory(**{name: getattr(memory, name)[take] for name in CellMemory.__dataclass_fields__})
