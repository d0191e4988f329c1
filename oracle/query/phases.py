"""The phases of a call: forward, and in training backward and the optimiser's step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.counting.memory import PHASES, PeakMemory

if TYPE_CHECKING:
    from oracle.query.cost import KernelCost

__all__ = ["PhaseCost", "phases_of"]


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


def phases_of(kernels: Iterable[KernelCost], memory: PeakMemory) -> tuple[PhaseCost, ...]:
    """Sum kernels by phase, in order of execution; a phase without kernels is left out, but for the forward pass."""
    members: dict[str, list[KernelCost]] = {phase: [] for phase in PHASES}
    for kernel in kernels:
        members[kernel.phase].append(kernel)
    peaks = (memory.forward_bytes, memory.backward_bytes, memory.optimizer_bytes)
    return tuple(
        _phase(name, run, peak)
        for (name, run), peak in zip(members.items(), peaks, strict=True)
        if run or name == "forward"
    )


def _phase(name: str, kernels: list[KernelCost], peak_bytes: int) -> PhaseCost:
    time_of: dict[str, float] = {}
    for kernel in kernels:
        time_of[kernel.bound] = time_of.get(kernel.bound, 0.0) + kernel.time_ms
    return PhaseCost(
        name,
        len(kernels),
        sum(kernel.macs for kernel in kernels),
        sum(kernel.flops for kernel in kernels),
        sum(kernel.traffic_bytes for kernel in kernels),
        sum(kernel.weight_bytes for kernel in kernels),
        peak_bytes,
        sum(kernel.time_ms for kernel in kernels),
        sum(kernel.share for kernel in kernels),
        max(time_of, key=time_of.__getitem__, default=""),
    )
