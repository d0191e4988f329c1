"""What a limit on latency promises: a confidence where predictions state their error, little where they are bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oracle.errors import ConfigError
from oracle.query.trust import Trust

from .limits import Limit


def check_confidence(limits: Iterable[Limit], trust: Mapping[str, Trust], key: str = "") -> None:
    """Complain now of a confidence that nothing can answer for.

    Args:
        limits: those of a study, a sweep or a caller.
        trust: device -> how far to trust its latencies; empty for the textbook's bound.
        key: dotted key, for complaints.

    Raises:
        ConfigError: a limit with a confidence on a device whose prediction states no error, naming both.
    """
    for limit in limits:
        found = trust.get(limit.device)
        if limit.quantile is None or (found is not None and found.interval is not None):
            continue
        why = "model roofline is a lower bound, of no stated error" if found is None else found.source
        raise ConfigError(
            f"limit {limit.name}: no error is known of latencies on device={limit.device!r} ({why}); expected a "
            f"calibration that states one (`oracle calibrate` makes it of measurements), a workload that was measured, "
            f"or the limit without a confidence",
            key=key,
        )


def bound_notes(limits: Iterable[Limit], trust: Mapping[str, Trust]) -> list[str]:
    """A line on each limit on `latency_ms` that is judged by the roofline's bound, for want of a prediction.

    Args:
        limits, trust: as in `check_confidence`.
    """
    return [
        f"Warning: {limit.label} ({limit}) is judged by roofline_ms@{limit.device}, a lower bound, as nothing was "
        f"measured there: a network within it may take longer."
        for limit in limits
        if limit.score == "latency_ms"
        and limit.high < float("inf")
        and (limit.device not in trust or trust[limit.device].model == "roofline")
    ]
