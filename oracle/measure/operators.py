"""One network operator by operator, or kernel by kernel: measured under a profiler, torch's or an engine's."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch.profiler import ProfilerActivity, profile

from oracle.counting.networks import count_net
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.imports.engines import Layer
from oracle.imports.kernels import Imported
from oracle.imports.kineto import read_trace
from oracle.imports.profiles import NetworkProfile, OperatorTime, profile_of
from oracle.imports.replay import OperatorCall
from oracle.measure.engines import Models
from oracle.measure.engines.nodes import engine_profile
from oracle.measure.engines.onnx import exported, modules_of
from oracle.measure.latency import resolve
from oracle.measure.steps import check_memory, check_workload, engine_step_of, matmul_precision, step_of
from oracle.measure.stopwatch import Place
from oracle.roofline import Efficiency
from oracle.spec import NetSpec, Workload

__all__ = ["KernelTime", "NetworkProfile", "OperatorTime", "measure_kernels", "measure_operators"]


@dataclass(frozen=True, slots=True)
class KernelTime:
    """A kernel of a network as the profiler saw it.

    Attributes:
        name: as the profiler has it; of a CPU, which has no kernels, the operator's.
        operator: that launched it; "" if not known.
        launches: per call of the network.
        time_s: of all of them, seconds per call, median over the repeats.
        share: of the time of all kernels, 0 to 1.
    """

    name: str
    operator: str
    launches: int
    time_s: float
    share: float


def measure_operators(
    network: Any,
    *,
    device: str = "cpu",
    roofs: Device | None = None,
    repeats: int = 5,
    threads: int | None = None,
    efficiency: Efficiency | None = None,
    models: str | Path | None = None,
    **workload: Any,
) -> NetworkProfile:
    """Profile one network in eager mode or in an engine; the profiler's own cost (microseconds each) is in the times.

    Args:
        network: as in `oracle.measure.measure`.
        device: cpu, cuda, cuda:N or mps.
        roofs: of what it runs on, such as `probe()` returns; without it there is no share of the roof.
        repeats: profiled calls.
        threads: CPU threads.
        efficiency: of a calibration of `roofs`, for what is predicted of each operator.
        models: as in `measure`.
        workload: fields of `oracle.Workload`.

    Raises:
        OracleError: as `measure`; a compiled network, whose operators are no longer its own; an engine without a
            profiler.
    """
    net, job = resolve(network, **workload)
    if net.dtypes:
        raise WorkloadError(f"dtypes={dict(net.dtypes)}: operators are measured of networks of one type")
    if job.runtime == "compiled":
        raise WorkloadError("runtime='compiled': operators can be measured separately in eager and in engines only")
    _check_repeats(repeats)
    place = Place.of(device, threads)
    job = job.with_(threads=place.cores)
    if job.runtime == "engine":
        nodes, modules = _nodes(net, job, place, repeats, models)
        return engine_profile(net.name, job, nodes, modules, count_net(net, job), roofs, efficiency)
    runs = _runs(net, job, place, repeats)
    return profile_of(net.name, job, _typical([run.operators for run in runs]), count_net(net, job), roofs, efficiency)


def measure_kernels(
    network: Any, *, device: str = "cpu", repeats: int = 5, threads: int | None = None, **workload: Any
) -> tuple[KernelTime, ...]:
    """The kernels that ran in a call of one network, in eager mode or compiled, those that took longest first.

    Args:
        network, device, repeats, threads, workload: as in `measure_operators`.

    Raises:
        OracleError: as `oracle.measure.measure`.
    """
    net, job = resolve(network, **workload)
    if job.runtime == "engine":
        raise WorkloadError(f"engine={job.engine!r}: kernels are those of PyTorch; an engine's nodes are its operators")
    _check_repeats(repeats)
    runs = [_by_kernel(run) for run in _runs(net, job, Place.of(device, threads), repeats)]
    found = {
        key: median(sum(run.get(key, ())) for run in runs) for key in dict.fromkeys(key for run in runs for key in run)
    }
    total = sum(found.values())
    kernels = [
        KernelTime(
            *key, round(median(len(run.get(key, ())) for run in runs)), seconds, seconds / total if total else 0.0
        )
        for key, seconds in found.items()
    ]
    return tuple(sorted(kernels, key=lambda kernel: -kernel.time_s))


def _by_kernel(run: Imported) -> dict[tuple[str, str], list[float]]:
    """Name and operator of a kernel -> seconds of each launch."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for kernel in run.kernels:
        found[kernel.name, kernel.operator].append(kernel.time_s or 0.0)
    for call in () if run.kernels else run.operators:
        found[call.name, ""].append(call.seconds)
    return found


def _check_repeats(repeats: Any) -> None:
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise WorkloadError(f"repeats={repeats!r}: expected an integer of at least 1")


def _runs(net: NetSpec, job: Workload, place: Place, repeats: int) -> list[Imported]:
    """Profiled calls, after one that warms up."""
    check_workload(job, place.device)
    check_memory([(net, job)], place.device)
    with place.threaded(), matmul_precision(job):
        step = step_of(net, job, place.device)
        return [_profiled(step, place) for _ in range(repeats + 1)][1:]


def _nodes(
    net: NetSpec, job: Workload, place: Place, repeats: int, models: str | Path | None
) -> tuple[tuple[Layer, ...], dict[str, str]]:
    """What an engine's profiler says of its nodes, and the modules that names in them stand for."""
    check_workload(job, place.device)
    check_memory([(net, job)], place.device)
    with place.threaded(), Models.of(models) as kept:
        step = engine_step_of(net, job, place.threads, kept, profiled=True)
        return step.profile(repeats), modules_of(exported(net, job.batch_size, kept))


def _profiled(step: Callable[[], Any], place: Place) -> Imported:
    activities = [ProfilerActivity.CPU]
    if place.device.startswith("cuda"):
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, record_shapes=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        return read_trace(path)


def _typical(runs: list[tuple[OperatorCall, ...]]) -> list[OperatorCall]:
    """The calls of one run with the median of the times over all that made the same calls."""
    first = [call.signature() for call in runs[0]]
    alike = [run for run in runs if [call.signature() for call in run] == first]
    return [call._replace(seconds=median(run[index].seconds for run in alike)) for index, call in enumerate(runs[0])]
