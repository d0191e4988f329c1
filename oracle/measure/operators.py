"""One network operator by operator: measured under torch.profiler, beside what the roofs allow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from torch.profiler import ProfilerActivity, profile

from oracle.counting.networks import count_net
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.imports.kineto import read_trace
from oracle.imports.profiles import NetworkProfile, OperatorTime, profile_of
from oracle.imports.replay import OperatorCall
from oracle.measure.latency import resolve
from oracle.measure.steps import check_memory, check_workload, matmul_precision, step_of
from oracle.measure.stopwatch import Place
from oracle.roofline import Efficiency

__all__ = ["NetworkProfile", "OperatorTime", "measure_operators"]


def measure_operators(
    network: Any,
    *,
    device: str = "cpu",
    roofs: Device | None = None,
    repeats: int = 5,
    threads: int | None = None,
    efficiency: Efficiency | None = None,
    **workload: Any,
) -> NetworkProfile:
    """Profile one network in eager mode; the profiler's own cost (microseconds per operator) is in the times.

    Args:
        network: as in `oracle.measure.measure`.
        device: cpu, cuda, cuda:N or mps.
        roofs: of what it runs on, such as `probe()` returns; without it there is no share of the roof.
        repeats: profiled calls.
        threads: CPU threads.
        efficiency: of a calibration of `roofs`, for what is predicted of each operator.
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
    return profile_of(net.name, job, _typical(runs), count_net(net, job), roofs, efficiency)


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
