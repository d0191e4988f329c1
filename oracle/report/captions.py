"""What a number means, in a line: the workload it holds for, how it was counted, how it was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from oracle.report.units import aligned, percent
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.query import Cost, DeviceTime

__all__ = ["count_caption", "time_caption", "workload_caption"]


def workload_caption(workload: Workload) -> str:
    """`per call of 64 images: float16, inference, compiled, nchw`."""
    images = f"{workload.batch_size} image" + ("s" if workload.batch_size > 1 else "")
    mode = f"training ({workload.optimizer})" if workload.training else workload.mode
    words = [workload.dtype, mode, workload.runtime, workload.layout]
    if workload.causal != "full":
        words.append(f"causal attention {workload.causal}")
    return f"Per call of {images}: {', '.join(words)}."


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


def _model(time: DeviceTime) -> str:
    if time.model == "roofline":
        model = "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache)"
    else:
        source = time.source if time.model == "prior" else f"{time.model} ({time.source})"
        model = f"Times on {time.device}: {source}"
    parts = ["error not measured"]
    if time.expected_error is not None:
        parts = [f"mean error {percent([time.expected_error])[0].strip()} %"]
    if time.interval_ms is not None and time.latency_ms:
        low, high = (100 * (edge / time.latency_ms - 1) for edge in time.interval_ms)
        parts.append(f"80 % of cases from {low:+.0f} to {high:+.0f} %")
    if time.call_ms:
        parts.append(f"{aligned([time.call_ms])[0].strip()} ms per call are in no kernel")
    return "; ".join([model, *parts]) + "."
