"""Costs of many cells of one kind: distinct ones found, covered by templates, evaluated as arrays."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.columns import Columns, Known
from oracle.closedform.evaluate import CellCosts, covered, evaluate
from oracle.closedform.inputs import CellInputs, is_static, key_of, statics_of
from oracle.closedform.store import TemplateStore, tracing
from oracle.closedform.template import Format, Template, TemplateKey
from oracle.families.graphs import structure_of
from oracle.families.population import taken
from oracle.spec import Scalar, Workload

Ints = NDArray[np.int64]

_FEW = 256  # rows whose costs are remembered


class Piece(NamedTuple):
    """The cells that one template (or one concrete trace) answered for: which, what, and what leaves them."""

    where: Ints
    costs: CellCosts
    output: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]


def cost_cells(
    store: TemplateStore,
    inputs: CellInputs,
    count: int,
    workload: Workload,
    devices: Sequence[CalibratedDevice],
    known: Known | None = None,
) -> Iterator[Piece]:
    """Cost `count` cells; every one is in exactly one piece.

    Args:
        store, workload, devices: where templates are, what runs, and where.
        inputs: what enters the cells.
        count: how many there are.
        known: about arrays that may enter other cells, too.

    Raises:
        OracleError: a cell that cannot be traced, or whose numbers exceed 62 bits.
    """
    if structure_of(inputs.kind) is not None:
        from oracle.closedform.structural import cost_structures  # counts tables, which others need not

        yield from (Piece(*answer) for answer in cost_structures(inputs, count, workload, devices) or ())
        return
    for group in _statically_equal(inputs, count, known):
        yield from _cost_group(store, group, workload, devices)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Cells whose static parameters are equal; `columns` are their other integers, then the input's dimensions."""

    inputs: CellInputs
    static: tuple[tuple[str, Scalar], ...]
    index: Ints
    columns: Columns


def _statically_equal(inputs: CellInputs, count: int, known: Known | None) -> Iterator[_Group]:
    names = tuple([name for name, _ in inputs.params])
    fixed: list[tuple[str, Any]] = []
    free: list[tuple[str, Any]] = []
    for pair in inputs.params:
        (fixed if is_static(*pair) else free).append(pair)
    free += [(f"d{axis}", dim) for axis, dim in enumerate(inputs.dims)]
    columns = Columns([name for name, _ in free], [value for _, value in free], count, known)
    varying = [(name, value) for name, value in fixed if isinstance(value, np.ndarray)]
    combinations = [((), np.arange(count))] if not varying else _combinations([value for _, value in varying])
    for values, index in combinations:
        chosen = dict(zip((name for name, _ in varying), values, strict=True))
        static = statics_of(inputs.kind, names, [(name, chosen.get(name, value)) for name, value in fixed])
        yield _Group(inputs, static, index, columns.rows(index))


def _cost_group(
    store: TemplateStore, group: _Group, workload: Workload, devices: Sequence[CalibratedDevice]
) -> Iterator[Piece]:
    found = group.columns.distinct()
    columns = group.columns if found is None else group.columns.rows(found.first)
    for piece in _merged(list(_pieces(store, group, columns, workload, devices)), len(columns)):
        where, costs = piece.where, piece.costs
        # What leaves as it came stays one array with what came: it is known to be alike without a look.
        places = [columns.place(size) if len(where) == len(columns) else None for size in costs.output]
        if found is not None:
            where, take = found.members(where)
            costs = costs.taken(take)
        sizes = zip(places, costs.output, strict=True)
        costs = costs._replace(output=tuple(s if at is None else group.columns.values[at] for at, s in sizes))
        yield piece._replace(where=taken(group.index, where, len(group.index)), costs=costs)


def _pieces(
    store: TemplateStore, group: _Group, columns: Columns, workload: Workload, devices: Sequence[CalibratedDevice]
) -> Iterator[Piece]:
    for template, rows, chosen in _covered(store, group, columns, workload):
        if template is None:
            for number in range(len(rows)):
                alone = chosen.rows(np.array([number]))
                yield _piece(
                    traced_alone(group.inputs, group.static, alone.row(0), workload), rows[[number]], alone, devices
                )
        else:
            yield _piece(template, rows, chosen, devices)


def _piece(template: Template, rows: Ints, columns: Columns, devices: Sequence[CalibratedDevice]) -> Piece:
    ends = template.output_format, template.input_gradient, template.unknown
    if len(columns) > _FEW or any(isinstance(own, np.ndarray) and own.dtype != np.int64 for own in columns.values):
        return Piece(rows, evaluate(template, columns, devices), *ends)
    content = tuple([own.tobytes() if isinstance(own, np.ndarray) else own for own in columns.values])
    return Piece(rows, _costs_of_few(template, tuple(devices), columns.names, content, len(columns)), *ends)


@lru_cache(maxsize=128)
def _costs_of_few(
    template: Template, devices: tuple[CalibratedDevice, ...], names: tuple[str, ...], content: Any, count: int
) -> CellCosts:
    """Costs of a few cells, given their columns as bytes: layers of a list are of the same few again and again."""
    values = [np.frombuffer(own, np.int64) if isinstance(own, bytes) else own for own in content]
    return evaluate(template, Columns(names, values, count), devices)


def _merged(pieces: Sequence[Piece], count: int) -> Iterator[Piece]:
    """One piece of those from which the same leaves; they are of `count` rows together."""
    alike: dict[tuple[Any, ...], list[Piece]] = {}
    for piece in pieces:
        alike.setdefault((*piece[2:], len(piece.costs.output)), []).append(piece)
    for same in alike.values():
        if len(same) == 1:
            yield same[0]
            continue
        wheres = [piece.where for piece in same]
        where = np.arange(count)
        if len(same) < len(pieces):
            where = np.sort(np.concatenate(wheres))
            wheres = [np.searchsorted(where, own) for own in wheres]
        costs = CellCosts.joined([piece.costs for piece in same], wheres, len(where))
        yield same[0]._replace(where=where, costs=costs)


def _covered(
    store: TemplateStore, group: _Group, columns: Columns, workload: Workload
) -> Iterator[tuple[Template | None, Ints, Columns]]:
    """Templates with the distinct cells that they cover; None with those that none can."""
    for rows, pins in _pinned_patterns(columns):
        key = key_of(group.inputs, group.static, pins, workload)
        known = list(store.known(key))
        left, alike = rows, columns.rows(rows)
        while len(left):
            if not known:
                known = list(store.more(key))
            fresh = not known
            if known:
                template: Template | None = known.pop(0)
            else:
                template = _new_template(store, key, group.inputs, alike.row(0), workload)
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
    key = key_of(inputs, static, pins, workload)
    if structure_of(inputs.kind) is not None:
        from oracle.closedform.structural import structural_template

        composed = structural_template(key, workload)
        if composed is not None:
            yield composed
        return
    yield from store.known(key)
    yield from store.more(key)
    made = _new_template(store, key, inputs, values, workload)
    if made is not None:
        yield made


def _new_template(
    store: TemplateStore,
    key: TemplateKey,
    inputs: CellInputs,
    values: Mapping[str, int],
    workload: Workload,
) -> Template | None:
    dims = [values[f"d{axis}"] for axis in range(len(inputs.dims))]
    return store.make(key, _params(inputs, key.static, values), dims, workload)


def _params(
    inputs: CellInputs, static: tuple[tuple[str, Scalar], ...], values: Mapping[str, int]
) -> tuple[tuple[str, Any], ...]:
    """All parameters of one cell, in order; what its key leaves out stays as it was given."""
    known: dict[str, Any] = {**values, **dict(static)}
    return tuple((name, known.get(name, value)) for name, value in inputs.params)


def traced_alone(
    inputs: CellInputs, static: tuple[tuple[str, Scalar], ...], values: Mapping[str, int], workload: Workload
) -> Template:
    """A template of one cell only, by a trace of its own: for what symbols cannot express."""
    logging.getLogger(__name__).info("tracing a cell that has no closed form: %s", inputs.kind)
    dims = [values[f"d{axis}"] for axis in range(len(inputs.dims))]
    key = key_of(inputs, static, tuple(values.items()), workload)
    template: Template = tracing().concrete_template(key, _params(inputs, static, values), dims, workload)
    return template


def _pinned_patterns(columns: Columns) -> Iterator[tuple[Ints, tuple[tuple[str, int], ...]]]:
    """Rows by which of their values are 0 or 1, and the names of these values with them."""
    small = [number for number, (low, _) in enumerate(columns.spans) if low < 2]
    varying = [number for number in small if columns.spans[number][0] != columns.spans[number][1]]
    if not varying:
        yield np.arange(len(columns)), tuple((columns.names[number], columns.spans[number][0]) for number in small)
        return
    code: Any = 0
    for number in varying:
        code = code * 3 + np.minimum(columns.values[number], 2)
    for pattern in np.flatnonzero(np.bincount(code)):
        chosen = np.flatnonzero(code == pattern)
        yield chosen, tuple((name, value) for name, value in columns.row(chosen[0]).items() if value < 2)


def _combinations(columns: Sequence[Ints]) -> list[tuple[tuple[int, ...], Ints]]:
    values, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [
        (tuple(int(v) for v in row), np.flatnonzero(inverse.reshape(-1) == number)) for number, row in enumerate(values)
    ]
