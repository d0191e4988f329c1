"""Costs of many structural cells as arrays: what each structure runs, priced kernel by kernel at each size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.columns import Columns
from oracle.closedform.evaluate import LIMIT, CellCosts, evaluate
from oracle.closedform.inputs import CellInputs, is_static, key_of, statics_of
from oracle.closedform.structural.desk import Cell, Desk, desk_of
from oracle.closedform.structural.memory import Curves
from oracle.closedform.structural.signs import Signs
from oracle.closedform.structural.sizes import value_at
from oracle.closedform.structural.stock import StockKey, Values
from oracle.closedform.template import SUMS, Format
from oracle.counting import KernelCount
from oracle.counting.fusion.engines import rules_of
from oracle.errors import OracleError
from oracle.families.graphs import Structure, structure_of
from oracle.products import Products
from oracle.roofline import KernelKinds, time_kernels
from oracle.spec import Workload

Ints = NDArray[np.int64]

_PIECEWISE = ("params", "activations", "pycls_macs", "pycls_activations")
_HOLDS = {"eq": int.__eq__, "ne": int.__ne__, "lt": int.__lt__, "le": int.__le__}


class Answer(NamedTuple):
    """Some of the cells that were requested: which (ascending), their costs, and what leaves them."""

    where: Ints
    costs: CellCosts
    output: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]


def cost_structures(
    inputs: CellInputs, count: int, workload: Workload, devices: Sequence[CalibratedDevice]
) -> Iterator[Answer] | None:
    """Cost `count` cells of a kind whose parameter spells out a graph; every cell is in exactly one answer.

    Args:
        inputs: the parameter is one string, or an object array with one per cell.
        count: how many cells.
        workload, devices: as everywhere.

    Returns:
        None where cells of this kind spell out no graph.

    Raises:
        OracleError: a cell that cannot be traced where no parts ship for it, or numbers beyond 62 bits.
    """
    structure = structure_of(inputs.kind)
    return None if structure is None else _answers(structure, inputs, count, workload, devices)


def _answers(
    structure: Structure, inputs: CellInputs, count: int, workload: Workload, devices: Sequence[CalibratedDevice]
) -> Iterator[Answer]:
    params = dict(inputs.params)
    archs, codes = _coded(params[structure.param], count)
    integers = {name: value for name, value in inputs.params if name != structure.param and not is_static(name, value)}
    integers |= {f"d{axis}": dim for axis, dim in enumerate(inputs.dims)}
    for values, rows in _equal(integers, count):
        left = rows
        batch = None if inputs.first and workload.training else _batch(inputs, archs, values, workload)
        if batch is not None and batch.holds(values):
            for ends in batch.ends:
                inside = np.flatnonzero(batch.number[codes[rows]] == batch.ends.index(ends))
                if len(inside):
                    costs = batch.costs(values, devices).taken(batch.place[codes[rows[inside]]])
                    yield Answer(rows[inside], costs, *ends, batch.unknown(values))
            left = rows[batch.number[codes[rows]] < 0]
        yield from _one_by_one(structure, inputs, archs, codes, left, values, workload, devices)


def _coded(column: Any, count: int) -> tuple[tuple[str, ...], Ints]:
    """The distinct strings of a column, and which of them each row has."""
    if isinstance(column, str):
        return (column,), np.zeros(count, dtype=np.int64)
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in column.tolist()]
    return tuple(numbers), np.array(codes, dtype=np.int64)


def _equal(columns: Mapping[str, Any], count: int) -> Iterator[tuple[Values, Ints]]:
    """The rows that agree in all columns, and what they agree on."""
    varying = {name: value for name, value in columns.items() if isinstance(value, np.ndarray)}
    if not varying:
        yield tuple((name, int(value)) for name, value in columns.items()), np.arange(count)
        return
    found, inverse = np.unique(np.stack(list(varying.values()), axis=1), axis=0, return_inverse=True)
    order = np.argsort(inverse.reshape(-1), kind="stable")
    ends = np.searchsorted(inverse.reshape(-1)[order], np.arange(1, len(found)))
    for row, rows in zip(found.tolist(), np.split(order, ends), strict=True):
        here = dict(zip(varying, row, strict=True))
        yield tuple((name, int(here.get(name, value))) for name, value in columns.items()), rows


def _batch(inputs: CellInputs, archs: tuple[str, ...], values: Values, workload: Workload) -> _Batch | None:
    block = rules_of(workload.engine, workload.is_quantised).block
    if block and dict(values)["d1"] % block:  # some operators need images laid out anew, which depends on their sizes
        return None
    pinned = tuple((name, value) for name, value in values if value < 2)
    key = StockKey(inputs.kind, workload.with_(batch_size=1), pinned, inputs.input, inputs.gradient)
    desk = desk_of(key)
    return _batch_of(desk, archs) if desk.stock.parts else None


@lru_cache(maxsize=2)  # a chunk of candidates takes 1 to 4 kB for each distinct one
def _batch_of(desk: Desk, archs: tuple[str, ...]) -> _Batch | None:
    found, signs = desk.cells(archs)
    return None if all(cell is None for cell in found) else _Batch(desk, found, signs)


class _Batch:
    """Some architectures under one workload, for all sizes.

    Attributes:
        ends: formats of what leaves cells at both ends, as many as there are.
        number: of each architecture, which of them; -1 where it is to be traced.
        place: of each architecture, its position among those that are not.
    """

    def __init__(self, desk: Desk, archs: Sequence[Cell | None], signs: Signs) -> None:
        cells = [cell for cell in archs if cell is not None]
        self._desk, self._stock, self._signs = desk, desk.stock, signs
        self.ends = list(dict.fromkeys(cell.ends for cell in cells))
        self.number = np.array([-1 if cell is None else self.ends.index(cell.ends) for cell in archs])
        self.place = np.cumsum(self.number >= 0) - 1
        self._runs, self._kernels = _Ragged.of([cell.signs for cell in cells])
        self._edges, self._pieces = _Ragged.of([cell.edges for cell in cells])
        self._curves = Curves([(cell.spans, cell.sizes) for cell in cells])
        self._counted = lru_cache(maxsize=8)(self._numbers)

    def holds(self, values: Values) -> bool:
        """Whether what the parts were traced for includes a size."""
        known = dict(values)
        guards = dict.fromkeys(guard for number in self._pieces for guard in self._stock.part(number).guards)
        return all(_HOLDS[name](value_at(a, known), value_at(b, known)) for name, a, b in guards)

    def unknown(self, values: Values) -> tuple[str, ...]:
        """Operators of these cells without a formula."""
        return tuple(sorted({name for number in self._pieces for name in self._stock.alone(number, values).unknown}))

    def costs(self, values: Values, devices: Sequence[CalibratedDevice]) -> CellCosts:
        """The costs of all of its cells at a size.

        Raises:
            OracleError: numbers beyond 62 bits.
            DeviceError: a device states no peak for a dtype that a kernel computes in.
        """
        try:
            counts, numbers, products = self._counted(values)
            piecewise = self._piecewise(values)
            sizes = self._desk.bytes_of(values)
        except OverflowError:
            raise self._too_large() from None
        if max(self._runs.most(column) for column in numbers.values()) >= LIMIT:
            raise self._too_large()
        sums = {name: self._runs.sums(numbers[name]) for name in ("macs", "flops", "masked_flops", "traffic_bytes")}
        sums |= {name: self._edges.sums(column) for name, column in piecewise.items()}
        for name in ("macs", "activations"):  # in most cells pycls counts what we count: then one array serves both
            if np.array_equal(sums[name], sums[f"pycls_{name}"]):
                sums[f"pycls_{name}"] = sums[name]
        classes = self._signs.classes(self._kernels)
        seconds = (_seconds(counts, numbers, products, device, classes) for device in devices)
        latency_s = tuple(map(self._runs.floats, seconds))
        memory = self._curves.memory(sizes)
        known = dict(values)
        output = tuple(value_at(size, known) for size in self._stock.part(self._pieces[0]).output)
        return CellCosts(tuple(sums[name] for name in SUMS), memory, output, latency_s, self._runs.lengths)

    def _numbers(self, values: Values) -> tuple[list[KernelCount], dict[str, Ints], Products]:
        found = self._signs.counts(self._kernels, values)
        counts, products = [one for one, _ in found], Products.of(product for _, product in found)
        columns = {
            "macs": [one.macs for one in counts],
            "matrix_flops": [one.matrix_flops for one in counts],
            "vector_flops": [one.vector_flops for one in counts],
            "flops": [one.matrix_flops + one.vector_flops + one.masked_flops for one in counts],
            "masked_flops": [one.masked_flops for one in counts],
            "traffic_bytes": [one.read_bytes + one.write_bytes for one in counts],
            "weight_bytes": [one.weight_bytes for one in counts],
        }
        return counts, {name: np.array(column, dtype=np.int64) for name, column in columns.items()}, products

    def _piecewise(self, values: Values) -> dict[str, Ints]:
        """What adds up over edges, by piece."""
        alone = [self._stock.alone(number, values) for number in self._pieces]
        pycls = [self._stock.part(number).pycls for number in self._pieces]
        known = dict(values)
        columns = {
            "params": [one.params for one in alone],
            "activations": [one.activations for one in alone],
            "pycls_macs": [value_at(macs, known) for macs, _ in pycls],
            "pycls_activations": [value_at(activations, known) for _, activations in pycls],
        }
        return {name: np.array(columns[name], dtype=np.int64) for name in _PIECEWISE}

    def _too_large(self) -> OracleError:
        kind = self._stock.key.kind
        return OracleError(f"cell={kind}: its FLOPs or bytes exceed 62 bits; the cells are too large")


class _Ragged:
    """For each of many cells, the places of its kernels (or edges) in columns of distinct ones."""

    def __init__(self, places: Ints, ends: Ints) -> None:
        self._places = places
        self._ends = ends

    @classmethod
    def of(cls, rows: Sequence[tuple[int, ...]]) -> tuple[_Ragged, list[int]]:
        """That of some rows of numbers, and the distinct numbers."""
        ends = np.cumsum([0, *map(len, rows)])
        flat = np.fromiter((number for row in rows for number in row), dtype=np.int64, count=int(ends[-1]))
        distinct, places = np.unique(flat, return_inverse=True)
        return cls(places.reshape(-1), ends), distinct.tolist()

    def sums(self, column: Ints) -> Ints:
        """The sum of a column's entries for each cell."""
        return np.diff(np.concatenate([[0], np.cumsum(column[self._places])])[self._ends])

    def floats(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same of floating-point numbers, each cell's added up on its own."""
        if not len(self._places):
            return np.zeros(len(self._ends) - 1)
        starts = np.minimum(self._ends[:-1], len(self._places) - 1)
        found: NDArray[np.float64] = np.add.reduceat(column[self._places], starts)
        found[self._ends[:-1] == self._ends[1:]] = 0.0
        return found

    @property
    def lengths(self) -> Ints:
        """How many each cell has."""
        return np.diff(self._ends)

    def most(self, column: Ints) -> float:
        """A bound of the sums."""
        longest = int(np.diff(self._ends).max(initial=0))
        return longest * float(column.max(initial=0))


def _seconds(
    counts: Sequence[KernelCount],
    numbers: Mapping[str, Ints],
    products: Products,
    place: CalibratedDevice,
    classes: tuple[str, ...],
) -> NDArray[np.float64]:
    """Seconds per kernel at a place, launches included."""
    kinds = KernelKinds(classes, tuple(one.matrix_dtype for one in counts), tuple(one.vector_dtype for one in counts))
    timing = time_kernels(
        kinds,
        numbers["matrix_flops"],
        numbers["vector_flops"],
        numbers["traffic_bytes"],
        place.device,
        place.efficiency,
        numbers["weight_bytes"],
        products=products,
    )
    return timing.total_s


def _one_by_one(
    structure: Structure,
    inputs: CellInputs,
    archs: Sequence[str],
    codes: Ints,
    rows: Ints,
    values: Values,
    workload: Workload,
    devices: Sequence[CalibratedDevice],
) -> Iterator[Answer]:
    """Cells that no parts ship for, each distinct one traced."""
    for code in np.unique(codes[rows]).tolist() if len(rows) else ():
        from oracle.closedform.symbolic import concrete_template  # needs torch

        known: dict[str, Any] = {**dict(inputs.params), **dict(values), structure.param: archs[code]}
        params = tuple((name, known[name]) for name, _ in inputs.params)
        names = tuple([name for name, _ in params])
        static = statics_of(structure.kind, names, [pair for pair in params if is_static(*pair)])
        key = key_of(inputs, static, values, workload)
        template = concrete_template(key, params, [known[f"d{axis}"] for axis in range(len(inputs.dims))], workload)
        symbols, numbers = zip(*values, strict=True)
        costs = evaluate(template, Columns(symbols, numbers, 1), devices)
        same = rows[codes[rows] == code]
        costs = costs.taken(np.zeros(len(same), dtype=np.int64))
        yield Answer(same, costs, template.output_format, template.input_gradient, template.unknown)
