"""Measure the roofs of this host, and make a device of them."""

from __future__ import annotations

import re

import torch

from oracle.devices import Device, Figure, Peaks
from oracle.errors import DeviceError, WorkloadError
from oracle.measure.host import (
    affinity,
    available_memory,
    caches,
    clock_hz,
    cpu_kind,
    cpu_name,
    memory_bytes,
    ranges,
)
from oracle.measure.roofs import Cache, launch_seconds, matrix_roof, split_ladder, triad_ladder, vector_roof
from oracle.measure.stopwatch import Place, today

__all__ = ["probe"]

_DTYPES = ("float32", "bfloat16", "float16")
_MIB = 2**20


def probe(
    device: str = "cpu",
    *,
    name: str = "host",
    threads: int | None = None,
    clock: str = "wall",
    seconds: float = 12.0,
) -> Device:
    """The device that this host is, by measurement; `device_yaml` makes a file of it.

    Args:
        device: cpu, cuda, cuda:N or mps, where present.
        name: of the result.
        threads, clock: as in `oracle.measure.measure`; a roof holds for its number of threads.
        seconds: of benchmarks, about; setting them up takes some more.

    Raises:
        OracleError: no such device, or no matrix product in any dtype.
    """
    place = Place.of(device, threads, clock)
    if not 0.1 <= seconds <= 600:
        raise WorkloadError(f"seconds={seconds!r}: expected 0.1 to 600")
    on_cpu = place.device == "cpu"
    where = f" on CPUs {ranges(affinity())}" if on_cpu else ""
    how = f"threads: {place.threads}{where}, {place.clock} clock, torch {torch.__version__}, {today()}"
    with place.threaded():
        matrix = _matrix(place, 0.5 * seconds, how)
        vector = vector_roof(place, 0.1 * seconds)
        memory, cache, reported = _bandwidths(place, 0.35 * seconds)
        launch = launch_seconds(place, 0.05 * seconds)
    if not matrix:
        raise DeviceError(f"device={device!r}: torch has no matrix product in {', '.join(_DTYPES)} here")
    installed = memory_bytes() if on_cpu else None
    clock_now = clock_hz() if on_cpu else None
    return Device(
        name=name,
        title=place.title,
        kind=cpu_kind(cpu_name()) if on_cpu else _gpu_kind(place.title),
        vector=Peaks((("float32", Figure(vector.rate, f"measured: best of {vector.by} and others, {how}")),)),
        matrix=matrix,
        bandwidth=Figure(memory, f"measured: triad beyond the caches, {how}"),
        memory=Figure(installed, "reported by the system") if installed else None,
        llc=Figure(cache.size, f"measured: up to here the triad is faster than in memory{reported}, {how}")
        if cache
        else None,
        llc_bandwidth=Figure(cache.bandwidth, f"measured: best triad beyond the private caches, {how}")
        if cache
        else None,
        compute_units=Figure(place.threads, f"threads measured with, {today()}") if on_cpu else None,
        clock=Figure(clock_now, "reported by the system when it was measured") if clock_now else None,
        launch=Figure(launch, f"measured: an operator of a chain of modules on one pixel, {how}"),
        notes=f"Measured by oracle probe: {how}. Roofs are the best of many short runs.",
    )


def _matrix(place: Place, budget_s: float, how: str) -> Peaks:
    found = []
    sizes = (256, 384, 512, 768, 1024) if place.device == "cpu" else (1024, 2048, 4096, 8192)
    for dtype in _DTYPES:
        roof = matrix_roof(place, dtype, sizes, budget_s / len(_DTYPES))
        if roof is not None:
            found.append((dtype, Figure(roof.rate, f"measured: best of {roof.by} and other sizes, {how}")))
    return Peaks(tuple(found))


def _bandwidths(place: Place, budget_s: float) -> tuple[float, Cache | None, str]:
    """Memory bandwidth, the last-level cache if it shows, and what the system says of it."""
    if place.device == "cpu":
        inner, last = caches().inner, caches().last
    else:
        inner = 0
        last = _gpu_cache(place.device)
    largest = max(256 * _MIB, 4 * last)
    free = available_memory()
    if free is not None and place.device == "cpu":
        largest = min(largest, free // 8)
    largest = max(8 * _MIB, min(largest, 2048 * _MIB))
    ladder = triad_ladder(place, _MIB, largest, budget_s)
    memory, cache = split_ladder(ladder, place.threads * inner, last)
    reported = f" ({last / _MIB:.6g} MiB are reported)" if last else ""
    return memory, cache, reported


def _gpu_cache(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    return int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0))


def _gpu_kind(title: str) -> str:
    if title.startswith("GPU of"):
        return "mobile-gpu"
    if "GeForce" in title:
        return "consumer-gpu"
    return "workstation-gpu" if re.search(r"Quadro|RTX", title) else "datacenter-gpu"
