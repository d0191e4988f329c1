"""Facts about one network: counts, kernels as columns, times per device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.devices import Device
from oracle.report.captions import held, workload_caption
from oracle.report.facts.training import TrainingFacts
from oracle.report.roofs import Ceiling, ceilings
from oracle.report.splits import Split, by_kind, by_stage, whole
from oracle.report.stages import stages_of

if TYPE_CHECKING:
    from oracle.query import Cost
    from oracle.report.facts.decoding import DecodingFacts

_COUNTS = ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes", "intensity")
_CACHE = ("kv_bytes_per_token", "kv_cache_bytes")
_KERNEL = ("name", "op_class", "module", "phase", "dtype", "shape", "macs", "flops", "traffic_bytes", "weight_bytes")
_TIMED = ("time_ms", "compute_ms", "memory_ms", "bound", "share")


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A network's time on one device.

    Attributes:
        time: the fields of `oracle.query.DeviceTime`, and roofline_ms.
        ceilings: peaks that its kernels can reach.
        stages, kinds: where the time goes.
        kernels: column -> one entry per kernel: time_ms, compute_ms, memory_ms, bound, share.
    """

    time: Mapping[str, Any]
    ceilings: tuple[Ceiling, ...]
    stages: tuple[Split, ...]
    kinds: tuple[Split, ...]
    kernels: Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Who else could run it.

    Attributes:
        times: device -> one split for each runtime.
        missing: runtime -> why there is none, or not on every device.
    """

    times: Mapping[str, tuple[Split, ...]]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network under one workload.

    Attributes:
        name: may be any text.
        workload: in words.
        runtime: of the workload.
        convention, unknown, coverage: as in `oracle.query.Cost`.
        counts: macs, flops, params, activations, traffic_bytes, peak_memory_bytes, intensity -> as there; of another
            convention some may be None.
        memory: what of it stays -> bytes.
        kernels: column -> one entry per kernel, in order of execution.
        devices: device -> its times.
        runtimes: None where nobody compared them.
        training: None where it was not requested.
        decoding: of a decoder; None where it was not requested.
    """

    name: str
    workload: str
    runtime: str
    convention: str
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    counts: Mapping[str, float | None]
    memory: Mapping[str, int]
    kernels: Mapping[str, Sequence[Any]]
    devices: Mapping[str, OnDevice]
    runtimes: Runtimes | None = None
    training: TrainingFacts | None = None
    decoding: DecodingFacts | None = None


def network_facts(
    cost: Cost,
    devices: Mapping[str, Device],
    runtimes: Runtimes | None = None,
    training: TrainingFacts | None = None,
    decoding: DecodingFacts | None = None,
) -> NetworkFacts:
    """What a page shows of a network.

    Args:
        cost: its cost, on these devices.
        devices: by name.
        runtimes, training, decoding: see `NetworkFacts`.
    """
    kernels = cost.kernels()
    stages = stages_of(kernel.module for kernel in kernels)
    columns: dict[str, Sequence[Any]] = {name: [getattr(kernel, name) for kernel in kernels] for name in _KERNEL}
    return NetworkFacts(
        name=cost.name,
        workload=workload_caption(cost.workload, cost.tokens),
        runtime=cost.workload.runtime,
        convention=cost.convention,
        unknown=cost.unknown,
        coverage=cost.coverage,
        counts={name: getattr(cost, name) for name in (*_COUNTS, *(_CACHE if cost.kv_bytes_per_token else ()))},
        memory=held(cost.memory),
        kernels={**columns, "stage": [stages[kernel.module] for kernel in kernels]},
        devices={name: _on(cost, devices[name]) for name in cost.times},
        runtimes=runtimes,
        training=training,
        decoding=decoding,
    )


def runtime_facts(costs: Sequence[Cost], missing: Mapping[str, Sequence[str]]) -> Runtimes:
    """Runtimes next to each other.

    Args:
        costs: the network under one runtime each, on the devices that can run it so.
        missing: runtime -> why it is not there, or not on every device.
    """
    names = dict.fromkeys(name for cost in costs for name in cost.times)
    return Runtimes(
        {name: tuple(whole(cost, name) for cost in costs if name in cost.times) for name in names},
        {runtime: "; ".join(reasons) for runtime, reasons in missing.items()},
    )


def _on(cost: Cost, device: Device) -> OnDevice:
    time = cost.times[device.name]
    kernels = cost.kernels(device.name)
    return OnDevice(
        {
            **{name: _plain(getattr(time, name)) for name in time.__dataclass_fields__},
            "roofline_ms": cost.roofline_ms[device.name],
        },
        ceilings(device, kernels),
        by_stage(cost, device.name),
        by_kind(cost, device.name),
        {name: [getattr(kernel, name) for kernel in kernels] for name in _TIMED},
    )


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
