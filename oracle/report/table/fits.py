"""The largest batches that devices hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import aligned
from oracle.report.captions import origin_caption
from oracle.report.grid import Column, Grid
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Fit

__all__ = ["fit_tables"]

_GIB = 2**30


def fit_tables(fits: Sequence[Fit]) -> list[RenderableType]:
    """One row per network, device and mode; then what the peaks leave out."""
    reserve = max((item.reserve_bytes for item in fits), default=0)
    lines = [
        origin_caption(fits),
        "Peak memory: weights, live tensors, and in training gradients and optimiser state. Not counted: workspace of "
        "kernels, what the allocator rounds up, the framework's context"
        + (f"; {reserve / _GIB:g} GiB are kept free for them." if reserve else "; --reserve GIB leaves room for them."),
    ]
    words = {
        ", ".join([w.dtype, w.runner, w.layout, *([f"weights {w.weights}"] if w.weights else [])])
        for w in (item.workload for item in fits)
    }
    return [
        Text(f"Largest batch: {'; '.join(sorted(words))}.", style="bold"),
        Grid(
            (
                Column("Network", [item.network for item in fits]),
                Column("Device", [item.device for item in fits]),
                Column("Mode", [_mode(item) for item in fits]),
                Column("Memory", aligned([item.memory_bytes for item in fits], _GIB), "GiB", number=True),
                Column("Batch", [str(item.batch_size) for item in fits], "images", number=True),
                Column("Peak", aligned([item.peak_memory_bytes or None for item in fits], _GIB), "GiB", number=True),
                Column("Next", [str(item.next_batch_size) for item in fits], "images", number=True),
                Column("Its peak", aligned([item.next_peak_memory_bytes for item in fits], _GIB), "GiB", number=True),
            )
        ),
        Text("\n".join(filter(None, lines)), style="dim"),
    ]


def _mode(item: Fit) -> str:
    return f"training ({item.workload.optimizer})" if item.workload.training else item.workload.mode
