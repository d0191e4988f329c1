"""The phases of a call: forward, and in training backward and the optimiser's step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.memory import PHASES, PeakMemory

if TYPE_CHECKING:
    from oracle.query.cost import KernelCost


@dataclass(frozen=True, slots=True)
class PhaseCost:
    """One phase of a call.

    Attributes:
        name: forward, backward or optimizer.
        kernels: how many it runs.
        macs, flops, traffic_bytes, weight_bytes: sums over its kernels, by the oracle's own count.
        peak_memory_bytes: the most that is alive during it, weights and optimiser state included.
        time_ms: sum over its kernels; nan without a device.
        share: of the latency; nan without a device. What belongs to the call (`DeviceTime.call_ms`) is in no phase.
        bound: what bounds the largest part of its time: compute, memory or launch; "" without a device.
    """

    name: str
    kernels: int
    macs: int
    flops: int
    traffic_bytes: int
    weight_bytes: int
    peak_memory_bytes: int
    time_ms: float
    share: float
    bound: str


def phases_of(kernels: Iterable[tuple[KernelCost, int]], memory: PeakMemory) -> tuple[PhaseCost, ...]:
    """Sum kernels, each with how often it runs, by phase; one without kernels is left out, but for the forward pass."""
    members: dict[str, list[tuple[KernelCost, int]]] = {phase: [] for phase in PHASES}
    for kernel, count in kernels:
        members[kernel.phase].append((kernel, count))
    peaks = (memory.forward_bytes, memory.backward_bytes, memory.optimizer_bytes)
    return tuple(
        _phase(name, run, peak)
        for (name, run), peak in zip(members.items(), peaks, strict=True)
        if run or name == "forward"
    )


def _phase(name: str, kernels: list[tuple[KernelCost, int]], peak_bytes: int) -> PhaseCost:
    time_of: dict[str, float] = {}
    for kernel, count in kernels:
        time_of[kernel.bound] = time_of.get(kernel.bound, 0.0) + count * kernel.time_ms
    return PhaseCost(
        name,
        sum(count for _, count in kernels),
        sum(count * kernel.macs for kernel, count in kernels),
        sum(count * kernel.flops for kernel, count in kernels),
        sum(count * kernel.traffic_bytes for kernel, count in kernels),
        sum(count * kernel.weight_bytes for kernel, count in kernels),
        peak_bytes,
        sum(count * kernel.time_ms for kernel, count in kernels),
        sum(count * kernel.share for kernel, count in kernels),
        max(time_of, key=time_of.__getitem__, default=""),
    )
