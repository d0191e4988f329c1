"""The largest batches that devices hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle._units import MISSING, aligned
from oracle.report.captions import origin_caption
from oracle.report.grid import Column, Grid
from oracle.report.texts import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.query import Fit
    from oracle.query.contexts import ContextFit

_GIB, _KIB = 2**30, 2**10


def fit_tables(fits: Sequence[Fit]) -> list[RenderableType]:
    """One row per network, device and mode; decoders, and devices of two memories, apart; then what peaks leave out."""
    words = {
        ", ".join(
            [w.dtype, w.runner, *([] if item.tokens else [w.layout]), *([f"weights {w.weights}"] if w.weights else [])]
        )
        for item in fits
        for w in (item.workload,)
    }
    two = [item for item in fits if item.fits_flash is not None]
    one = ([item for item in fits if item not in two and bool(item.tokens) is long] for long in (False, True))
    grids = [*(_one_memory(some) for some in one if some), *([_two_memories(two)] if two else [])]
    return [
        Text(f"Largest batch: {'; '.join(sorted(words))}.", style="bold"),
        *grids,
        Text("\n".join(filter(None, _notes(fits, two))), style="dim"),
    ]


def context_tables(fits: Sequence[ContextFit]) -> list[RenderableType]:
    """One row per decoder and device; then what peaks leave out."""
    words = {
        ", ".join([w.dtype, w.runner, *([f"weights {w.weights}"] if w.weights else []), f"{w.batch_size} at once"])
        for w in (item.workload for item in fits)
    }
    grid = Grid(
        (
            Column("Network", [item.network for item in fits]),
            Column("Device", [item.device for item in fits]),
            Column("Memory", aligned([item.memory_bytes for item in fits], _GIB), "GiB", number=True),
            Column("Longest", [f"{item.context:,}" for item in fits], "tokens", number=True),
            Column("Network takes", [f"{item.limit:,}" if item.limit else "any" for item in fits], number=True),
            Column("KV cache", aligned([item.kv_cache_bytes for item in fits], _GIB), "GiB", number=True),
            Column("Peak", aligned([item.peak_memory_bytes or None for item in fits], _GIB), "GiB", number=True),
        )
    )
    none = dict.fromkeys(
        f"{item.network} alone, with sequences of two tokens, takes {item.least_bytes / _GIB:.4g} GiB."
        for item in fits
        if not item.context
    )
    lines = [*_stated(fits), *none, *_uncounted(max(item.reserve_bytes for item in fits))]
    text = Text("\n".join(lines), style="dim")
    return [Text(f"Longest sequences while decoding: {'; '.join(sorted(words))}.", style="bold"), grid, text]


def _one_memory(fits: Sequence[Fit]) -> Grid:
    unit = "sequences" if fits[0].tokens else "images"
    return Grid(
        (
            *_who(fits),
            Column("Memory", aligned([item.memory_bytes for item in fits], _GIB), "GiB", number=True),
            Column("Batch", [str(item.batch_size) for item in fits], unit, number=True),
            Column("Peak", aligned([item.peak_memory_bytes or None for item in fits], _GIB), "GiB", number=True),
            Column("Next", [str(item.next_batch_size or MISSING) for item in fits], unit, number=True),
            Column("Its peak", aligned([item.next_peak_memory_bytes for item in fits], _GIB), "GiB", number=True),
        )
    )


def _two_memories(fits: Sequence[Fit]) -> Grid:
    """Where a batch fits, its tensors beside the SRAM, else those of the smallest batch."""
    tensors = [_tensors(item) for item in fits]
    return Grid(
        (
            *_who(fits),
            Column("SRAM", aligned([item.memory_bytes for item in fits], _KIB), "KiB", number=True),
            Column("Arena" if fits[0].arena else "Tensors", aligned(tensors, _KIB), "KiB", number=True),
            Column("Flash", aligned([item.flash_memory_bytes for item in fits], _KIB), "KiB", number=True),
            Column("Weights", aligned([item.flash_bytes for item in fits], _KIB), "KiB", number=True),
            Column("Batch", [str(item.batch_size) for item in fits], "images", number=True),
            Column("Fits", [_verdict(item) for item in fits]),
        )
    )


def _tensors(item: Fit) -> int:
    """Bytes of the largest batch that fits, else of the smallest."""
    return item.peak_memory_bytes or item.next_peak_memory_bytes or 0


def _verdict(item: Fit) -> str:
    in_sram = _tensors(item) <= item.memory_bytes - item.reserve_bytes
    return {
        (True, True): "both",
        (True, False): "flash only",
        (False, True): "SRAM only",
        (False, False): "neither",
    }[bool(item.fits_flash), in_sram]


def _who(fits: Sequence[Fit]) -> tuple[Column, ...]:
    return (
        Column("Network", [item.network for item in fits]),
        Column("Device", [item.device for item in fits]),
        Column("Mode", [_mode(item) for item in fits]),
    )


def _notes(fits: Sequence[Fit], two: Sequence[Fit]) -> list[str]:
    reserve = max((item.reserve_bytes for item in fits), default=0)
    lines = [origin_caption(fits), *_stated(fits), *_uncounted(reserve)]
    if two and two[0].arena:
        lines.append(
            "Arena: what TFLite-Micro's greedy planner lays tensors out in; beside it in SRAM, and not counted, are "
            "its records of tensors and operators and the scratch of kernels. Weights lie in flash, beside the code."
        )
    elif two:
        lines.append(
            "Tensors: what a batch has alive at once (the smallest, where none fits), the least that any planner of a "
            "tensor arena needs. Weights lie in flash, beside the code; training changes them, and keeps all in SRAM."
        )
    return lines


def _stated(fits: Sequence[Fit] | Sequence[ContextFit]) -> list[str]:
    """Notes of answers, each once."""
    return [f"Note: {note}." for note in dict.fromkeys(note for item in fits for note in item.notes)]


def _uncounted(reserve: int) -> list[str]:
    return [
        "Peak memory: weights, live tensors, caches of decoders, and in training gradients and optimiser state. Not "
        "counted: workspace of kernels, what the allocator rounds up, the framework's context"
        + (f"; {reserve / _GIB:g} GiB are kept free for them." if reserve else "; --reserve GIB leaves room for them."),
    ]


def _mode(item: Fit) -> str:
    return f"training ({item.workload.optimizer})" if item.workload.training else item.workload.mode
