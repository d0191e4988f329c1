"""A template's answer for columns of cells: sums, memory, and seconds on devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.columns import CONSTANT, Columns, Distinct
from oracle.closedform.partition import Part
from oracle.closedform.products import products_in
from oracle.closedform.template import Template
from oracle.errors import OracleError
from oracle.memory import CellMemory
from oracle.products import Products
from oracle.roofline import total_seconds

Ints = NDArray[np.int64]

LIMIT = 2**62
"""Sums of 64-bit integers stay exact below it."""

_FEW = 2_000  # rows of which the whole costs less than its parts
_WORTH = 16  # steps, or kernels on devices, from which on distinct rows are looked for
_MEMORY = tuple(CellMemory.__dataclass_fields__)
_JOIN = {"add": np.add, "max": np.maximum}


class CellCosts(NamedTuple):
    """Costs of some cells: arrays with one entry each, or numbers that all of them share.

    `sums` are what `SUMS` names, `output` the dimensions of what leaves the cell, `latency_s` is per device,
    `kernels` how many a cell runs.
    """

    sums: tuple[Any, ...]
    memory: CellMemory
    output: tuple[Any, ...]
    latency_s: tuple[Any, ...]
    kernels: Any

    def taken(self, take: Ints) -> CellCosts:
        """The costs at some positions, in that order."""
        return self.mapped(lambda value: value.take(take) if isinstance(value, np.ndarray) else value)

    def mapped(self, function: Callable[..., Any], *others: CellCosts) -> CellCosts:
        """The costs with a function applied to each field, of these and of others side by side.

        Fields that are one object stay one.
        """
        every, done = (self, *others), dict[tuple[int, ...], Any]()

        def once(*values: Any) -> Any:
            key = tuple(map(id, values))
            if key not in done:
                done[key] = function(*values)
            return done[key]

        memory = zip(*([getattr(costs.memory, name) for name in _MEMORY] for costs in every), strict=True)
        return CellCosts(
            tuple(map(once, *(costs.sums for costs in every))),
            CellMemory(*starmap(once, memory)),
            tuple(map(once, *(costs.output for costs in every))),
            tuple(map(once, *(costs.latency_s for costs in every))),
            once(*(costs.kernels for costs in every)),
        )

    @classmethod
    def joined(cls, parts: Sequence[CellCosts], wheres: Sequence[Ints], count: int) -> CellCosts:
        """The costs of `count` cells, given in parts; `wheres` tells which cells each part is of."""

        def join(*values: Any) -> Any:
            if not any(isinstance(value, np.ndarray) for value in values) and len(set(values)) == 1:
                return values[0]
            found = np.empty(count, dtype=np.result_type(*values))
            for where, value in zip(wheres, values, strict=True):
                found[where] = value
            return found

        return parts[0].mapped(join, *parts[1:])


def evaluate(template: Template, columns: Columns, devices: Sequence[CalibratedDevice]) -> CellCosts:
    """Costs of cells that a template covers.

    Args:
        template: of their kind.
        columns: their integers, among them those of the program's symbols by name.
        devices: where they run.

    Raises:
        OracleError: a cell whose numbers exceed 62 bits.
    """
    requested = _Request(template, columns)
    _check_size(template, requested)
    outputs: list[Any] = [None] * len(template.outputs)
    latency: list[Any] = [0.0] * len(devices)
    weighted = any(device.efficiency.weights or device.efficiency.cache for device in devices)
    tiled = any(device.efficiency.tiled for device in devices)
    parts = products_in(template).parts if tiled else template.parts
    for part in parts(requested.pattern, weighted):
        found = requested.distinct(part, len(devices))
        answers = part.run(*requested.arguments(found))
        for output, share in zip(part.outputs, answers, strict=False):  # what follows are the kernels
            value, before = _spread(share, found), outputs[output]
            outputs[output] = value if before is None else _JOIN[template.joins[output]](before, value)
        if part.kernels:
            numbers, dims = _stacked(answers[len(part.outputs) :], len(part.kernels), len(part.products))
            products = _products(template, part, dims) if part.products else None
            for index, device in enumerate(devices):
                seconds = total_seconds(template.part_roofs(device, part.kernels), *numbers, products=products)
                latency[index] = latency[index] + _spread(seconds, found)
    of = {step: requested.symbol(symbol) for step, symbol in template.handed_on.items()}
    of |= zip(template.outputs, outputs, strict=True)
    sizes = {name: of[getattr(template.memory, name)] for name in template.sizes}
    return CellCosts(
        tuple(of[step] for step in template.sums),
        replace(template.no_memory, **sizes),
        tuple(of[step] for step in template.output),
        tuple(latency),
        len(template.kernels),
    )


def covered(template: Template, columns: Columns) -> NDArray[np.bool_] | bool:
    """In which rows a template's guards hold; a plain bool holds for all."""
    requested = _Request(template, columns)
    inside: Any = True
    for check in template.checks(requested.pattern):
        found = requested.distinct(check, 0)
        holds = check.run(*requested.arguments(found))
        if not (holds.all() if isinstance(holds, np.ndarray) else holds):
            inside = inside & _spread(holds, found)
    return inside if isinstance(inside, np.ndarray) else bool(inside)


class _Request:
    """Columns in the order of a program's symbols, and who among them is alike."""

    def __init__(self, template: Template, columns: Columns) -> None:
        place = {name: number for number, name in enumerate(columns.names)}
        self._columns = columns
        self._places = [place[name] for name in template.program.symbols]
        twins = [columns.twins[number] for number in self._places]
        few = len(columns) < _FEW
        self.pattern = tuple(None if twin == CONSTANT else 0 if few else twin for twin in twins)
        self._whole = few
        self.spans = [columns.spans[number] for number in self._places]

    def symbol(self, index: int) -> Any:
        """The values of a symbol; what all rows share is a plain int, so that it is computed once and not per row."""
        low, high = self.spans[index]
        return low if low == high else self._columns.values[self._places[index]]

    def distinct(self, part: Part, devices: int) -> Distinct | None:
        """The distinct rows that a part needs to be evaluated for; None for all rows."""
        if self._whole or not part.columns or part.steps + 4 * devices * len(part.kernels) < _WORTH:
            return None
        return self._columns.distinct(part.columns)

    def arguments(self, found: Distinct | None) -> list[Any]:
        """The values of all symbols, in the distinct rows that were found."""
        values = [self.symbol(index) for index in range(len(self._places))]
        if found is None:
            return values
        return [value.take(found.first) if isinstance(value, np.ndarray) else value for value in values]


def _check_size(template: Template, requested: _Request) -> None:
    # Rounded to powers of two, so that the bound of one chunk serves the next.
    highs = tuple(1 << high.bit_length() for _, high in requested.spans)
    lows = tuple(1 << (low.bit_length() - 1) for low, _ in requested.spans)
    if template.largest(highs, lows) >= LIMIT:
        raise OracleError(f"cell={template.key.kind}: its FLOPs or bytes exceed 62 bits; the cells are too large")


def _stacked(numbers: Sequence[Any], kernels: int, products: int) -> tuple[Sequence[Ints], Ints]:
    """Matrix FLOPs, vector FLOPs, bytes, perhaps those of weights, each (kernels,) or (kernels, rows).

    Then the integers of the products, (5, products) or (5, products, rows).
    """
    rows = next((number.shape for number in numbers if isinstance(number, np.ndarray)), ())
    found = np.empty((len(numbers), *rows), dtype=np.int64)
    for row, number in enumerate(numbers):
        found[row] = number
    stop = len(numbers) - 5 * products
    return tuple(found[:stop].reshape(-1, kernels, *rows)), found[stop:].reshape(products, 5, *rows).swapaxes(0, 1)


def _products(template: Template, part: Part, dims: Ints) -> Products:
    found = products_in(template)
    kinds = dict(zip(found.kernels, found.kinds, strict=True))
    return Products(
        np.array(part.products),
        np.array([kinds[part.kernels[place]] for place in part.products]),
        dims.astype(np.float64),
    )


def _spread(value: Any, found: Distinct | None) -> Any:
    return value.take(found.inverse) if found is not None and isinstance(value, np.ndarray) else value
