"""One network: its cells looked up among the templates, evaluated with plain ints, and added up.

The same templates as for a population, without arrays over candidates: a function of ints per cell, then one array
over all kernels of the network. What is asked only by who looks at kernels (names, shapes, places) is made then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import groupby
from operator import itemgetter, mul
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.cells import templates_for, traced_alone
from oracle.closedform.evaluate import LIMIT
from oracle.closedform.inputs import CellInputs, Visit, check_image, is_static, split_params
from oracle.closedform.library import role_of
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import ALONE, SUMS, Format, KernelMeta, Template
from oracle.closedform.totals import PopulationCosts
from oracle.errors import OracleError
from oracle.memory import CellMemory, PeakMemory, chain_peak
from oracle.naming import cell_names
from oracle.roofline import KernelKinds, Roofs, time_at
from oracle.spec import LOSS, CellSpec, NetSpec, Workload

__all__ = ["Cell", "Described", "Launch", "NetworkForm", "Run", "costs_of", "main_dtype", "network_form"]

Ints = NDArray[np.int64]

_KEYS = 4096  # structures whose templates are remembered at hand
_DIMS = tuple(f"d{axis}" for axis in range(8))
_SEQUENCES = 256  # sequences of templates whose roofs are remembered, some ten kilobytes each


class Cell(NamedTuple):
    """One cell's integers.

    Attributes:
        template: that gave them.
        values: of the template's symbols.
        sums: what `ALONE` names; the other sums are those of its numbers.
        sizes: bytes of what `Template.sizes` names.
        output: dimensions of what leaves the cell.
        numbers: (4, kernels) matrix FLOPs, vector FLOPs, bytes moved, and the part of them that is weights.
    """

    template: Template
    values: tuple[int, ...]
    sums: tuple[int, ...]
    sizes: tuple[int, ...]
    output: tuple[int, ...]
    numbers: Ints

    @property
    def memory(self) -> CellMemory:
        """Its memory."""
        return replace(self.template.no_memory, **dict(zip(self.template.sizes, self.sizes, strict=True)))


class Run(NamedTuple):
    """A cell that stands several times in a row, all of them costing the same."""

    cell: Cell
    visit: Visit
    times: int


class Described(NamedTuple):
    """One kernel, wherever it runs.

    Attributes:
        meta: its words; the module path is that within its cell.
        macs: its multiply-adds.
        shape: what its main operator reads and makes, for people.
    """

    meta: KernelMeta
    macs: int
    shape: str


Launch: TypeAlias = tuple[int, int, str]
"""One kernel where it runs: which column of the network's arrays it is, the number of its cell, the path of its module
in the whole network."""


class NetworkForm:
    """What a network costs under a workload, from closed forms.

    Attributes:
        net, workload: what was asked.
        runs: its cells, in order of the forward pass.
    """

    def __init__(self, net: NetSpec, workload: Workload, runs: Sequence[Run]) -> None:
        self.net = net
        self.workload = workload
        self.runs = tuple(runs)
        self._templates = tuple([run.cell.template for run in runs])

    @cached_property
    def sums(self) -> dict[str, int]:
        """What `SUMS` names."""
        parts = [run.cell.sums if run.times == 1 else [run.times * part for part in run.cell.sums] for run in self.runs]
        found = dict(zip(ALONE, map(sum, zip(*parts, strict=True)), strict=True))
        matrix, vector, found["traffic_bytes"], _ = self._totals
        found["flops"] = matrix + vector
        return found

    @cached_property
    def _totals(self) -> list[int]:
        """The sums of `numbers` over all kernels."""
        numbers, counts = self.numbers, self.counts
        if float(numbers.max()) * float(counts.sum()) < LIMIT:
            exact: list[int] = (numbers @ counts.astype(np.int64)).tolist()
            return exact
        totals = [sum(map(mul, row, map(int, counts))) for row in numbers.tolist()]
        if max(totals[0] + totals[1], totals[2]) >= LIMIT:
            raise OracleError("a network's FLOPs or bytes exceed 62 bits: it or the batch is too large")
        return totals

    @cached_property
    def numbers(self) -> Ints:
        """(4, kernels) as `Cell.numbers`, of the kernels of all runs, each once."""
        return np.concatenate([run.cell.numbers for run in self.runs], axis=1)

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """(kernels,) how often each of them runs."""
        counts = np.array([run.times for run in self.runs], dtype=np.float64)
        return counts.repeat([len(template.kernels) for template in self._templates])

    def roofs(self, places: tuple[CalibratedDevice, ...]) -> Roofs:
        """What each of the kernels can reach, a row per device.

        Raises:
            DeviceError: a device states no peak for a dtype that a kernel computes in.
        """
        return _roofs(self._templates, places)

    @property
    def main_dtype(self) -> str:
        """The type of most multiply-adds, "" where there are none; see `main_dtype`."""
        dtypes = _matrix_dtypes(self._templates)
        if len(set(dtypes)) == 1:
            return dtypes[0] if self.sums["macs"] else ""
        return main_dtype(dtypes, self.numbers[0] * self.counts)

    def every_kernel(self) -> tuple[KernelKinds, Ints]:
        """Kinds of all kernels and (4, kernels) their numbers as `Cell.numbers`, each as often as it runs."""
        kinds = [run.cell.template.kinds for run in self.runs for _ in range(run.times)]
        words = (
            tuple(word for kind in kinds for word in getattr(kind, name))
            for name in ("op_classes", "matrix_dtypes", "vector_dtypes")
        )
        return KernelKinds(*words), np.concatenate([run.cell.numbers for run in self.runs for _ in range(run.times)], 1)

    @property
    def peak_memory_bytes(self) -> int:
        """The most bytes that are alive at once."""
        if self.workload.training:
            return int(self.memory.peak_bytes)
        # Nothing but the tensor between two cells is kept from one to the next, and that one is in both.
        sizes = [(run.cell.sizes, run.times) for run in self.runs]
        weights = sum([own[0] * count for own, count in sizes])
        return weights + max([own[1] for own, _ in sizes])

    @cached_property
    def memory(self) -> PeakMemory:
        """Peak memory and what it is made of."""
        peak: PeakMemory = chain_peak([run.cell.memory for run in self.runs for _ in range(run.times)])
        return peak

    @property
    def unknown(self) -> tuple[str, ...]:
        """Operators without a formula, sorted."""
        found = {name for template in self._templates if template.unknown for name in template.unknown}
        return tuple(sorted(found))

    @property
    def coverage(self) -> tuple[int, int, int]:
        """How many operators are counted, known to compute nothing, and unknown."""
        counted = nothing = unknown = 0
        for run in self.runs:
            a, b, c = run.cell.template.coverage
            counted, nothing, unknown = counted + run.times * a, nothing + run.times * b, unknown + run.times * c
        return counted, nothing, unknown

    def described(self) -> list[Described]:
        """The kernels of all runs, each once, in the order of `numbers`."""
        return self._described

    @cached_property
    def _described(self) -> list[Described]:
        return [Described(*kernel) for run in self.runs for kernel in run.cell.template.described(run.cell.values)]

    def launches(self) -> list[Launch]:
        """Every kernel in order of execution: forward from the first cell to the last, backward the other way round."""
        names = [*cell_names(self.net, role_of), *(["loss"] if self.workload.training else [])]
        phases: tuple[list[list[Launch]], ...] = ([], [], [])
        cell = start = 0
        for run in self.runs:
            template = run.cell.template
            modules, by_phase = [kernel.module for kernel in template.kernels], template.by_phase
            for index in range(cell, cell + run.times):
                name = names[index]
                paths = [name if module == "loss" else f"{name}.{module}" if module else name for module in modules]
                for phase, own in zip(phases, by_phase, strict=True):
                    phase.append([(start + at, index, paths[at]) for at in own])
            cell += run.times
            start += len(run.cell.template.kernels)
        phases[1].reverse()
        return [launch for phase in phases for kernels in phase for launch in kernels]


def network_form(store: TemplateStore, net: NetSpec, workload: Workload) -> NetworkForm:
    """Cost one network.

    Raises:
        OracleError: no cells, a cell that cannot be traced, or numbers beyond 62 bits.
    """
    if not net.cells:
        raise OracleError(f"network {net.name!r}: expected at least one cell")
    desk = _desk(store, workload)
    dims: tuple[int, ...] = (workload.batch_size, *map(int, net.input_shape))
    form = Format.image(workload.module_dtype, len(dims), workload.layout)
    runs: list[Run] = []
    before: CellSpec | None = None
    repeats = False  # whether the cell before was handed what it hands on, and was not the first
    for spec in (*net.cells, LOSS) if workload.training else net.cells:
        if repeats and (spec is before or spec == before):  # most blocks repeat the one before
            cell, visit, count = runs[-1]
            runs[-1] = Run(cell, visit, count + 1)
            continue
        visit = Visit(spec, dims, form, None, before is None)
        cell = desk(visit)
        runs.append(Run(cell, visit, 1))
        output = cell.template.output_format
        check_image(workload, cell.output)
        repeats = cell.output == dims and output == form and before is not None
        before, dims, form = spec, cell.output, output
    if workload.training:
        runs = _backwards(desk, runs)
    return NetworkForm(net, workload, runs)


def costs_of(forms: Sequence[NetworkForm], places: tuple[CalibratedDevice, ...]) -> PopulationCosts:
    """Networks that were costed one by one as columns.

    Raises:
        DeviceError: a device states no peak for a dtype that a kernel computes in.
    """
    fields: dict[str, Any] = {name: np.array([form.sums[name] for form in forms], dtype=np.int64) for name in SUMS}
    fields["peak_memory_bytes"] = np.array([form.peak_memory_bytes for form in forms], dtype=np.int64)
    seconds = [time_at(form.roofs(places), *form.numbers).total_s @ form.counts for form in forms] if places else []
    latency_s = np.array(seconds).reshape(len(forms), len(places)).T
    return PopulationCosts(**fields, latency_s=latency_s, unknown=())


def _backwards(desk: Callable[[Visit], Cell], runs: Sequence[Run]) -> list[Run]:
    """The runs under the gradients that come from behind: a cell hands back one laid out like its input, or not."""
    found: list[tuple[Cell, Visit]] = []
    gradient: Format | None = None
    for run in reversed(runs):
        for _ in range(run.times):
            visit, cell = run.visit, run.cell
            if gradient is not None and gradient != cell.template.output_format:
                visit = visit._replace(gradient=gradient)
                cell = desk(visit)
            found.append((cell, visit))
            gradient = cell.template.input_gradient
    grouped = [list(equal) for _, equal in groupby(reversed(found), key=itemgetter(1))]
    return [Run(*equal[0], len(equal)) for equal in grouped]


@lru_cache(maxsize=_SEQUENCES)
def _roofs(templates: tuple[Template, ...], places: tuple[CalibratedDevice, ...]) -> Roofs:
    return Roofs.table([[template.roofs(place) for template in templates] for place in places])


@lru_cache(maxsize=_SEQUENCES)
def _matrix_dtypes(templates: tuple[Template, ...]) -> tuple[str, ...]:
    return tuple([dtype for template in templates for dtype in template.kinds.matrix_dtypes])


def main_dtype(dtypes: Iterable[str], matrix_flops: NDArray[Any]) -> str:
    """The type of most operations on matrix units, given that of each kernel; "" where there are none."""
    total: dict[str, float] = {}
    for dtype, own in zip(dtypes, matrix_flops.tolist(), strict=True):
        total[dtype] = total.get(dtype, 0.0) + own
    most = max(total, key=total.__getitem__, default="")
    return most if most and total[most] else ""


class _Plan(NamedTuple):
    """How the parameters of a cell are read, whatever their values."""

    names: tuple[str, ...]
    static: Callable[[Sequence[Any]], tuple[Any, ...]]
    free: Callable[[Sequence[Any]], tuple[Any, ...]]


@lru_cache(maxsize=32)
def _desk(store: TemplateStore, workload: Workload) -> Callable[[Visit], Cell]:
    """What evaluates cells for one workload; it remembers which templates answered for which structures."""
    plans: dict[Any, _Plan] = {}
    known: dict[Any, list[tuple[Template, Callable[[Sequence[int]], tuple[int, ...]]]]] = {}

    def cell(visit: Visit) -> Cell:
        spec, dims, form, gradient, first = visit
        names, values = zip(*spec.params, strict=True) if spec.params else ((), ())
        types = tuple(map(type, values))
        plan = plans.get((spec.kind, names, types))
        if plan is None:
            plan = plans[spec.kind, names, types] = _plan(names, values)
        integers = (*plan.free(values), *dims)
        small = tuple([value if value < 2 else 2 for value in integers]) if min(integers) < 2 else ()  # noqa: FURB136
        asked = plan, plan.static(values), small, form, gradient, first
        for template, arguments in known.get(asked, ()):
            given = arguments(integers)
            found = template.alone(*given)
            if found is not None:
                return _cell(template, given, found)
        static, free = split_params(spec.kind, spec.params)
        free.update(zip(_DIMS, dims, strict=False))
        inputs = CellInputs(spec.kind, spec.params, dims, form, gradient, first)
        order = tuple(free)
        for template in templates_for(store, inputs, static, free, workload):
            arguments = _getter([order.index(name) for name in template.program.symbols])
            given = arguments(integers)
            found = template.alone(*given)
            if found is not None:
                if len(known) >= _KEYS:
                    known.clear()
                known.setdefault(asked, []).append((template, arguments))
                return _cell(template, given, found)
        template = traced_alone(inputs, static, free, workload)
        return _cell(template, (), template.alone() or ())

    return cell


def _plan(names: tuple[str, ...], values: tuple[Any, ...]) -> _Plan:
    static = [place for place, pair in enumerate(zip(names, values, strict=True)) if is_static(*pair)]
    free = _getter([place for place in range(len(names)) if place not in static])
    if all(type(values[place]) is int for place in range(len(names)) if place not in static):
        return _Plan(names, _getter(static), free)
    return _Plan(names, _getter(static), lambda items: tuple(map(int, free(items))))  # numpy's, say


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes the items at some places, as a tuple however few they are."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda items: tuple([items[place] for place in places])


def _cell(template: Template, values: tuple[int, ...], found: tuple[Any, ...]) -> Cell:
    sums = len(ALONE)
    sizes = sums + len(template.sizes)
    output = sizes + len(template.output)
    numbers = found[output:]
    try:
        array = np.fromiter(numbers, np.int64, len(numbers)).reshape(4, -1)
    except OverflowError:
        kind = template.key.kind
        raise OracleError(f"cell={kind}: its FLOPs or bytes exceed 62 bits; the cells are too large") from None
    return Cell(template, values, found[:sums], found[sums:sizes], found[sizes:output], array)
