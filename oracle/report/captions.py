"""What a number means, in a line: the workload it holds for, how it was counted, how it was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned, one_line, percent, prefix
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.measure import Measurement
    from oracle.memory import PeakMemory
    from oracle.query import Cost, DeviceTime, Fit
    from oracle.query.models import Trust

__all__ = [
    "count_caption",
    "held",
    "memory_caption",
    "origin_caption",
    "spread_note",
    "time_caption",
    "titled",
    "trust_caption",
    "workload_caption",
]

_TEXTBOOK = "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache)"
_UNSTEADY = 0.2  # of the median: what is fitted to more is fitted to what else the host did
_NAMED = 5


def spread_note(found: Sequence[Measurement]) -> str:
    """Which measurements vary too much to be trusted, the worst first; "" if none does."""
    spreads = [(item.spread or 0.0, item.network) for item in found if (item.spread or 0.0) > _UNSTEADY]
    if not spreads:
        return ""
    worst = sorted(spreads, reverse=True)
    names = [f"{network} {100 * spread:.0f} %" for spread, network in worst[:_NAMED]]
    names += [f"and {len(worst) - _NAMED} more"] if len(worst) > _NAMED else []
    return (
        f"spread (iqr_ms / latency_ms) above {100 * _UNSTEADY:.0f} % in {len(worst)} of {len(found)} measurements "
        f"({', '.join(names)}): something else kept the host busy; measure again, or with --threads 1 --clock cpu"
    )


def titled(what: str, places: Sequence[str]) -> str:
    """`ResNet-50 on NVIDIA T4 and NVIDIA L4`; of more than three places their number."""
    if not places:
        return what
    if len(places) > 3:
        return f"{what} on {len(places)} devices"
    return f"{what} on {' and '.join(filter(None, (', '.join(places[:-1]), places[-1])))}"


def workload_caption(workload: Workload) -> str:
    """`per call of 64 images: float16, inference, compiled, nchw`."""
    images = f"{workload.batch_size} image" + ("s" if workload.batch_size > 1 else "")
    mode = f"training ({workload.optimizer})" if workload.training else workload.mode
    words = [workload.dtype, mode, workload.runtime, workload.layout]
    if workload.weights:
        words.append(f"weights {workload.weights}")
    if workload.causal != "full":
        words.append(f"causal attention {workload.causal}")
    return f"Per call of {images}: {', '.join(words)}."


def origin_caption(costs: Sequence[Cost] | Sequence[Fit]) -> str:
    """For networks that are no configs: what was run, on what inputs, made by which versions; "" for configs."""
    origins = dict.fromkeys(cost.origin for cost in costs if cost.origin is not None)
    lines = []
    for origin in origins:
        notes = ["built on the CPU, as its constructor refuses meta"] if origin.built_on == "cpu" else []
        notes.append(", ".join(f"{package} {version}" for package, version in origin.versions))
        lines.append(f"{one_line(origin.reference)}: input {', '.join(origin.inputs)}; {'; '.join(notes)}.")
    return "\n".join(lines)


def count_caption(costs: Sequence[Cost]) -> str:
    """Whose convention, and how many of the operators it covers."""
    total = sum(sum(cost.coverage) for cost in costs)
    unknown = sum(cost.coverage[2] for cost in costs)
    missing = sorted({name for cost in costs for name in cost.unknown})
    covered = f"all {total} operators known"
    if unknown:
        covered = f"{unknown} of {total} operators count 0 FLOPs, having no formula ({', '.join(missing)})"
    convention = costs[0].convention
    if convention == "oracle":
        return f"Counts: the oracle's own, 1 MAC = 2 FLOPs; {covered}."
    return f"Counts: as {convention} counts; traffic, intensity and times: the oracle's own, {covered}."


def time_caption(times: Iterable[DeviceTime]) -> str:
    """Which model predicts, on what it rests, how far off it was found to be, and what holds most cases."""
    return "\n".join(dict.fromkeys(_model(time) for time in times))


def memory_caption(memory: PeakMemory) -> str:
    """What of the memory stays: `Memory: weights 102.4, optimiser state 102.2, ... MB`."""
    found = held(memory)
    unit, scale = prefix(found.values(), "B")
    sizes = ", ".join(f"{name} {aligned([size], scale)[0].strip()}" for name, size in found.items())
    return f"Memory in {unit}: {sizes}." if found else "Memory: no weights."


def held(memory: PeakMemory) -> dict[str, int]:
    """What stays in memory -> its bytes; what there is none of is left out."""
    parts = {
        "weights": memory.weights_bytes,
        "optimiser state": memory.states_bytes,
        "gradients": memory.gradients_bytes,
        "saved activations": memory.saved_bytes,
    }
    return {name: size for name, size in parts.items() if size}


def trust_caption(trusts: Mapping[str, Trust]) -> str:
    """What `time_caption` says, for columns of latencies: how far to trust each device's."""
    lines = ["; ".join(_trusted(name, *trust)) + "." for name, trust in trusts.items()]
    return "\n".join(lines) or f"{_TEXTBOOK}; error not measured."


def _model(time: DeviceTime) -> str:
    interval = None
    if time.interval_ms is not None and time.latency_ms:
        interval = (time.interval_ms[0] / time.latency_ms, time.interval_ms[1] / time.latency_ms)
    parts = _trusted(time.device, time.model, time.expected_error, time.source, interval)
    if time.call_ms:
        parts.append(f"{aligned([time.call_ms])[0].strip()} ms per call are in no kernel")
    return "; ".join(parts) + "."


def _trusted(
    device: str, model: str, error: float | None, source: str, interval: tuple[float, float] | None
) -> list[str]:
    """What predicts, its error, and what holds 80 % of cases, relative to the prediction."""
    said = source if model == "prior" else f"{model} ({source})"
    parts = [_TEXTBOOK if model == "roofline" else f"Times on {device}: {said}"]
    parts.append("error not measured" if error is None else f"mean error {percent([error])[0].strip()} %")
    if interval is not None:
        low, high = (100 * (edge - 1) for edge in interval)
        parts.append(f"80 % of cases from {low:+.0f} to {high:+.0f} %")
    return parts
