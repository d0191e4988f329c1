"""The result: what a network costs, for one workload, on the requested devices."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from oracle._frozen import Frozen
from oracle._lines import LOWER_BOUND, cost_line
from oracle._shown import Shown
from oracle.errors import DeviceError
from oracle.families.stated import NO_CALL, Stated
from oracle.query.phases import PhaseCost, phases_of
from oracle.sources.origin import Origin
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.memory import PeakMemory

__all__ = ["Cost", "DeviceTime", "Kept", "KernelCost", "PhaseCost"]


class KernelCost(NamedTuple):
    """One kernel on one device.

    Attributes:
        name, op_class, module, phase, cell: what it runs and where.
        dtype: the type it computes in.
        macs, flops: multiply-adds of contractions, as they are counted; all floating-point operations that it runs,
            which scores under a causal mask are not (`Workload.causal`).
        traffic_bytes, weight_bytes: bytes moved, and the part of them that is weights.
        intensity: FLOP/byte.
        time_ms: predicted time; this and the next are nan, and the bound is "", where there is no device.
        compute_ms, memory_ms: time at each roof.
        bound: compute, memory or launch.
        share: of the latency, 0 to 1.
        shape: of what its main operator reads and makes: `1x3x224x224, 64x3x7x7 -> 1x64x112x112`.
        achieved_flops_per_s, achieved_bytes_per_s: rates at the predicted time.
    """

    name: str
    op_class: str
    module: str
    phase: str
    cell: int
    dtype: str
    macs: int
    flops: int
    traffic_bytes: int
    weight_bytes: int
    intensity: float
    time_ms: float
    compute_ms: float
    memory_ms: float
    bound: str
    share: float
    shape: str = ""

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s at the predicted time."""
        return self.flops / self.time_ms * 1e3 if self.time_ms else 0.0

    @property
    def achieved_bytes_per_s(self) -> float:
        """byte/s at the predicted time."""
        return self.traffic_bytes / self.time_ms * 1e3 if self.time_ms else 0.0


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """A network's time on one device.

    Attributes:
        device: its name.
        latency_ms: per call, i.e. per batch.
        bound: what bounds the largest share of the time: compute, memory or launch.
        bound_share: share of the time that each bound has.
        ridge: FLOP/byte from which on the network's main dtype is compute-bound.
        model: what predicts: "calibrated" (the device itself was measured), "prior" (what calibrating its kind taught),
            "roofline" (textbook: a lower bound, where nothing was measured or the bound was requested), or "transfer":
            measured on another device, and carried over.
        expected_error: mean relative error of `model` where it was validated; None where nobody measured it.
        source: on what the expected error was found.
        interval_ms: where 80 % of latencies are expected, in ms; None where no residuals are known.
        fits: whether the peak memory fits the device's, of a microcontroller what lies in each of its two; None where
            no size is stated.
        call_ms: the part of the latency that belongs to the call, and to no kernel: entering it, and waiting for the
            host where that launches kernels more slowly than the device runs them.
        host: the processor that it waits for, and who says that it is this one; "" where it waits for none.
    """

    device: str
    latency_ms: float
    bound: str
    bound_share: Mapping[str, float]
    ridge: float
    model: str = "roofline"
    expected_error: float | None = None
    source: str = LOWER_BOUND
    interval_ms: tuple[float, float] | None = None
    fits: bool | None = None
    call_ms: float = 0.0
    host: str = ""


class Times(Mapping[str, DeviceTime]):
    """Device name -> `DeviceTime`, which children make when somebody asks for the first; latencies are there at once.

    Args:
        latency_ms: device name -> milliseconds per call.
    """

    __slots__ = ("_times", "latency_ms")

    def __init__(self, latency_ms: Mapping[str, float]) -> None:
        self.latency_ms = Frozen(latency_ms)
        self._times: Mapping[str, DeviceTime] | None = None

    @abstractmethod
    def made(self) -> Mapping[str, DeviceTime]:
        """The times of all devices."""

    def __getitem__(self, device: str) -> DeviceTime:
        if self._times is None:
            self._times = Frozen(self.made())
        return self._times[device]

    def __iter__(self) -> Iterator[str]:
        return iter(self.latency_ms)

    def __len__(self) -> int:
        return len(self.latency_ms)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type[Frozen[str, DeviceTime]], tuple[dict[str, DeviceTime]]]:
        return Frozen, (dict(self),)


class Kept(NamedTuple):
    """Kernels and memory that were made already, where others are made on demand.

    Attributes:
        memory: of the network.
        roofline_ms: device name -> the textbook's lower bound.
        by_device: by device, the kernels that differ, each with how often it runs; under None those without times.
        launches: every kernel where it runs, see `oracle.closedform.Launch`.
    """

    memory: PeakMemory
    roofline_ms: Mapping[str, float]
    by_device: Mapping[str | None, list[tuple[KernelCost, int]]]
    launches: list[tuple[int, int, str]]

    @property
    def devices(self) -> tuple[str, ...]:
        """Those that were scored."""
        return tuple(name for name in self.by_device if name is not None)

    def alike(self, device: str | None) -> list[tuple[KernelCost, int]]:
        """The kernels that differ on a device, each with how often it runs."""
        return self.by_device[device]


_MODULE, _CELL = (KernelCost._fields.index(name) for name in ("module", "cell"))


def _in_place(
    kernels: Iterable[tuple[KernelCost, int]], launches: Iterable[tuple[int, int, str]]
) -> tuple[KernelCost, ...]:
    """Every kernel where it runs: its module and cell are what differs from one run to the next."""
    parts = [(row[:_MODULE], row[_MODULE + 1 : _CELL], row[_CELL + 1 :]) for row, _ in kernels]
    found = []
    for place, cell, module in launches:
        head, middle, tail = parts[place]
        found.append(KernelCost._make((*head, module, *middle, cell, *tail)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cost(Shown):
    """What a network costs. Counts are per call, i.e. for the whole batch.

    Attributes:
        name: of the network.
        workload: batch size, dtype, mode, runtime, layout, ...; every number below depends on it.
        convention: whose counting rules `macs`, `flops`, `params` and `activations` follow; "oracle" is ours. A
            field that another tool does not report is None.
        macs: multiply-adds of convolutions, linear layers, matrix products and attention.
        flops: all floating-point operations (2 per MAC, and the rest), as they are counted.
        params: elements of parameters.
        activations: elements of the outputs of convolutions, linear layers and matrix products.
        traffic_bytes: bytes that cross the borders of kernels.
        peak_memory_bytes: weights, live tensors, and in training gradients and optimiser state; no workspace.
        times: device name -> `DeviceTime`, in the order requested.
        unknown: operators without a FLOP formula: they cost their bytes and count 0 FLOPs.
        coverage: rows counted, rows known to compute nothing, rows unknown.
        origin: where a network that is no config came from, its inputs and the versions of what made it; else None.
        notes: what of a module was not followed or was taken for granted, a line each.
        tokens: of a decoder, tokens of each sequence that a call works on; 0 for a network of images.
        call: of a decoder, phase, tokens before the call, and GPUs that share it.
        kv_cache_bytes: of a decoder, memory of the caches of keys and values of all sequences, whole pages; part of the
            peak memory.
        kv_bytes_per_token: what a token of one sequence takes there in all layers.
        dtypes: stage or cell -> the type it computes in, where that is not the workload's.
    """

    name: str
    workload: Workload
    convention: str
    macs: int | None
    flops: int | None
    params: int | None
    activations: int | None
    traffic_bytes: int
    peak_memory_bytes: int
    times: Mapping[str, DeviceTime]
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    executed_flops: int
    _details: Any = field(repr=False, compare=False)
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    tokens: int = 0
    call: Stated = NO_CALL
    kv_cache_bytes: int = 0
    kv_bytes_per_token: int = 0
    dtypes: Mapping[str, str] = field(default_factory=Frozen)

    def __repr__(self) -> str:
        return cost_line(self)

    @property
    def memory(self) -> PeakMemory:
        """Peak memory by phase, and what it is made of."""
        memory: PeakMemory = self._details.memory
        return memory

    @property
    def flash_bytes(self) -> int:
        """The part of the peak memory that never changes, which microcontrollers keep in flash.

        It is the weights; in training, which changes them, nothing.
        """
        return 0 if self.workload.training else int(self.memory.weights_bytes) - self.kv_cache_bytes

    @property
    def sram_bytes(self) -> int:
        """The rest of the peak memory, which microcontrollers keep in SRAM: in inference the live tensors.

        No planner that gives tensors their offsets gets by with less.
        """
        return self.peak_memory_bytes - self.flash_bytes

    @property
    def intensity(self) -> float:
        """Arithmetic intensity of the whole network in FLOP/byte, by the oracle's own count."""
        return self.executed_flops / self.traffic_bytes if self.traffic_bytes else 0.0

    @property
    def latency_ms(self) -> Mapping[str, float]:
        """Device name -> milliseconds per call, as the best model there is predicts; see `DeviceTime.model`."""
        if isinstance(self.times, Times):
            return self.times.latency_ms
        return Frozen({name: time.latency_ms for name, time in self.times.items()})

    @property
    def roofline_ms(self) -> Mapping[str, float]:
        """Device name -> milliseconds per call that nothing can beat: every peak reached, launches free.

        The textbook's roofline, see `oracle.roofline`. It says how much there is to gain, not what a stopwatch shows.
        """
        bounds: Mapping[str, float] = self._details.roofline_ms
        return bounds

    @property
    def throughput_per_s(self) -> Mapping[str, float]:
        """Device name -> images per second; infinite where nothing runs."""
        batch = self.workload.batch_size
        return Frozen({name: batch / ms * 1e3 if ms else math.inf for name, ms in self.latency_ms.items()})

    def kernels(self, device: str | None = None) -> tuple[KernelCost, ...]:
        """Every kernel on a device, in order of execution; without one, what it computes and moves, and no times.

        Raises:
            DeviceError: a device that was not scored.
        """
        self._check(device)
        return _in_place(self._details.alike(device), self._details.launches)

    def phases(self, device: str | None = None) -> tuple[PhaseCost, ...]:
        """Forward, and in training backward and optimiser: work, time on a device if one is named, peak memory.

        Raises:
            DeviceError: a device that was not scored.

        Examples:
            >>> cost = score("ResNet-50", ["t4"], mode="training", batch_size=32)
            >>> [(phase.name, phase.time_ms, phase.peak_memory_bytes) for phase in cost.phases("t4")]
        """
        self._check(device)
        return phases_of(self._details.alike(device), self.memory)

    def _check(self, device: str | None) -> None:
        there = self._details.devices
        if device is not None and device not in there:
            raise DeviceError(f"device={device!r} was not scored; there are {', '.join(there) or 'none'}")

    def __reduce__(self) -> tuple[type[Cost], tuple[Any, ...]]:
        """Pickles, and deep copies, hold the kernels instead of the closed forms that make them on demand."""
        details = self._details
        made = Frozen({device: details.alike(device) for device in (None, *details.devices)})
        kept = Kept(self.memory, self.roofline_ms, made, details.launches)
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return type(self), tuple({**values, "_details": kept}.values())

    def to_dict(self, kernels: bool = False) -> dict[str, Any]:
        """Plain data for JSON; `kernels` adds every kernel on every device."""
        memory = {name: getattr(found, name) for found in (self.memory,) for name in found.__dataclass_fields__}
        bounds = self.roofline_ms
        result: dict[str, Any] = {
            "name": self.name,
            "origin": self.origin and self.origin.to_dict(),
            "workload": self.workload.to_dict(),
            "dtypes": dict(self.dtypes),
            "convention": self.convention,
            "macs": self.macs,
            "flops": self.flops,
            "params": self.params,
            "activations": self.activations,
            "traffic_bytes": self.traffic_bytes,
            "intensity_flop_per_byte": self.intensity,
            "peak_memory_bytes": self.peak_memory_bytes,
            "flash_bytes": self.flash_bytes,
            "sram_bytes": self.sram_bytes,
            "tokens": self.tokens,
            **self.call._asdict(),
            "kv_cache_bytes": self.kv_cache_bytes,
            "kv_bytes_per_token": self.kv_bytes_per_token,
            "memory": memory,
            "phases": [_without_times(phase) for phase in self.phases()],
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "coverage": dict(zip(("counted", "zero", "unknown"), self.coverage, strict=True)),
            "devices": {
                name: {
                    **_plain(time),
                    "roofline_ms": bounds[name],
                    "phases": [_plain(phase) for phase in self.phases(name)],
                }
                for name, time in self.times.items()
            },
        }
        if kernels:
            result["kernels"] = {
                device: [_plain(kernel) for kernel in self.kernels(device)] for device in self._details.devices
            }
        return result


def _without_times(phase: PhaseCost) -> dict[str, Any]:
    return {name: value for name, value in _plain(phase).items() if name not in ("time_ms", "share", "bound")}


def _plain(value: Any) -> dict[str, Any]:
    fields = value._fields if isinstance(value, KernelCost) else value.__dataclass_fields__
    plain = {name: getattr(value, name) for name in fields}
    return {name: _as_json(item) for name, item in plain.items()}


def _as_json(value: Any) -> Any:
    """What JSON would give back."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
