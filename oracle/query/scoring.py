"""Counts -> `Cost`: what kernels compute and move, put beside what devices can reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oracle._frozen import Frozen
from oracle._lines import LOWER_BOUND
from oracle.closedform import network_form, shared_store
from oracle.closedform.mixed import CONVERSION, dtype_of
from oracle.closedform.store import tracing
from oracle.errors import UnknownOperatorError
from oracle.families.caches import cache_bytes, token_bytes
from oracle.families.stated import stated
from oracle.query.cost import Cost, DeviceTime, KernelCost, Times
from oracle.query.models import LatencyModels
from oracle.query.parts import largest_part, shown_part
from oracle.query.recounting import counted_as, seen_by
from oracle.query.trust import Trust, interval_ms
from oracle.roofline import BOUNDS, Timing, steady

if TYPE_CHECKING:
    from oracle.closedform import CalibratedDevice, Described, Launch
    from oracle.closedform.network import NetworkForm
    from oracle.memory import PeakMemory
    from oracle.spec import NetSpec, Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Form(Protocol):
    """What was counted of a network, from closed forms or from a trace."""

    @property
    def sums(self) -> dict[str, int]:
        """MACs, FLOPs, bytes, parameters, activations."""

    @property
    def numbers(self) -> Ints:
        """(4, kernels) matrix FLOPs and vector FLOPs that run, bytes moved, bytes of weights."""

    @property
    def counts(self) -> Floats:
        """(kernels,) how often each runs."""

    @property
    def kernel_count(self) -> int:
        """How many kernels run."""

    @property
    def main_dtype(self) -> str:
        """The type of most multiply-adds, "" where there are none."""

    @property
    def memory(self) -> PeakMemory:
        """Peak memory and what it is made of."""

    @property
    def peak_memory_bytes(self) -> int:
        """The most bytes that are alive at once."""

    @property
    def flash_bytes(self) -> int:
        """What never changes: the weights in inference, nothing in training."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """Operators without a formula, sorted."""

    @property
    def coverage(self) -> tuple[int, int, int]:
        """How many operators are counted, known to compute nothing, and unknown."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people on what was not followed."""

    def timed(self, places: tuple[CalibratedDevice, ...]) -> Timing:
        """Seconds of each kernel, a row per device."""

    def described(self) -> list[Described]:
        """The kernels, each once."""

    def launches(self) -> list[Launch]:
        """Every kernel in order of execution."""


def score_net(
    net: NetSpec, workload: Workload, models: LatencyModels, convention: str | None = None, strict: bool = False
) -> Cost:
    """What a network costs, from closed forms.

    Raises:
        OracleError: as `cost_of`; a cell that cannot be traced, or numbers beyond 62 bits.
    """
    whole, net = net, shown_part(net, workload, tuple(models.places.values()))
    form = network_form(shared_store(), net, workload)
    seen = seen_by(convention, workload)
    counted = form if seen == workload else network_form(shared_store(), replace(net, dtypes=()), seen)
    recounted = None if convention in (None, "oracle") else _recounted(counted, str(convention))
    cost = cost_of(form, net.name, workload, models, convention, strict, recounted)
    if net.dtypes:
        return replace(cost, dtypes=Frozen(dict(net.dtypes)))
    if len(net.input_shape) != 1:
        return cost
    largest = largest_part(whole, workload)
    if largest.cells != net.cells:
        most = network_form(shared_store(), largest, workload).peak_memory_bytes
        cost = replace(cost, notes=(*cost.notes, f"another part needs more memory: {most / 1e9:.2f} GB at its peak"))
    return replace(
        cost,
        tokens=net.input_shape[0],
        call=stated(net, workload),
        kv_cache_bytes=cache_bytes(net, workload),
        kv_bytes_per_token=token_bytes(net, workload),
    )


def cost_of(
    form: Form,
    name: str,
    workload: Workload,
    models: LatencyModels,
    convention: str | None = None,
    strict: bool = False,
    recounted: tuple[int | None, ...] | None = None,
) -> Cost:
    """The cost of what was counted, on devices.

    Args:
        form: what was counted.
        name: for people.
        workload: what it was counted for.
        models: what predicts on each device.
        convention, strict: as in `oracle.score`.
        recounted: MACs, FLOPs, parameters and activations as the convention counts them; None for our own.

    Raises:
        UnknownOperatorError: under `strict`, if any operator has no formula.
        DeviceError: a device without a peak for a dtype.
    """
    unknown = form.unknown
    if strict and unknown:
        raise UnknownOperatorError(unknown)
    sums = form.sums
    times = _Scored(form, models, workload.dtype) if models.places else None
    details = _Details(form, models, times)
    macs, flops, params, activations = recounted or (
        sums["macs"],
        sums["flops"],
        sums["params"],
        sums["activations"],
    )
    return Cost(
        name=name,
        workload=workload,
        convention=convention or "oracle",
        macs=macs,
        flops=flops,
        params=params,
        activations=activations,
        traffic_bytes=sums["traffic_bytes"],
        peak_memory_bytes=form.peak_memory_bytes,
        times=times or Frozen(),
        unknown=unknown,
        coverage=form.coverage,
        executed_flops=sums["flops"] - sums["masked_flops"],
        _details=details,
        notes=form.notes,
    )


class _Scored(Times):
    """The latencies of a score; what else there is to say of a device is worked out when somebody asks.

    The seconds of kernels are not kept: of many networks they would take more memory than all else, and longer to find
    room for than to compute again.
    """

    __slots__ = ("_bounds_ms", "_dtype", "_form", "_hosts_s", "_models", "_seconds", "calls_s")

    def __init__(self, form: Form, models: LatencyModels, dtype: str) -> None:
        self._form, self._models, self._dtype = form, models, dtype
        self._bounds_ms: Mapping[str, float] | None = None
        self._seconds: list[float] = self.timing().total_s.dot(form.counts).tolist()
        self._hosts_s: list[float] = []
        self.calls_s: list[float] = []
        """Seconds per device of the call that belong to no kernel."""
        kernels, latencies = form.kernel_count, dict[str, float]()
        for (name, place), own_s in zip(models.places.items(), self._seconds, strict=True):
            host_s = place.efficiency.dispatch_s * kernels
            # A device that is faster than its host waits for it.
            call_s = place.efficiency.call_s + max(host_s - own_s, 0.0)
            self._hosts_s.append(host_s)
            self.calls_s.append(call_s)
            latencies[name] = steady(own_s + call_s) * 1e3
        super().__init__(latencies)
        if not np.count_nonzero(form.numbers[0]):  # no kernel has requested a peak of the matrix unit
            self._ridges(dtype)

    def timing(self, *devices: str) -> Timing:
        """Seconds of each kernel, a row per device: of those named, or of all."""
        places = self._models.places
        return self._form.timed(tuple([places[name] for name in devices or places]))

    @property
    def roofline_ms(self) -> Mapping[str, float]:
        """Device name -> the textbook's lower bound, worked out once: tables ask for it device by device."""
        if self._bounds_ms is None:
            seconds = self._form.timed(self._models.bounds).total_s.dot(self._form.counts).tolist()
            named = zip(self._models.places, seconds, strict=True)
            self._bounds_ms = Frozen({name: steady(own) * 1e3 for name, own in named})
        return self._bounds_ms

    def made(self) -> dict[str, DeviceTime]:
        """The times of all devices."""
        timing, models, counts = self.timing(), self._models, self._form.counts
        # Device by device, and in each by what bounds the kernel.
        index = timing.bound + np.arange(0, len(BOUNDS) * len(models.places), len(BOUNDS))[:, None]
        weights = (timing.total_s * counts).ravel()
        by_bound = np.bincount(index.ravel(), weights, len(BOUNDS) * len(models.places)).reshape(-1, len(BOUNDS))
        ridges = self._ridges(self._form.main_dtype or self._dtype)
        needs = self._form.peak_memory_bytes, self._form.flash_bytes
        known = any(trust.intervals is not None for trust in models.trust.values())
        bounds_ms = self.roofline_ms if known else {}
        found: dict[str, DeviceTime] = {}
        columns = self._seconds, self._hosts_s, self.calls_s, by_bound.tolist(), ridges
        for (name, place), own_s, host_s, call_s, shares_s, ridge in zip(models.places.items(), *columns, strict=True):
            parts_s = [*shares_s[:-1], shares_s[-1] + call_s]  # a call's is the launch's
            total = sum(parts_s)
            shares = {bound: part / total if total else 0.0 for bound, part in zip(BOUNDS, parts_s, strict=True)}
            trust = models.trust.get(name, _BOUND)
            ends_ms = None
            if trust.intervals is not None:
                ends_ms = interval_ms(own_s, host_s, place.efficiency.call_s, trust.intervals, bounds_ms[name])
            found[name] = DeviceTime(
                device=name,
                latency_ms=self.latency_ms[name],
                bound=max(shares, key=shares.__getitem__),
                bound_share=Frozen(shares),
                ridge=ridge,
                model=trust.model,
                expected_error=trust.expected_error,
                source=trust.source,
                interval_ms=ends_ms,
                fits=place.device.holds(*needs),
                call_ms=call_s * 1e3,
                host=trust.host if host_s > own_s else "",
            )
        return found

    def _ridges(self, dtype: str) -> list[float]:
        return [place.device.ridge("matrix", dtype) for place in self._models.places.values()]


_BOUND = Trust("roofline", None, LOWER_BOUND)


def _recounted(form: NetworkForm, convention: str) -> tuple[int | None, ...]:
    """What another tool would count: from the sums that closed forms have, or else from a trace of each cell."""
    kinds = {cell.template.key.kind for cell in form.cells}
    counted = counted_as(convention, form.sums, form.workload, kinds)
    if counted is not None:
        return counted
    traced_cell = tracing().traced_cell
    from oracle.counting.conventions import recount

    total: list[int | None] = [0, 0, 0, 0]
    for cell, times in zip(form.cells, form.times, strict=True):
        if cell.template.key.kind == CONVERSION:
            continue  # no tool counts any of it
        own = form.workload.in_dtype(dtype_of(cell.template))
        part = recount(traced_cell(cell.visit, own).table, convention)
        for place, value in enumerate((part.macs, part.flops, part.params, part.activations)):
            so_far = total[place]
            total[place] = None if value is None or so_far is None else so_far + times * value
    return tuple(total)


class _Details:
    """What only those ask for who look at kernels: made then, from the form."""

    __slots__ = ("_form", "_models", "_scored")

    def __init__(self, form: Form, models: LatencyModels, scored: _Scored | None) -> None:
        self._form, self._models, self._scored = form, models, scored

    @property
    def devices(self) -> tuple[str, ...]:
        """Those that were requested."""
        return tuple(self._models.places)

    @property
    def roofline_ms(self) -> Mapping[str, float]:
        """Device name -> the textbook's lower bound."""
        return Frozen() if self._scored is None else self._scored.roofline_ms

    @property
    def memory(self) -> PeakMemory:
        """Peak memory and what it is made of."""
        return self._form.memory

    @property
    def launches(self) -> list[Launch]:
        """Every kernel where it runs, in order of execution."""
        return self._form.launches()

    def alike(self, device: str | None) -> list[tuple[KernelCost, int]]:
        """The kernels of each cell that differs from the others, with how often they run; modules are those within."""
        form = self._form
        kernels, numbers = form.described(), form.numbers.T.tolist()
        times: Iterable[_Time] = repeat(_NO_TIME, len(kernels))
        total_s = math.nan
        if device is not None and self._scored is not None:
            timing = self._scored.timing(device)
            total_s = float(timing.total_s[0].dot(form.counts)) + self._scored.calls_s[self.devices.index(device)]
            columns = timing.total_s, timing.compute_s, timing.memory_s, timing.bound
            times = zip(*(np.broadcast_to(c, timing.total_s.shape)[0].tolist() for c in columns), strict=True)
        rows = zip(kernels, numbers, times, form.counts.tolist(), strict=True)
        return [(_kernel_cost(kernel, own, time, total_s), int(count)) for kernel, own, time, count in rows]


_Time: TypeAlias = tuple[float, float, float, int]
_NO_TIME: _Time = (math.nan, math.nan, math.nan, -1)


def _kernel_cost(kernel: Described, numbers: Sequence[int], time: _Time, total_s: float) -> KernelCost:
    """A kernel of the first cell.

    Args:
        kernel: what it is.
        numbers: as a column of `NetworkForm.numbers`.
        time: its seconds, those at each roof, and an index into `BOUNDS`.
        total_s: of the whole network.
    """
    matrix, vector, traffic, weights = numbers
    time_s, compute_s, memory_s, bound = time
    flops, meta = matrix + vector, kernel.meta
    return KernelCost(
        meta.name,
        meta.op_class,
        meta.module,
        meta.phase,
        0,
        meta.matrix_dtype if matrix else meta.vector_dtype,
        kernel.macs,
        flops,
        traffic,
        weights,
        flops / traffic if traffic else 0.0,
        time_s * 1e3,
        compute_s * 1e3,
        memory_s * 1e3,
        BOUNDS[bound] if bound >= 0 else "",
        time_s / total_s if total_s else 0.0,
        kernel.shape,
    )
