"""Costs of many cells of one kind: distinct ones found, covered by templates, evaluated as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.columns import Columns
from oracle.closedform.evaluate import CellCosts, covered, evaluate
from oracle.closedform.inputs import CellInputs, is_static
from oracle.closedform.places import Place
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import Format, Template, TemplateKey
from oracle.families.population import taken
from oracle.spec import CellSpec, Scalar, Workload

__all__ = ["Piece", "cost_cells", "templates_for"]

Ints = NDArray[np.int64]


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
    index: Ints
    columns: Columns


def _statically_equal(inputs: CellInputs, count: int) -> Iterator[_Group]:
    fixed = [(name, value) for name, value in inputs.params if is_static(name, value)]
    free = [(name, value) for name, value in inputs.params if not is_static(name, value)]
    free += [(f"d{axis}", dim) for axis, dim in enumerate(inputs.dims)]
    columns = Columns([name for name, _ in free], [value for _, value in free], count)
    varying = [(name, value) for name, value in fixed if isinstance(value, np.ndarray)]
    combinations = [((), np.arange(count))] if not varying else _combinations([value for _, value in varying])
    for values, index in combinations:
        chosen = dict(zip((name for name, _ in varying), values, strict=True))
        static: Any = tuple((name, chosen.get(name, value)) for name, value in fixed)
        yield _Group(inputs, static, index, columns.rows(index))


def _cost_group(store: TemplateStore, group: _Group, workload: Workload, devices: Sequence[Place]) -> Iterator[Piece]:
    found = group.columns.distinct()
    columns = group.columns if found is None else group.columns.rows(found.first)
    pieces = _pieces(store, group, columns, workload, devices)
    if found is None:
        for piece in pieces:
            yield piece._replace(where=taken(group.index, piece.where, len(group.index)))
        return
    for piece in _merged(list(pieces)):  # while they are small
        where, take = found.members(piece.where)
        yield piece._replace(where=taken(group.index, where, len(group.index)), costs=piece.costs.taken(take))


def _pieces(
    store: TemplateStore, group: _Group, columns: Columns, workload: Workload, devices: Sequence[Place]
) -> Iterator[Piece]:
    for template, rows, chosen in _covered(store, group, columns, workload):
        if template is None:
            for number, piece in enumerate(_concrete(group, chosen, workload, devices)):
                yield piece._replace(where=rows[[number]])
        else:
            ends = template.output_format, template.input_gradient, template.unknown
            yield Piece(rows, evaluate(template, chosen, devices), *ends)


def _merged(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """One piece of those from which the same leaves."""
    alike: dict[tuple[Any, ...], list[Piece]] = {}
    for piece in pieces:
        alike.setdefault((*piece[2:], len(piece.costs.output)), []).append(piece)
    for same in alike.values():
        where = np.concatenate([piece.where for piece in same])
        order = np.argsort(where)
        costs = CellCosts.joined([piece.costs for piece in same], [len(piece.where) for piece in same])
        yield same[0]._replace(where=where[order], costs=costs.taken(order))


def _covered(
    store: TemplateStore, group: _Group, columns: Columns, workload: Workload
) -> Iterator[tuple[Template | None, Ints, Columns]]:
    """Templates with the distinct cells that they cover; None with those that none can."""
    for rows, pins in _pinned_patterns(columns):
        key = _key(group.inputs, group.static, pins, workload)
        known = list(store.known(key))
        left, alike = rows, columns.rows(rows)
        while len(left):
            fresh = not known
            if known:
                template: Template | None = known.pop(0)
            else:
                template = _new_template(store, key, group.inputs, alike.row(0), workload, len(left))
            if template is None:
                yield None, left, alike
                break
            holds = covered(template, alike)
            inside = holds if isinstance(holds, np.ndarray) else np.full(len(left), holds)
            if inside.all():
                yield template, left, alike
                break
            if not inside.any() and fresh:
                # Made for the first row, and does not hold there: a guard that symbols cannot express.
                template, inside = None, np.arange(len(left)) == 0
            if inside.any():
                yield template, left[inside], alike.rows(np.flatnonzero(inside))
            left, alike = left[~inside], alike.rows(np.flatnonzero(~inside))


def templates_for(
    store: TemplateStore,
    inputs: CellInputs,
    static: tuple[tuple[str, Scalar], ...],
    values: Mapping[str, int],
    workload: Workload,
) -> Iterator[Template]:
    """Templates that may cover one cell: the known ones, then one made for it if the store makes one.

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
    store: TemplateStore,
    key: TemplateKey,
    inputs: CellInputs,
    values: Mapping[str, int],
    workload: Workload,
    rows: int = 1,
) -> Template | None:
    dims = [values[f"d{axis}"] for axis in range(len(inputs.dims))]
    hints = {name: values[name] for name, _ in inputs.params if name in values}
    return store.make(key, [name for name, _ in inputs.params], hints, dims, workload, rows)


def _concrete(group: _Group, columns: Columns, workload: Workload, devices: Sequence[Place]) -> Iterator[Piece]:
    """One concrete trace per distinct cell, for what symbols cannot express."""
    from oracle.closedform.concrete import concrete_cell  # needs torch

    static = dict(group.static)
    for position in range(len(columns)):
        here = columns.row(position)
        dims = [here.pop(f"d{axis}") for axis in range(len(group.inputs.dims))]
        params = tuple((name, static[name] if name in static else here[name]) for name, _ in group.inputs.params)
        cell = concrete_cell(CellSpec(group.inputs.kind, params), dims, group.inputs, workload)
        ends = cell.output_format, cell.input_gradient, cell.unknown
        yield Piece(np.zeros(1, dtype=np.int64), cell.costs(devices), *ends)


def _pinned_patterns(columns: Columns) -> Iterator[tuple[Ints, tuple[tuple[str, int], ...]]]:
    """Rows by which of their values are 0 or 1, and the names of these values with them."""
    rows = np.arange(len(columns))
    small = [number for number, (low, _) in enumerate(columns.spans) if low < 2]
    if all(columns.spans[number][0] == columns.spans[number][1] for number in small):
        yield rows, tuple((columns.names[number], columns.spans[number][0]) for number in small)
        return
    code = np.zeros(len(rows), dtype=np.int64)
    for number in small:
        value = columns.values[number]
        code = code * 3 + np.minimum(value, 2)
    for pattern in np.flatnonzero(np.bincount(code)):
        chosen = np.flatnonzero(code == pattern)
        yield chosen, tuple((name, value) for name, value in columns.row(chosen[0]).items() if value < 2)


def _combinations(columns: Sequence[Ints]) -> list[tuple[tuple[int, ...], Ints]]:
    values, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [
        (tuple(int(v) for v in row), np.flatnonzero(inverse.reshape(-1) == number)) for number, row in enumerate(values)
    ]


@lru_cache(maxsize=256)
def _workload_key(workload: Workload) -> tuple[tuple[str, str], ...]:
    """All fields but the batch size, which is a dimension of the input."""
    names = ("dtype", "mode", "runtime", "layout", "causal") + (("optimizer",) if workload.training else ())
    return tuple((name, getattr(workload, name)) for name in names)
