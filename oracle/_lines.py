"""Results in a line, for people who look at them in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._units import aligned, prefix

if TYPE_CHECKING:
    from oracle.query.cost import Cost
    from oracle.query.curves import BatchCurve

LOWER_BOUND = "lower bound: every peak reached, launches free"
"""What a time rests on that is the bound by request."""

_NAMED = 5  # devices, before the others are only counted


def cost_line(cost: Cost) -> str:
    """A cost in a line, for people who look at it in Python: `Cost('R-56', batch_size=1, float32, ...: ...)`."""
    workload = cost.workload
    words = [workload.dtype, workload.mode, workload.runner]
    words += [f"weights {workload.weights}"] if workload.weights else []
    words += [word for word, usual in ((workload.layout, "nchw"), (cost.convention, "oracle")) if word != usual]
    counts = []
    work = (cost.flops, "FLOPs") if cost.macs is None else (cost.macs, "MACs")  # some conventions know no MACs
    for count, name in (work, (cost.params, " params")):
        if count is not None:
            unit, scale = prefix([count], name)
            counts.append(f"{aligned([count], scale)[0]} {unit.strip()}")
    times = [f"{name} {aligned([ms])[0]} ms" for name, ms in cost.latency_ms.items()]
    if len(times) > _NAMED:
        times[_NAMED:] = [f"and {len(times) - _NAMED} devices more"]
    return f"Cost({cost.name!r}, batch_size={workload.batch_size}, {', '.join(words)}: {', '.join(counts + times)})"


def curve_line(curve: BatchCurve) -> str:
    """A curve in a line: `BatchCurve('R-56', batch_size=1 to 64, float16, ...: best on t4 64 (3.21 ms))`."""
    sizes, workload = curve.batch_sizes, curve.workload
    best = []
    for device in list(curve.points)[:_NAMED]:
        point = curve.best(device)
        shown = "none" if point is None else f"{point.batch_size} ({aligned([point.latency_ms])[0]} ms)"
        best.append(f"best on {device} {shown}")
    if len(curve.points) > _NAMED:
        best.append(f"and {len(curve.points) - _NAMED} devices more")
    words = f"{workload.dtype}, {workload.mode}, {workload.runner}"
    return f"BatchCurve({curve.network!r}, batch_size={sizes[0]} to {sizes[-1]}, {words}: {', '.join(best)})"
