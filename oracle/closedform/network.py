"""One network: its cells looked up among the templates, evaluated with plain ints, and added up.

The same templates as for a population, without arrays over candidates: a function of ints per cell, then one array
over all kernels of the network. What is requested only by who looks at kernels (names, shapes, places) is made then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from operator import attrgetter, mul
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.desk import Cell, Desk, answers_of, desk_of
from oracle.closedform.evaluate import LIMIT
from oracle.closedform.inputs import check_image
from oracle.closedform.library import role_of
from oracle.closedform.mixed import CONVERSION, check_mixed, conversion, dtype_of, dtypes_note, stored_dtype
from oracle.closedform.products import products_in
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import ALONE, SUMS, Format, KernelMeta, Template
from oracle.closedform.totals import PopulationCosts
from oracle.errors import OracleError
from oracle.memory import PeakMemory, chain_peak, held_input_bytes
from oracle.naming import cell_dtypes, cell_names
from oracle.products import Products
from oracle.roofline import KernelKinds, Roofs, Timing, time_at
from oracle.spec import LOSS, CellSpec, NetSpec, Workload

Ints = NDArray[np.int64]
_T = TypeVar("_T")

_TEMPLATES = 4096  # of which the roofs are remembered, for one set of devices
_CHAINS = 128  # chains of templates of which the roofs are remembered, up to 100 kB each
_EXACT = 2**53  # floats hold all integers below
_SETS = 8  # sets of devices of which the roofs of templates are remembered, some kilobytes each


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
        net, workload: what was costed.
        cells: in order of the forward pass, those once that stand in a row and cost the same.
        times: how often each of them runs.
    """

    def __init__(self, net: NetSpec, workload: Workload, cells: Sequence[Cell], times: Sequence[int]) -> None:
        self.net = net
        self.workload = workload
        self.cells = tuple(cells)
        self.times = tuple(times)
        self._templates = tuple([cell.template for cell in cells])
        lengths = [len(template.kernels) for template in self._templates]
        self.counts: NDArray[np.float64] = np.array(times, dtype=np.float64).repeat(lengths)
        """(kernels,) how often each of them runs."""
        self.kernel_count = sum(map(mul, lengths, times))
        """How many kernels run."""
        numbers = b"".join([cell.answer[-1] for cell in self.cells])
        self.numbers: Ints = np.frombuffer(numbers, dtype=np.int64).reshape(-1, 4).T
        """(4, kernels) matrix FLOPs, vector FLOPs, bytes moved, bytes of weights: what each kernel of `cells` runs."""
        # What `ALONE` names, then the bytes of weights and those alive in the forward pass, each for all cells.
        self._heads = list(zip(*[answer[: len(ALONE) + 2] for _, _, answer, _ in self.cells], strict=True))
        self.sums = self._sums()
        """What `SUMS` names."""

    def _sums(self) -> dict[str, int]:
        totals = self._floats().dot(self.counts).tolist()
        largest = max(totals[0] + totals[1], totals[2])
        if largest >= LIMIT:
            raise OracleError("a network's FLOPs or bytes exceed 62 bits: it or the batch is too large")
        if largest >= _EXACT:
            totals = (self.numbers @ self.counts.astype(np.int64)).tolist()
        found = {name: sum(map(mul, own, self.times)) for name, own in zip(ALONE, self._heads, strict=False)}
        found["traffic_bytes"] = int(totals[2])
        found["flops"] = int(totals[0]) + int(totals[1]) + found["masked_flops"]
        return found

    def _floats(self) -> NDArray[np.float64]:
        return self.numbers.astype(np.float64, order="C")  # in less time than it would take to keep them

    @cached_property
    def products(self) -> Products:
        """The products of the kernels, in the order of `numbers`."""
        return _products_of(self.cells)

    @property
    def every_product(self) -> Products:
        """The products of `every_kernel`."""
        return _products_of(self._repeated(self.cells))

    def timed(self, places: tuple[CalibratedDevice, ...]) -> Timing:
        """Seconds of each of the kernels, a row per device.

        Raises:
            DeviceError: as `roofs`.
        """
        flash_bytes = self.flash_bytes
        roofs = self.roofs(tuple([place.holding(flash_bytes) for place in places]))
        return time_at(roofs, self._floats(), self.products if roofs.tiled else None)

    def roofs(self, places: tuple[CalibratedDevice, ...]) -> Roofs:
        """What each of the kernels can reach, a row per device.

        Raises:
            DeviceError: a device states no peak for a dtype that a kernel computes in.
        """
        return _joined_roofs(places, self._templates, mixed=bool(self.net.dtypes))

    @property
    def main_dtype(self) -> str:
        """The type of most multiply-adds, "" where there are none; see `main_dtype`."""
        dtypes = [dtype for template in self._templates for dtype in template.kinds.matrix_dtypes]
        return main_dtype(dtypes, self.numbers[0] * self.counts)

    def every_kernel(self) -> tuple[KernelKinds, Ints]:
        """Kinds of all kernels and (4, kernels) their numbers as `numbers`, each as often as it runs."""
        kinds = [template.kinds for template in self._repeated(self._templates)]
        words = (
            tuple(word for kind in kinds for word in getattr(kind, name))
            for name in ("op_classes", "matrix_dtypes", "vector_dtypes")
        )
        stops = np.cumsum([len(template.kernels) for template in self._templates])
        parts = np.split(self.numbers, stops[:-1], axis=1)
        return KernelKinds(*words), np.concatenate(list(self._repeated(parts)), axis=1)

    def _repeated(self, items: Iterable[_T]) -> Iterator[_T]:
        """Something of each cell, as often as it runs."""
        return (item for item, times in zip(items, self.times, strict=True) for _ in range(times))

    @property
    def peak_memory_bytes(self) -> int:
        """The most bytes that are alive at once."""
        if self.workload.training:
            return int(self.memory.peak_bytes)
        # Nothing but the tensor between two cells is kept from one to the next, and that one is in both.
        first, *others = self._heads[len(ALONE) + 1]
        later = others if self.times[0] == 1 else [first, *others]
        held_bytes = held_input_bytes(self.net.input_shape, self.workload)
        return self.flash_bytes + int(max([first, *(peak + held_bytes for peak in later)]))

    @property
    def flash_bytes(self) -> int:
        """What never changes: the weights in inference, nothing in training."""
        return 0 if self.workload.training else sum(map(mul, self._heads[len(ALONE)], self.times))

    @cached_property
    def memory(self) -> PeakMemory:
        """Peak memory and what it is made of."""
        cells = list(self._repeated([cell.memory for cell in self.cells]))
        peak: PeakMemory = chain_peak(cells, held_bytes=held_input_bytes(self.net.input_shape, self.workload))
        return peak

    @property
    def unknown(self) -> tuple[str, ...]:
        """Operators without a formula, sorted."""
        found = {name for template in self._templates if template.unknown for name in template.unknown}
        return tuple(sorted(found))

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people: what of the network is left out, and which stages compute in another type."""
        return (*self.net.notes, *([dtypes_note(self.net, self.workload)] if self.net.dtypes else []))

    @property
    def coverage(self) -> tuple[int, int, int]:
        """How many operators are counted, known to compute nothing, and unknown."""
        counted = nothing = unknown = 0
        for template, times in zip(self._templates, self.times, strict=True):
            a, b, c = template.coverage
            counted, nothing, unknown = counted + times * a, nothing + times * b, unknown + times * c
        return counted, nothing, unknown

    def described(self) -> list[Described]:
        """The kernels of all cells, each once, in the order of `numbers`."""
        return self._described

    @cached_property
    def _described(self) -> list[Described]:
        return [Described(*kernel) for cell in self.cells for kernel in cell.template.described(cell.values)]

    def launches(self) -> list[Launch]:
        """Every kernel in order of execution: forward from the first cell to the last, backward the other way round."""
        names = [*cell_names(self.net, role_of), *(["loss"] if self.workload.training else [])]
        phases: tuple[list[list[Launch]], ...] = ([], [], [])
        first = start = 0
        for template, times in zip(self._templates, self.times, strict=True):
            modules, by_phase = [kernel.module for kernel in template.kernels], template.by_phase
            between = template.key.kind == CONVERSION  # a conversion goes by the name of the cell that follows
            for index in range(first, first + times):
                name = names[index]
                paths = [name if module == "loss" else f"{name}.{module}" if module else name for module in modules]
                for phase, own in zip(phases, by_phase, strict=True):
                    phase.append([(start + at, index, paths[at]) for at in own])
            first += 0 if between else times
            start += len(template.kernels)
        phases[1].reverse()
        return [launch for phase in phases for kernels in phase for launch in kernels]


def _products_of(cells: Iterable[Cell]) -> Products:
    """The products of the kernels of cells, in order."""
    kernels: list[int] = []
    kinds: list[int] = []
    dims: list[int] = []
    start = 0
    for template, values, _, _ in cells:
        found = products_in(template)
        kernels += [start + number for number in found.kernels]
        kinds += found.kinds
        dims += found.alone(*values)
        start += len(template.kernels)
    flat = np.fromiter(dims, np.float64, len(dims))
    return Products(np.array(kernels, dtype=np.intp), np.array(kinds, dtype=np.intp), flat.reshape(-1, 5).T)


def network_form(store: TemplateStore, net: NetSpec, workload: Workload) -> NetworkForm:
    """Cost one network.

    Raises:
        OracleError: no cells, a cell that cannot be traced, or numbers beyond 62 bits.
    """
    if not net.cells:
        raise OracleError(f"network {net.name!r}: expected at least one cell")
    if net.dtypes:
        return _mixed_form(store, net, workload)
    cells, times = _chain(store, net, workload)
    return NetworkForm(net, workload, cells, times)


def _chain(store: TemplateStore, net: NetSpec, workload: Workload) -> tuple[list[Cell], list[int]]:
    """The cells of a network that computes in one type, and how often each runs in a row."""
    desk, training = desk_of(store, workload), workload.training
    dims: tuple[int, ...] = (workload.batch_size, *map(int, net.input_shape))
    form = Format.image(workload.input_dtype(len(dims)), len(dims), workload.layout)
    cells: list[Cell] = []
    times: list[int] = []
    before: CellSpec | None = None
    repeats = False  # whether the cell before was handed what it hands on, and was not the first
    ask = desk(form, None, True)
    for spec in (*net.cells, LOSS) if training else net.cells:
        if repeats and (spec is before or spec == before):  # most blocks repeat the one before
            times[-1] += 1
            continue
        cell = ask(spec, dims)
        cells.append(cell)
        times.append(1)
        template, _, answer, _ = cell
        made, output = answer[~len(template.output) : -1], template.output_format
        if training:
            check_image(workload, made)
        same = output == form
        repeats = made == dims and same and before is not None
        if not same or before is None:
            ask = desk(output, None, False)
        before, dims, form = spec, made, output
    if training:
        return _backwards(desk, cells, times)
    return cells, times


def _mixed_form(store: TemplateStore, net: NetSpec, workload: Workload) -> NetworkForm:
    """A network of cells of several types; see `oracle.closedform.mixed`."""
    check_mixed(workload, net.input_shape)
    dtypes = cell_dtypes(net, workload.dtype, role_of)
    uniform = {dtype: workload.in_dtype(dtype) for dtype in dict.fromkeys(dtypes)}
    chains = {dtype: _chain(store, net, own) for dtype, own in uniform.items()}
    every = {
        dtype: [cell for cell, count in zip(*chain, strict=True) for _ in range(count)]
        for dtype, chain in chains.items()
    }
    found: list[Cell] = []
    for place, dtype in enumerate(dtypes):
        cell = every[dtype][place]
        before = dtypes[place - 1] if place else dtype
        if before != dtype:
            left = stored_dtype(every[before][place - 1].template.output_format, uniform[before])
            right = stored_dtype(cell.visit.form, uniform[dtype])
            if left != right:
                template = conversion(left, right, cell.visit.form, uniform[dtype])
                dims = cell.visit.dims
                found.append(Cell(template, dims, answers_of(template)(*dims) or (), cell.requested))
        found.append(cell)
    grouped = [
        list(equal)
        for _, equal in groupby(
            found, key=lambda cell: (cell.template.key.workload, cell.template.key.kind, cell.requested)
        )
    ]
    return NetworkForm(net, workload, [equal[0] for equal in grouped], [len(equal) for equal in grouped])


def costs_of(forms: Sequence[NetworkForm], places: tuple[CalibratedDevice, ...]) -> PopulationCosts:
    """Networks that were costed one by one as columns.

    Raises:
        DeviceError: a device states no peak for a dtype that a kernel computes in.
    """
    fields: dict[str, Any] = {name: np.array([form.sums[name] for form in forms], dtype=np.int64) for name in SUMS}
    fields["peak_memory_bytes"] = np.array([form.peak_memory_bytes for form in forms], dtype=np.int64)
    fields["flash_bytes"] = np.array([form.flash_bytes for form in forms], dtype=np.int64)
    fields["kernels"] = np.array([form.kernel_count for form in forms], dtype=np.int64)
    seconds = [form.timed(places).total_s.dot(form.counts) for form in forms] if places else []
    latency_s = np.array(seconds).reshape(len(forms), len(places)).T
    return PopulationCosts(**fields, latency_s=latency_s, unknown=())


def _backwards(desk: Desk, cells: Sequence[Cell], times: Sequence[int]) -> tuple[list[Cell], list[int]]:
    """The cells under the gradients that come from behind: one hands back one laid out like its input, or not."""
    found: list[Cell] = []
    gradient: Format | None = None
    for cell, count in zip(reversed(cells), reversed(times), strict=True):
        for _ in range(count):
            spec, dims, form, _, first = cell.requested
            own = cell if gradient in (None, cell.template.output_format) else desk(form, gradient, first)(spec, dims)
            found.append(own)
            gradient = own.template.input_gradient
    grouped = [list(equal) for _, equal in groupby(reversed(found), key=attrgetter("requested"))]
    return [equal[0] for equal in grouped], [len(equal) for equal in grouped]


@lru_cache(maxsize=_CHAINS)
def _joined_roofs(places: tuple[CalibratedDevice, ...], templates: tuple[Template, ...], *, mixed: bool) -> Roofs:
    """The roofs of a network's kernels: one differs from the next in its integers more often than in its templates."""
    if not mixed:
        return Roofs.joined(list(map(_roofs_of(places), templates)))
    under = {
        dtype: _roofs_of(tuple([place.under(dtype) for place in places])) for dtype in set(map(dtype_of, templates))
    }
    return Roofs.joined([under[dtype_of(template)](template) for template in templates])


@lru_cache(maxsize=_SETS)
def _roofs_of(places: tuple[CalibratedDevice, ...]) -> Callable[[Template], Roofs]:
    """A function of a template: the roofs of its kernels on some devices."""
    return lru_cache(maxsize=_TEMPLATES)(lambda template: Roofs.stacked([template.roofs(place) for place in places]))


def main_dtype(dtypes: Iterable[str], matrix_flops: NDArray[Any]) -> str:
    """The type of most operations on matrix units, given that of each kernel; "" where there are none."""
    total: dict[str, float] = {}
    for dtype, own in zip(dtypes, matrix_flops.tolist(), strict=True):
        total[dtype] = total.get(dtype, 0.0) + own
    most = max(total, key=total.__getitem__, default="")
    return most if most and total[most] else ""
