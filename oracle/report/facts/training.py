"""Facts about a training step: time and peak memory by phase, and the largest batch that a device holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.report.captions import workload_caption
from oracle.report.splits import Split, by_phase

if TYPE_CHECKING:
    from oracle.query import Cost, Fit

_FIT = ("device", "batch_size", "peak_memory_bytes", "next_batch_size", "next_peak_memory_bytes", "memory_bytes")


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """What a phase's peak memory is made of.

    Attributes:
        name: of the phase.
        weights_bytes, states_bytes: weights, and the optimiser's state.
        rest_bytes: activations, gradients and temporaries, at the moment of the peak.
    """

    name: str
    weights_bytes: int
    states_bytes: int
    rest_bytes: int


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """A training step, under the network's workload otherwise.

    Attributes:
        workload: in words; "" where the step could not be counted.
        phases: device -> time of each phase.
        memory: of each phase, the same on every device.
        fits: of each `oracle.query.Fit`: mode, and the fields that a figure shows.
        missing: why something is not there.
    """

    workload: str
    phases: Mapping[str, tuple[Split, ...]]
    memory: tuple[MemoryParts, ...]
    fits: Sequence[Mapping[str, Any]]
    missing: Sequence[str]


def training_facts(step: Cost | None, fits: Sequence[Fit], missing: Sequence[str] = ()) -> TrainingFacts:
    """Facts of a training step.

    Args:
        step: the cost of one; None where it cannot be counted.
        fits: the largest batches.
        missing: why something is not there.
    """
    rows = [{"mode": item.workload.mode, **{name: getattr(item, name) for name in _FIT}} for item in fits]
    if step is None:
        return TrainingFacts("", {}, (), rows, list(missing))
    held = step.memory
    parts = tuple(
        MemoryParts(
            phase.name,
            held.weights_bytes,
            held.states_bytes,
            phase.peak_memory_bytes - held.weights_bytes - held.states_bytes,
        )
        for phase in step.phases()
    )
    phases = {name: by_phase(step, name) for name in step.times}
    return TrainingFacts(workload_caption(step.workload), phases, parts, rows, list(missing))
