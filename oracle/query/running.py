"""A device as an engine uses it: the cores that run, and the arithmetic that the engine chooses."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from oracle._frozen import Frozen
from oracle.calibration.classes import CLASSES
from oracle.devices import Device, Figure, Peaks
from oracle.devices.hosts import dispatch_of, host_of, named_host
from oracle.devices.threads import at_threads
from oracle.roofline import Efficiency
from oracle.spec import Workload

_FLOATS = ("float32", "float16")


def run_on(device: Device, workload: Workload) -> Device:
    """The device at the threads of a workload, its roofs in the workload's words.

    ncnn, unless configured otherwise, stores and computes floating-point networks in float16 where the processor has
    the arithmetic (ARMv8.2-FP16) and in float32 where it has not, whatever the network came in. So float32 and float16
    are one answer under it: a processor that computes in the other of the two is given that peak for this one, and
    a byte of traffic as many bytes of bandwidth and cache as it is. It has no kernels for matrix units of processors
    (AMX), whose peaks are none of its roofs.

    Raises:
        WorkloadError: more threads than cores.
    """
    used = at_threads(device, workload.threads)
    if workload.engine == "ncnn" and used.cores and used.matrix:
        used = _on_vector_units(used)
    own = arithmetic_of(device, workload)
    return used if own == workload.dtype else _in_words_of(used, own, workload.dtype)


def thread_count(device: Device, workload: Workload) -> int:
    """How many threads run; 0 for a device that states no cores."""
    return workload.threads or sum(cluster.count for cluster in device.cores) if device.cores else 0


def dispatch_s(device: Device, workload: Workload, own_s: float | None = None) -> float:
    """Seconds that the host takes to launch one kernel; 0 where none does, and where kernels are launched as a graph.

    Args:
        device: whose kernels.
        workload: names the host, or leaves it to the device.
        own_s: what was found of the device's own host, which tells more than its clock does; None if nothing was.

    Raises:
        OracleError: as `oracle.devices.hosts.named_host`.
    """
    host = host_of(device)
    named = named_host(workload.host) if workload.host else None
    if workload.cuda_graphs and host is not None:
        return 0.0
    if host is None or (named is None and own_s is not None):
        return own_s or 0.0
    usual_s = dispatch_of(named_host(host.name), workload.runtime)
    if named is None:
        return usual_s
    named_s = dispatch_of(named, workload.runtime)
    return own_s * named_s / usual_s if own_s and usual_s else named_s


def host_caption(device: Device, workload: Workload) -> str:
    """The host that launches a device's kernels one by one, and who says so; "" where none does."""
    host = host_of(device)
    if host is None or workload.cuda_graphs or workload.runtime == "engine":
        return ""
    return workload.host or f"{host.name} ({host.source})"


def images_at_once(workload: Workload) -> int:
    """Images that a kernel works on: ncnn, whose tensors have no axis for a batch, runs them one by one."""
    return 1 if workload.engine == "ncnn" else workload.batch_size


def call_count(workload: Workload) -> int:
    """How many times an engine runs a network for one batch."""
    return workload.batch_size // images_at_once(workload)


def in_calls(efficiency: Efficiency, count: int) -> Efficiency:
    """What a device reaches where a batch is run in so many calls, each of which launches and fetches weights anew.

    For kernels whose FLOPs and bytes are those of the batch, weights once: a batch takes `count` times as long as the
    images of one call.
    """
    weights = {name: efficiency.weights.get(name, efficiency.memory.get(name, 1.0)) for name in CLASSES}
    return replace(
        efficiency,
        launch_s=efficiency.launch_s * count,
        call_s=efficiency.call_s * count,
        floor_s=efficiency.floor_s * count,
        dispatch_s=efficiency.dispatch_s * count,
        launches=Frozen({name: launch * count for name, launch in efficiency.launches.items()}),
        weights=Frozen({name: share / count for name, share in weights.items()}),
    )


def arithmetic_of(device: Device, workload: Workload) -> str:
    """The dtype that a device computes in under a workload: not the requested one where an engine chooses."""
    if not chooses_float(device, workload):
        return workload.dtype
    return "float16" if "float16" in device.vector else "float32"


def chooses_float(device: Device, workload: Workload) -> bool:
    """Whether the engine, not the workload, says which floating-point type is computed in: both are one answer."""
    return workload.engine == "ncnn" and bool(device.cores) and workload.dtype in _FLOATS


@lru_cache(maxsize=512)
def _on_vector_units(device: Device) -> Device:
    """A processor of which matrix units are not used."""
    return replace(device, matrix=Peaks())


@lru_cache(maxsize=512)
def _in_words_of(device: Device, own: str, word: str) -> Device:
    """A device that computes in `own`, for kernels whose FLOPs and bytes are counted in `word`."""
    factor = 2.0 if own == "float16" else 0.5
    caption = f"ncnn computes {word} in {own} here"
    peak = device.vector[own]
    peaks = {**device.vector, word: Figure(peak.value, f"{caption}; {peak.source}")}
    return replace(
        device,
        vector=Peaks(tuple(peaks.items())),
        bandwidth=_times(device.bandwidth, factor, caption),
        llc=_times(device.llc, factor, caption),
        llc_bandwidth=_times(device.llc_bandwidth, factor, caption),
    )


def _times(figure: Figure | None, factor: float, caption: str) -> Figure | None:
    return None if figure is None else Figure(figure.value * factor, f"{caption}; {figure.source}")
