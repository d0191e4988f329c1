"""Measure the roofs of this host, and make a device of them."""

from __future__ import annotations

import re
from typing import Any

import torch

from oracle._versions import today
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
from oracle.measure.load import warned
from oracle.measure.machine import gpu_facts
from oracle.measure.roofs import (
    Cache,
    convolution_roof,
    launch_seconds,
    matrix_roof,
    split_ladder,
    triad_ladder,
    vector_roof,
)
from oracle.measure.stopwatch import Place
from oracle.measure.timers import last_level_bytes

_DTYPES = ("float32", "bfloat16", "float16", "int8")
_CUDA_DTYPES = (*_DTYPES, "tf32", "float8")
_MIB = 2**20


def probe(
    device: str = "cpu",
    *,
    name: str = "host",
    threads: int | None = None,
    clock: str | None = None,
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
    with place.threaded(), warned(place):
        matrix = _matrix(place, 0.5 * seconds, how)
        vector = vector_roof(place, 0.1 * seconds)
        memory, cache, reported = _bandwidths(place, 0.35 * seconds)
        launch = launch_seconds(place, 0.05 * seconds)
    if not matrix:
        raise DeviceError(f"device={device!r}: torch has no matrix product in {', '.join(_DTYPES)} here")
    stated = _stated_of_host(place) if on_cpu else _stated_of_gpu(place.device)
    return Device(
        name=name,
        title=place.title,
        kind=cpu_kind(cpu_name()) if on_cpu else _gpu_kind(place.title),
        vector=Peaks((("float32", Figure(vector.rate, f"measured: best of {vector.by} and others, {how}")),)),
        matrix=matrix,
        bandwidth=Figure(memory, f"measured: triad beyond the caches, {how}"),
        llc=Figure(cache.size, f"measured: up to here the triad is faster than in memory{reported}, {how}")
        if cache
        else None,
        llc_bandwidth=Figure(cache.bandwidth, f"measured: best triad beyond the private caches, {how}")
        if cache
        else None,
        launch=Figure(launch, f"measured: an operator of a chain of modules on one pixel, {how}"),
        notes=f"Measured by oracle probe: {how}. Roofs are the best of many short runs.",
        **stated,
    )


def _stated_of_host(place: Place) -> dict[str, Any]:
    """What the system says of the processor; what it does not say is left out."""
    figures = {
        "memory": (memory_bytes(), "reported by the system"),
        "compute_units": (place.threads, f"threads measured with, {today()}"),
        "clock": (clock_hz(), "reported by the system when it was measured"),
    }
    return {name: Figure(value, source) for name, (value, source) in figures.items() if value}


def _stated_of_gpu(device: str) -> dict[str, Any]:
    """What torch and nvidia-smi say of a CUDA device."""
    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(device)
    facts = gpu_facts(str(getattr(properties, "uuid", "")))
    clock, power = facts.get("max_sm_clock_mhz"), facts.get("power_limit_w")
    found = {
        "memory": Figure(properties.total_memory, "reported by torch"),
        "compute_units": Figure(properties.multi_processor_count, "reported by torch"),
    }
    if isinstance(clock, float):
        found["clock"] = Figure(clock * 1e6, "reported by nvidia-smi: the highest clock of the SMs")
    if isinstance(power, float):
        found["power"] = Figure(power, "reported by nvidia-smi: power limit when it was measured")
    return found


def _matrix(place: Place, budget_s: float, how: str) -> Peaks:
    found = []
    sizes = (256, 384, 512, 768, 1024) if place.device == "cpu" else (1024, 2048, 4096, 8192)
    dtypes = _CUDA_DTYPES if place.device.startswith("cuda") else _DTYPES
    for dtype in dtypes:
        roof = matrix_roof(place, dtype, sizes, budget_s / len(dtypes))
        if roof is not None and dtype == "float32" and place.device == "cpu":
            roof = max(roof, convolution_roof(place, budget_s / len(dtypes)))
        if roof is not None:
            found.append((dtype, Figure(roof.rate, f"measured: best of {roof.by} and other sizes, {how}")))
    return Peaks(tuple(found))


def _bandwidths(place: Place, budget_s: float) -> tuple[float, Cache | None, str]:
    """Memory bandwidth, the last-level cache if it shows, and what the system says of it."""
    if place.device == "cpu":
        inner, last = caches().inner, caches().last
    else:
        inner = 0
        last = last_level_bytes(place.device)
    largest = max(256 * _MIB, 4 * last)
    free = available_memory()
    if free is not None and place.device == "cpu":
        largest = min(largest, free // 8)
    largest = max(8 * _MIB, min(largest, 2048 * _MIB))
    ladder = triad_ladder(place, _MIB, largest, budget_s)
    memory, cache = split_ladder(ladder, place.threads * inner, last)
    reported = f" ({last / _MIB:.6g} MiB are reported)" if last else ""
    return memory, cache, reported


def _gpu_kind(title: str) -> str:
    if title.startswith("GPU of"):
        return "mobile-gpu"
    if "GeForce" in title:
        return "consumer-gpu"
    return "workstation-gpu" if re.search(r"Quadro|RTX", title) else "datacenter-gpu"
