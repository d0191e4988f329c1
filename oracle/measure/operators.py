"""One network operator by operator: measured under torch.profiler, beside what the roofs allow."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from torch.profiler import ProfilerActivity, profile

from oracle.counting import KernelCount
from oracle.counting.chain import count_net
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.imports.kineto import read_trace
from oracle.imports.matching import Matching, match_operators
from oracle.imports.replay import OperatorCall
from oracle.measure.latency import resolve
from oracle.measure.steps import check_memory, check_workload, matmul_precision, step_of
from oracle.measure.stopwatch import Place
from oracle.roofline import KernelKinds, time_kernels
from oracle.spec import Workload

__all__ = ["NetworkProfile", "OperatorTime", "measure_operators"]


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """An operator (with the casts it needs) as measured and as the roofs allow.

    Attributes:
        name, op_class, module, phase: of its main kernel, as predicted.
        flops, traffic_bytes: counted, per call.
        time_s: measured, median over the repeats.
        roof_s: at the roofs of the device; None without one.
    """

    name: str
    op_class: str
    module: str
    phase: str
    flops: int
    traffic_bytes: int
    time_s: float
    roof_s: float | None

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s; 0 where nothing is computed."""
        return self.flops / self.time_s if self.time_s else 0.0

    @property
    def achieved_bytes_per_s(self) -> float:
        """Byte/s of the least traffic."""
        return self.traffic_bytes / self.time_s if self.time_s else 0.0

    @property
    def roof_share(self) -> float | None:
        """What share of its roof it reaches."""
        return self.roof_s / self.time_s if self.roof_s is not None and self.time_s else None


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """A network's operators.

    Attributes:
        network, workload: what ran.
        operators: those that were matched, in order of execution.
        total_s: measured sum over all operators, matched or not.
        other_s: the part of it that no prediction claims: views, and operators in another guise.
        left: predicted kernels that nobody was seen to run.
    """

    network: str
    workload: Workload
    operators: tuple[OperatorTime, ...]
    total_s: float
    other_s: float
    left: tuple[KernelCount, ...]

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s of the matched operators over the time of all."""
        return sum(item.flops for item in self.operators) / self.total_s

    @property
    def achieved_bytes_per_s(self) -> float:
        """Byte/s of the matched operators over the time of all."""
        return sum(item.traffic_bytes for item in self.operators) / self.total_s

    @property
    def roof_share(self) -> float | None:
        """What share of its roofs the network reaches: the time they allow over the time measured."""
        roofs = [item.roof_s for item in self.operators]
        return None if None in roofs else sum(item for item in roofs if item is not None) / self.total_s

    def by_class(self) -> dict[str, tuple[float, float, float, float | None]]:
        """Class -> (seconds, FLOP/s, byte/s, share of the roof), the slowest first."""
        groups: dict[str, list[OperatorTime]] = defaultdict(list)
        for item in self.operators:
            groups[item.op_class].append(item)
        found: dict[str, tuple[float, float, float, float | None]] = {}
        for op_class, items in groups.items():
            seconds = sum(item.time_s for item in items)
            roofs = [item.roof_s for item in items if item.roof_s is not None]
            share = sum(roofs) / seconds if len(roofs) == len(items) else None
            flops, traffic = sum(item.flops for item in items), sum(item.traffic_bytes for item in items)
            found[op_class] = seconds, flops / seconds, traffic / seconds, share
        return dict(sorted(found.items(), key=lambda pair: -pair[1][0]))


def measure_operators(
    network: Any,
    *,
    device: str = "cpu",
    roofs: Device | None = None,
    repeats: int = 5,
    threads: int | None = None,
    **workload: Any,
) -> NetworkProfile:
    """Profile one network in eager mode; the profiler's own cost (microseconds per operator) is in the times.

    Args:
        network: as in `oracle.measure.measure`.
        device: cpu, cuda, cuda:N or mps.
        roofs: of what it runs on, such as `probe()` returns; without it there is no share of the roof.
        repeats: profiled calls.
        threads: CPU threads.
        workload: fields of `oracle.Workload`.

    Raises:
        OracleError: as `measure`; a runtime other than eager, whose operators are no longer the network's
            own.
    """
    place = Place.of(device, threads)
    net, job = resolve(network, **workload)
    if job.runtime != "eager":
        raise WorkloadError(f"runtime={job.runtime!r}: operators can be told apart in eager only")
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise WorkloadError(f"repeats={repeats!r}: expected an integer of at least 1")
    check_workload(job, device)
    check_memory([(net, job)], device)
    with place.threaded(), matmul_precision(job):
        step = step_of(net, job, place.device)
        runs = [_profiled(step, place) for _ in range(repeats + 1)][1:]
    calls = _typical(runs)
    matching = match_operators(calls, count_net(net, job).kernels, job)
    total = sum(call.seconds for call in calls)
    operators = _timed(matching, roofs)
    claimed = sum(item.time_s for item in operators)
    return NetworkProfile(net.name, job, operators, total, total - claimed, matching.left)


def _profiled(step: Callable[[], Any], place: Place) -> tuple[OperatorCall, ...]:
    activities = [ProfilerActivity.CPU]
    if place.device.startswith("cuda"):
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, record_shapes=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return read_trace(path).operators


def _typical(runs: list[tuple[OperatorCall, ...]]) -> list[OperatorCall]:
    """The calls of one run with the median of the times over all that made the same calls."""
    first = [call.signature() for call in runs[0]]
    alike = [run for run in runs if [call.signature() for call in run] == first]
    return [call._replace(seconds=median(run[index].seconds for run in alike)) for index, call in enumerate(runs[0])]


def _timed(matching: Matching, device: Device | None) -> tuple[OperatorTime, ...]:
    kernels = [kernel for match in matching.matches for kernel in match.kernels]
    bounds = iter(_roof_seconds(kernels, device))
    found = []
    for match in matching.matches:
        main = max(match.kernels, key=lambda kernel: kernel.macs)
        times = [next(bounds) for _ in match.kernels]
        found.append(
            OperatorTime(
                main.name,
                main.op_class,
                main.module,
                main.phase,
                sum(kernel.matrix_flops + kernel.vector_flops for kernel in match.kernels),
                sum(kernel.read_bytes + kernel.write_bytes for kernel in match.kernels),
                match.seconds,
                None if device is None else sum(times),
            )
        )
    return tuple(found)


def _roof_seconds(kernels: list[KernelCount], device: Device | None) -> list[float]:
    if device is None:
        return [0.0] * len(kernels)
    kinds = KernelKinds(
        tuple(kernel.op_class for kernel in kernels),
        tuple(kernel.matrix_dtype for kernel in kernels),
        tuple(kernel.vector_dtype for kernel in kernels),
    )
    columns = (
        np.array([kernel.matrix_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.vector_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.read_bytes + kernel.write_bytes for kernel in kernels], dtype=np.float64),
    )
    return [float(value) for value in time_kernels(kinds, *columns, device).total_s]
