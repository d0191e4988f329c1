"""Latency and throughput of a network over batch sizes, and the best batch under a latency limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._frozen import Frozen
from oracle._lines import curve_line
from oracle._shown import Shown
from oracle.config import load_cfg
from oracle.errors import WorkloadError
from oracle.families.stated import NO_CALL, Stated
from oracle.query.cost import Cost, DeviceTime
from oracle.query.devices import find_devices
from oracle.query.sourced import source_of
from oracle.sources import Source
from oracle.sources.origin import Origin
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode
    from oracle.devices import Device

BATCH_SIZES = tuple(2**exponent for exponent in range(11))
"""1 to 1024, doubling: the default."""


@dataclass(frozen=True, slots=True)
class BatchPoint:
    """A network on one device at one batch size.

    Attributes:
        batch_size: images per call.
        time: latency per call with its model, error and interval; and whether the peak memory fits.
        roofline_ms: the textbook's lower bound, per call.
        peak_memory_bytes: weights, live tensors, and in training gradients and optimiser state.
    """

    batch_size: int
    time: DeviceTime
    roofline_ms: float
    peak_memory_bytes: int

    @property
    def latency_ms(self) -> float:
        """Milliseconds per call."""
        return self.time.latency_ms

    @property
    def throughput_per_s(self) -> float:
        """Images per second; infinite where nothing runs."""
        return self.batch_size / self.latency_ms * 1e3 if self.latency_ms else math.inf


@dataclass(frozen=True, slots=True)
class BatchCurve(Shown):
    """A network over batch sizes.

    Attributes:
        network: its name.
        workload: of the smallest batch; all else is the same for the others.
        points: device -> a point per batch size, ascending.
        max_latency_ms: the limit that `best` keeps; None without one.
        origin: as in `Cost`.
        tokens: of a decoder, tokens of each sequence in a call; 0 for a network of images.
        call: of a decoder, as in `Cost`.
    """

    network: str
    workload: Workload
    points: Mapping[str, tuple[BatchPoint, ...]]
    max_latency_ms: float | None = None
    origin: Origin | None = None
    tokens: int = 0
    call: Stated = NO_CALL

    def __repr__(self) -> str:
        return curve_line(self)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes, ascending."""
        return tuple(point.batch_size for point in next(iter(self.points.values())))

    def allowed(self, point: BatchPoint) -> bool:
        """Whether the latency keeps the limit and the memory is enough, or its size not stated."""
        return point.time.fits is not False and not point.latency_ms > (self.max_latency_ms or math.inf)

    def best(self, device: str) -> BatchPoint | None:
        """The point of most images per second among those allowed, the smaller batch of equals; None if none is.

        Raises:
            WorkloadError: a device that was not scored.
        """
        if device not in self.points:
            raise WorkloadError(f"device={device!r} has no curve; there are {', '.join(self.points)}")
        allowed = [point for point in self.points[device] if self.allowed(point)]
        return max(allowed, key=lambda point: point.throughput_per_s, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        best = {device: self.best(device) for device in self.points}
        return {
            "network": self.network,
            "origin": self.origin and self.origin.to_dict(),
            "workload": {name: word for name, word in self.workload.to_dict().items() if name != "batch_size"},
            "tokens": self.tokens,
            **self.call._asdict(),
            "batch_sizes": list(self.batch_sizes),
            "max_latency_ms": self.max_latency_ms,
            "best_batch_size": {device: point and point.batch_size for device, point in best.items()},
            "devices": {device: [_plain(point) for point in points] for device, points in self.points.items()},
        }


def batch_curve(
    network: CfgNode | NetSpec | Source | str | Path,
    devices: Iterable[str | Path | Device] | None = None,
    batch_sizes: Iterable[int] = BATCH_SIZES,
    *,
    max_latency_ms: float | None = None,
    inputs: Iterable[str] = (),
    selected: int | None = None,
    **words: Any,
) -> BatchCurve:
    """Compute latency and throughput per device over batch sizes.

    Args:
        network: as in `oracle.score`.
        devices: as in `oracle.score`.
        batch_sizes: in any order.
        max_latency_ms: limit per call, which `BatchCurve.best` keeps.
        inputs, selected: of a network by reference, as in `oracle.score`.
        words: further keywords of `oracle.score`.

    Raises:
        OracleError: as `oracle.score`; also no device, no batch size, or a limit that is not positive.

    Examples:
        >>> import oracle
        >>> curve = oracle.batch_curve("ResNet-50", ["t4"], [1, 8, 64], max_latency_ms=60, dtype="float16")
        >>> [point.batch_size for point in curve.points["t4"]], curve.best("t4").batch_size
        ([1, 8, 64], 8)
    """
    from oracle.query import score

    sizes = _checked(batch_sizes)
    places = None if devices is None else find_devices(devices)
    source = source_of(network, inputs, None, selected)
    named = source or (load_cfg(network) if isinstance(network, (str, Path)) else network)
    return curve_of([score(named, places, batch_size=size, **words) for size in sizes], max_latency_ms)


def curve_of(costs: Sequence[Cost], max_latency_ms: float | None = None) -> BatchCurve:
    """The curve that costs of one network at ascending batch sizes make; errors as those of `batch_curve`."""
    if max_latency_ms is not None and not 0 < max_latency_ms < math.inf:
        raise WorkloadError(f"max_latency_ms={max_latency_ms!r}: expected a positive number")
    first = costs[0]
    if not first.times:
        raise WorkloadError(f"network={first.name!r}: a curve over batch sizes needs a device")
    points = {device: tuple(_point(cost, device) for cost in costs) for device in first.times}
    said = first.origin, first.tokens, first.call
    return BatchCurve(first.name, first.workload, Frozen(points), max_latency_ms, *said)


def _point(cost: Cost, device: str) -> BatchPoint:
    return BatchPoint(cost.workload.batch_size, cost.times[device], cost.roofline_ms[device], cost.peak_memory_bytes)


def _checked(batch_sizes: Iterable[int]) -> list[int]:
    """Ascending, each once."""
    if not isinstance(batch_sizes, Iterable) or isinstance(batch_sizes, str):
        raise WorkloadError(f"batch_sizes={batch_sizes!r}: expected several, such as [1, 8, 64]")
    sizes = sorted({Workload(batch_size=size).batch_size for size in batch_sizes})
    if not sizes:
        raise WorkloadError("batch_sizes=[]: expected at least one")
    return sizes


def _plain(point: BatchPoint) -> dict[str, Any]:
    time = {name: getattr(point.time, name) for name in point.time.__dataclass_fields__ if name != "device"}
    return {
        "batch_size": point.batch_size,
        "throughput_images_per_s": point.throughput_per_s,
        "peak_memory_bytes": point.peak_memory_bytes,
        "roofline_ms": point.roofline_ms,
        **{name: dict(value) if isinstance(value, Mapping) else value for name, value in time.items()},
    }
