"""Decoders that are served: latencies and throughput by requests in flight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned
from oracle.report.grid import Column
from oracle.report.sheets import Sheet
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.serving import Serving

_GIB = 2**30


def serving_tables(servings: Sequence[Serving]) -> list[RenderableType]:
    """A table per answer with a row per concurrency; then what its words mean and how far off it may be."""
    notes = [
        "TTFT, TPOT: mean time to first token, and per output token after it, with so many requests always in flight.",
        *dict.fromkeys(map(_error, servings)),
    ]
    if any(item.in_step is None for item in servings):
        notes.insert(1, "Nobody said what share of requests is of equal lengths (in step): it is what was least off.")
    if any(point.running < point.concurrency for item in servings for point in item.points):
        notes.insert(1, "Running: requests that the cache has room for; the others wait, which is in TTFT.")
    return [*map(_sheet, servings), Text("\n".join(notes), style="dim")]


def _sheet(item: Serving) -> Sheet:
    points = item.points
    return Sheet(
        (
            Column("In flight", [str(point.concurrency) for point in points], "requests", number=True),
            Column("Running", [str(point.running) for point in points], "requests", number=True),
            Column("TTFT", aligned([point.ttft_ms for point in points]), "ms", number=True),
            Column("TPOT", aligned([point.tpot_ms for point in points]), "ms", number=True),
            Column("User", aligned([point.tokens_per_s_per_user for point in points]), "tokens/s", number=True),
            Column("GPU", aligned([point.tokens_per_s_per_gpu for point in points]), "tokens/s", number=True),
            Column("All", aligned([point.tokens_per_s for point in points]), "tokens/s", number=True),
        ),
        f"{item.network} on {_place(item)} under {item.engine}: {item.input_tokens} tokens in{_cached(item)}, "
        f"{item.output_tokens} out{_in_step(item)}; "
        f"weights {item.weights} ({item.weight_bytes / _GIB:.1f} GiB per GPU), "
        f"cache {item.kv} ({item.kv_bytes_per_token / 1e3:.1f} kB per token and GPU)",
        keys=1,
    )


def _cached(item: Serving) -> str:
    return f" ({item.cached:.0%} of them cached)" if item.cached else ""


def _in_step(item: Serving) -> str:
    return "" if item.in_step is None else f", {item.in_step:.0%} of requests in step"


def _place(item: Serving) -> str:
    ways = item.parallel.ways
    return f"{item.parallel.gpus} {item.device}{f' ({ways})' if ways else ''}"


def _error(item: Serving) -> str:
    errors = item.expected_error
    words = ", ".join(f"{name} {errors[name]:.0%} (median {errors[f'{name}_MEDIAN']:.0%})" for name in ("TPOT", "TTFT"))
    return f"Mean error of {item.engine} on rows not fitted: {words} ({item.source})."
