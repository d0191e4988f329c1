"""A processor by its cores: peaks that follow from them, and what some threads of it make of its roofs.

Threads take the fastest cores first. Peaks are the sum over the cores in use. Memory gives what its sheet says, but
no core reads faster than what its line fills in flight allow (`Core.stream_gbps`), so few threads see the sum of
their cores' rates where that is less.

By default, threads 0, all performance cores run: all cores of a processor that has one sort, all but the little ones
of a big.LITTLE one. More threads than those take little cores, too. To pin work to little cores alone, name a device
that has no others, such as rk3588-little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from oracle.devices.cores import CORES, LITTLE
from oracle.devices.model import Cluster, Device, Figure, Peaks
from oracle.errors import WorkloadError

_RATES = {"float32": "fp32", "float16": "fp16", "int8": "int8"}


def with_cores(device: Device, clusters: Sequence[Cluster]) -> Device:
    """A device with cores: what its file leaves out (peaks, compute units, clock) follows from its performance cores.

    Args:
        device: as its file states it, without cores.
        clusters: all of its cores, in any order.
    """
    ordered = sorted(clusters, key=lambda cluster: -_speed(cluster))
    fast = tuple(cluster for cluster in ordered if cluster.kind not in LITTLE) or tuple(ordered)
    idle = tuple(cluster for cluster in ordered if cluster not in fast)
    derived = _peaks(fast)
    stated = {**derived, **device.vector}
    return replace(
        device,
        vector=Peaks(
            tuple((word, stated[word]) for word in (*derived, *(w for w in device.vector if w not in derived)))
        ),
        compute_units=device.compute_units or Figure(_count(fast), "derived: performance cores of CORES"),
        clock=device.clock or fast[0].clock,
        cores=fast,
        idle_cores=idle,
    )


def core_count(device: Device) -> int:
    """How many cores a processor has, little ones included; 0 where its file states none."""
    return _count((*device.cores, *device.idle_cores))


def at_threads(device: Device, threads: int) -> Device:
    """What a device is to some threads; a device that states no cores has no threads, and stays as it is.

    Args:
        threads: how many run, one on a core; 0 for its default, all performance cores.

    Raises:
        WorkloadError: more threads than cores.
    """
    return _at_threads(device, threads) if device.cores else device


@lru_cache(maxsize=512)
def _at_threads(device: Device, threads: int) -> Device:
    most = core_count(device)
    if threads > most:
        raise WorkloadError(f"threads={threads}: device={device.name!r} has {most} core{'s' if most > 1 else ''}")
    used = _first((*device.cores, *device.idle_cores), threads) if threads else device.cores
    bandwidth = device.bandwidth
    reads = sum(cluster.count * CORES[cluster.kind].stream_gbps for cluster in used) * 1e9
    if bandwidth is not None and reads < bandwidth.value:
        source = f"derived: {_count(used)} cores x what each reads alone, unsourced"
        bandwidth = Figure(reads, source)
    if used == device.cores:
        return replace(device, bandwidth=bandwidth)
    before = _peaks(device.cores)
    peaks = {
        # Where a file states a peak of its own, threads have their part of it.
        word: Figure(figure.value * device.vector[word].value / before[word].value, figure.source)
        for word, figure in _peaks(used).items()
        if word in before
    }
    share = _peaks(used)["float32"].value / before["float32"].value
    matrix = tuple((word, Figure(figure.value * share, figure.source)) for word, figure in device.matrix.items())
    return replace(
        device,
        vector=Peaks(tuple(peaks.items())),
        matrix=Peaks(matrix),
        bandwidth=bandwidth,
        compute_units=Figure(_count(used), "derived: cores in use"),
        clock=used[0].clock,
        cores=used,
        idle_cores=(),
    )


def _first(clusters: Iterable[Cluster], threads: int) -> tuple[Cluster, ...]:
    """The first cores of some clusters."""
    found: list[Cluster] = []
    for cluster in clusters:
        taken = min(cluster.count, threads)
        if taken:
            found.append(replace(cluster, count=taken))
        threads -= taken
    return tuple(found)


def _count(clusters: Iterable[Cluster]) -> int:
    return sum(cluster.count for cluster in clusters)


def _speed(cluster: Cluster) -> float:
    """FLOP/s of one core in float32."""
    return cluster.clock.value * CORES[cluster.kind].fp32


def _peaks(clusters: Sequence[Cluster]) -> dict[str, Figure]:
    """Peaks by dtype word; of a dtype that one of the kinds of cores does not compute in, there is none."""
    found = {}
    for word, rate in _RATES.items():
        rates = [getattr(CORES[cluster.kind], rate) for cluster in clusters]
        if all(rates):
            value = sum(cluster.count * cluster.clock.value * own for cluster, own in zip(clusters, rates, strict=True))
            found[word] = Figure(value, _source(clusters, rates, "OP" if word == "int8" else "FLOP"))
    return found


def _source(clusters: Sequence[Cluster], rates: Sequence[float], unit: str) -> str:
    parts = [
        f"{cluster.count} cores x {cluster.clock.value / 1e9:.6g} GHz x {rate:g} {unit}/cycle"
        for cluster, rate in zip(clusters, rates, strict=True)
    ]
    sources = dict.fromkeys(CORES[cluster.kind].source for cluster in clusters)
    clocks = ["clock unsourced"] if any(cluster.clock.unsourced for cluster in clusters) else []
    return f"derived: {' + '.join(parts)}; {'; '.join((*sources, *clocks))}"
