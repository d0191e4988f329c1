"""Time split by what bounds it: of a whole call, of each stage, kind of operator, or phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.report.marks import MARKS, mark_of
from oracle.report.stages import stages_of

if TYPE_CHECKING:
    from oracle.query import Cost, KernelCost

PER_CALL = "(per call)"
"""The name of what belongs to a call and to no kernel."""


@dataclass(frozen=True, slots=True)
class Split:
    """Some of the kernels of a call on one device.

    Attributes:
        name: of the stage, kind or phase.
        kernels: how many.
        flops, traffic_bytes: their sums.
        compute_ms, memory_ms, launch_ms: time of the kernels that each bounds.
    """

    name: str
    kernels: int
    flops: int
    traffic_bytes: int
    compute_ms: float
    memory_ms: float
    launch_ms: float

    @property
    def total_ms(self) -> float:
        """Time in all."""
        return self.compute_ms + self.memory_ms + self.launch_ms


def whole(cost: Cost, device: str) -> Split:
    """A whole call."""
    time = cost.times[device]
    share = time.bound_share
    kernels = cost.kernels(device)
    times = [time.latency_ms * share[bound] for bound in ("compute", "memory", "launch")]
    return Split(cost.workload.runtime, len(kernels), cost.executed_flops, cost.traffic_bytes, *times)


def by_stage(cost: Cost, device: str) -> tuple[Split, ...]:
    """Stages in the order of execution; what belongs to the call comes last."""
    kernels = cost.kernels(device)
    stages = stages_of(kernel.module for kernel in kernels)
    names = dict.fromkeys(stages[kernel.module] for kernel in kernels)
    found = [_split(name, [k for k in kernels if stages[k.module] == name]) for name in names]
    return (*found, *_per_call(cost, device))


def by_kind(cost: Cost, device: str) -> tuple[Split, ...]:
    """Kinds of operators, as `oracle.report.marks` has them, that take part; what belongs to the call comes last."""
    kernels = cost.kernels(device)
    groups = [(mark.name, [k for k in kernels if mark_of(k.op_class) is mark]) for mark in MARKS]
    return (*(_split(name, members) for name, members in groups if members), *_per_call(cost, device))


def by_phase(cost: Cost, device: str) -> tuple[Split, ...]:
    """Forward, backward and optimiser, in so far as there are any; what belongs to the call comes last."""
    kernels = cost.kernels(device)
    names = dict.fromkeys(kernel.phase for kernel in kernels)
    return (*(_split(name, [k for k in kernels if k.phase == name]) for name in names), *_per_call(cost, device))


def _per_call(cost: Cost, device: str) -> tuple[Split, ...]:
    call_ms = cost.times[device].call_ms
    return (Split(PER_CALL, 0, 0, 0, 0.0, 0.0, call_ms),) if call_ms else ()


def _split(name: str, kernels: Sequence[KernelCost]) -> Split:
    return Split(
        name,
        len(kernels),
        sum(kernel.flops for kernel in kernels),
        sum(kernel.traffic_bytes for kernel in kernels),
        *(_time(kernels, bound) for bound in ("compute", "memory", "launch")),
    )


def _time(kernels: Iterable[KernelCost], bound: str) -> float:
    return sum(kernel.time_ms for kernel in kernels if kernel.bound == bound)
