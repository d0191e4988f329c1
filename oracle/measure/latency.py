"""Latency of real networks on this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oracle._versions import today
from oracle.config import load_cfg, workload_of
from oracle.errors import OracleError, WorkloadError
from oracle.families import to_spec
from oracle.measure.engines import Models, check_dtypes, release_of
from oracle.measure.graphs import captured
from oracle.measure.host import affinity, ranges
from oracle.measure.load import warned
from oracle.measure.measurement import Measurement
from oracle.measure.steps import check_memory, check_workload, engine_step_of, first_line, matmul_precision, step_of
from oracle.measure.stopwatch import Place
from oracle.measure.timers import Step
from oracle.spec import NetSpec, Workload

_WARM_UP, _WARM_UP_S = 10, 0.3  # calls on a GPU, and seconds that they may take: clocks rise, kernels are chosen
_ENOUGH = 3  # blocks: the fewest whose median one disturbed block does not move far


def measure(
    networks: NetSpec | str | Path | Iterable[Any],
    *,
    device: str = "cpu",
    name: str | None = None,
    repeats: int = 10,
    block_s: float = 0.1,
    threads: int | None = None,
    clock: str | None = None,
    cache: str = "warm",
    graph: bool = False,
    batch_size: int | Iterable[int | None] | None = None,
    models: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_stop: Callable[[list[Measurement | None]], None] | None = None,
    **workload: Any,
) -> list[Measurement]:
    """Time networks with random weights on this host, in PyTorch or in an engine that deploys them.

    Every network is built and called (on a GPU several times, to warm it up). Then, repeat by repeat, one block of
    calls of each runs in turn, so that a disturbance of the host meets all of them. A latency is the median over
    blocks. If threads had to wait for other work meanwhile, the logger `oracle` warns.

    Args:
        networks: specs, configs, names of shipped networks or paths of YAML files; or one of them.
        device: cpu, cuda, cuda:N or mps, where present.
        name: of the device in results. Default: its own.
        repeats: blocks per network.
        block_s: seconds that a block takes at least; a block is one call or more.
        threads: of the CPU. Default: those of the networks' configs, or torch's choice within the affinity.
        clock: wall; cpu, for one thread on a busy host; or events of a CUDA stream. Default: events on CUDA, else wall.
        cache: warm, calls back to back; or cold, every call alone after one that swept the last-level cache.
        graph: on CUDA, time replays of a CUDA graph, which cost the host nothing.
        batch_size: images per call, or several sizes. Default: the config's.
        models: folder that keeps what engines export, for the next time and the next engine. Default: a temporary one.
        progress: called with (done, total) blocks.
        on_stop: called if measuring ends early, by Ctrl-C or an error, with what is known by then, in the order of the
            result; None stands for networks with fewer than three repeats. The error is raised all the same.
        workload: further fields of `oracle.Workload`, which replace the config's; `engine` names an engine.

    Returns:
        Measurements in milliseconds per call, in the order of the networks, and for each in that of its batch sizes.

    Raises:
        OracleError: a network that does not fit the memory, does not run or does not compile; a workload that torch or
            the engine cannot run here.
        MissingDependencyError: an engine is not installed.

    Examples:
        >>> import oracle
        >>> (row,) = oracle.measure("R-56", repeats=3, block_s=0.01)
        >>> row.network, row.repeats, row.latency_ms > 0
        ('R-56', 3, True)
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise WorkloadError(f"repeats={repeats!r}: expected an integer of at least 1")
    if isinstance(networks, (str, Path, NetSpec)):
        networks = [networks]
    sizes = list(batch_size) if isinstance(batch_size, Iterable) else [batch_size]
    jobs = [resolve(network, batch_size=size, **workload) for network in networks for size in sizes]
    graph = graph or any(job.cuda_graphs for _, job in jobs)
    if graph and not device.startswith("cuda"):
        raise WorkloadError(f"graph=True needs a CUDA device, got {device!r}")
    place = Place.of(device, _threads_of(jobs, threads), clock, cache)
    jobs = [(net, job.with_(threads=place.cores, cuda_graphs=graph)) for net, job in jobs]
    for net, job in jobs:
        check_dtypes(net, job)
        check_workload(job, device)
    check_memory(jobs, device)
    with place.threaded(), Models.of(models) as kept:
        steps = [_prepared(net, job, place, graph, kept) for net, job in jobs]
        samples: list[list[float]] = [[] for _ in jobs]
        try:
            with warned(place):
                _interleave(samples, steps, jobs, place, repeats, block_s, progress)
        except BaseException:
            if on_stop is not None:
                on_stop(_measurements(jobs, samples, min(repeats, _ENOUGH), _facts(name, place)))
            raise
    return [item for item in _measurements(jobs, samples, repeats, _facts(name, place)) if item is not None]


def _threads_of(jobs: Sequence[tuple[NetSpec, Workload]], threads: int | None) -> int | None:
    """As requested, or as all configs state."""
    stated = {job.threads for _, job in jobs}
    if threads is not None or stated <= {0}:
        return threads
    if len(stated) > 1:
        raise WorkloadError(f"threads: networks ask for {' and '.join(map(str, sorted(stated)))}; give one number")
    return stated.pop()


def resolve(network: Any, **changes: Any) -> tuple[NetSpec, Workload]:
    """The spec and workload that a spec, config, name or path stands for."""
    if isinstance(network, NetSpec):
        return network, Workload().with_(**changes)
    cfg = load_cfg(str(network)) if isinstance(network, (str, Path)) else network
    if not hasattr(cfg, "COST"):
        raise OracleError(f"network={type(network).__name__}: expected a config, a NetSpec, a name or a path")
    return to_spec(cfg), workload_of(cfg, **changes)


def _prepared(net: NetSpec, workload: Workload, place: Place, graph: bool, models: Models) -> Step:
    with matmul_precision(workload):
        if workload.runtime == "engine":
            step: Step = engine_step_of(net, workload, place.threads, models)
        else:
            step = step_of(net, workload, place.device, capturable=graph)
        if graph:
            step = captured(step)
        step()
        if place.device != "cpu":
            for _ in range(min(_WARM_UP, round(_WARM_UP_S / max(place.seconds(step), 1e-9)))):
                step()
    return step


def _interleave(
    samples: list[list[float]],
    steps: list[Step],
    jobs: Sequence[tuple[NetSpec, Workload]],
    place: Place,
    repeats: int,
    block_s: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Add seconds per call to each network's samples, which whoever stops us half-way can still read."""
    numbers: list[int] = []
    total = repeats * len(steps)
    for repeat in range(repeats):
        for index, (step, (net, workload)) in enumerate(zip(steps, jobs, strict=True)):
            with _named(net, repeat), matmul_precision(workload):
                if repeat == 0:
                    numbers.append(max(1, round(block_s / max(place.seconds(step), 1e-9))))
                samples[index].append(place.seconds(step, numbers[index]))
            if progress is not None:
                progress(repeat * len(steps) + index + 1, total)


@contextmanager
def _named(net: NetSpec, repeat: int) -> Iterator[None]:
    """Say which network failed, once it had run already: out of memory, for one."""
    try:
        yield
    except Exception as error:
        raise OracleError(f"network={net.name!r} fails in repeat {repeat + 1}: {first_line(error)}") from error


def _facts(name: str | None, place: Place) -> dict[str, Any]:
    """What is the same for all measurements."""
    return {
        "device": name or place.title,
        "affinity": ranges(affinity()),
        "clock": place.clock,
        "torch": torch.__version__,
        "date": today(),
        "cache": place.cache,
    }


def _measurements(
    jobs: Sequence[tuple[NetSpec, Workload]], samples: list[list[float]], enough: int, facts: dict[str, Any]
) -> list[Measurement | None]:
    """What the blocks of each network say; None where they are too few."""
    return [
        _measurement(net, job, times, facts) if len(times) >= enough else None
        for (net, job), times in zip(jobs, samples, strict=True)
    ]


def _measurement(net: NetSpec, workload: Workload, times: list[float], facts: dict[str, Any]) -> Measurement:
    low, median, high = np.percentile(np.array(times) * 1e3, (25, 50, 75)).tolist()
    return Measurement(
        network=net.name or "unnamed",
        workload=workload,
        latency_ms=median,
        iqr_ms=high - low,
        min_ms=min(times) * 1e3,
        repeats=len(times),
        release=release_of(workload.engine) if workload.runtime == "engine" else "",
        **facts,
    )
