"""What a number means, in a line: the workload it holds for, how it was counted, how it was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from oracle._lines import LOWER_BOUND
from oracle._units import aligned, one_line, percent, prefix
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.measure import Measurement
    from oracle.memory import PeakMemory
    from oracle.query import BatchCurve, Cost, DeviceTime, Fit
    from oracle.query.trust import Trust

_TEXTBOOK = "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache)"
_BOTH = (
    "Latency is the prediction, what a stopwatch should show, or the lower bound itself where nothing was measured; "
    "the lower bound is what no software can beat there: every peak reached, launches free (the textbook's roofline)."
)
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


def workload_caption(workload: Workload, tokens: int = 0) -> str:
    """`per call of 64 images: float16, inference, compiled, nchw`; of sequences, where they are of so many tokens."""
    many = "s" if workload.batch_size > 1 else ""
    images = f"{workload.batch_size} sequence{many}, {tokens} token" if tokens else f"{workload.batch_size} image{many}"
    images += ("s each" if tokens > 1 else " each") if tokens else ""
    mode = f"training ({workload.optimizer})" if workload.training else workload.mode
    words = [workload.dtype, mode, workload.runner, *([] if tokens else [workload.layout])]
    if workload.threads:
        words.append(f"{workload.threads} thread" + ("s" if workload.threads > 1 else ""))
    if workload.host:
        words.append(f"host {workload.host}")
    if workload.cuda_graphs:
        words.append("CUDA graphs")
    if workload.weights:
        words.append(f"weights {workload.weights}")
    if workload.causal != "full":
        words.append(f"causal attention {workload.causal}")
    return f"Per call of {images}: {', '.join(words)}."


def origin_caption(costs: Sequence[Cost] | Sequence[Fit] | Sequence[BatchCurve]) -> str:
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
    line = f"Counts: as {convention} counts; traffic, intensity and times: the oracle's own, {covered}."
    if convention == "oracle":
        line = f"Counts: the oracle's own, 1 MAC = 2 FLOPs; {covered}."
    notes = dict.fromkeys(one_line(note) for cost in costs for note in cost.notes)
    return "\n".join([line, *(f"Note: {note}." for note in notes)])


def time_caption(times: Iterable[DeviceTime]) -> str:
    """Which model predicts, on what it rests, and its error; of a single time, how much of it is in no kernel."""
    found = list(times)
    lines = _merged([(time.device, time.model, time.expected_error, time.source) for time in found])
    if len(found) == 1 and found[0].call_ms:
        call = aligned([found[0].call_ms])[0].strip()
        lines[0] = f"{lines[0][:-1]}; {call} ms per call are in no kernel: entering it, or waiting for the host."
    lines += [
        f"Time on {time.device} is what the host takes to launch kernels: {time.host}." for time in found if time.host
    ]
    lines = list(dict.fromkeys(lines))
    return "\n".join([_BOTH, *lines] if any(time.source != LOWER_BOUND for time in found) else lines)


def _merged(text: Sequence[tuple[str, str, float | None, str]]) -> list[str]:
    """A line per device and model; of several sizes or batches outside of what was fitted, the first is shown."""
    groups: dict[tuple[str, str, str], list[tuple[float | None, str]]] = {}
    for device, model, error, source in text:
        base, _, outside = source.partition("; fitted to ")
        groups.setdefault((device, model, base), []).append((error, outside))
    lines = []
    for (device, model, base), cases in groups.items():
        known = [error for error, _ in cases if error is not None]
        others = list(dict.fromkeys(where for _, where in cases if where))
        more = f", the first of {len(others)} such cases" if len(others) > 1 else ""
        where, *rest = others[0].split("; ") if others else [""]
        source = "; ".join([f"{base}; fitted to {where}{more}", *rest]) if others else base
        lines.append(_trusted(device, model, known[0] if known else None, source))
    return list(dict.fromkeys(lines))


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
    """What `time_caption` says, for columns of latencies: how far to trust each device's, and what holds most cases."""
    lines = []
    for name, trust in trusts.items():
        line = _trusted(name, trust.model, trust.expected_error, trust.source)
        if trust.interval is not None:
            low, high = (100 * (edge - 1) for edge in trust.interval)
            line = f"{line[:-1]}; 80 % of cases from {low:+.0f} to {high:+.0f} %."
        lines.append(f"{line[:-1]}; host {trust.host}." if trust.host else line)
    return "\n".join([_BOTH, *lines]) if lines else f"{_TEXTBOOK}; error not measured."


def _trusted(device: str, model: str, error: float | None, source: str) -> str:
    """What predicts, and its error."""
    if source == LOWER_BOUND:
        return f"{_TEXTBOOK}; error not measured."
    if model == "roofline":
        return f"Times on {device}: {source}."
    text = source if model == "prior" else f"{model} ({source})"
    known = "error not measured" if error is None else f"mean error {percent([error])[0].strip()} %"
    return f"Times on {device}: {text}; {known}."
