"""Sweeps: a population drawn from a space, scored on every device, judged by its limits, and exported.

Everything is written chunk by chunk, so that memory is bounded (16 bytes of fingerprint per candidate that is
kept) and a sweep that was killed goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from .read import Candidates, read_candidates
    from .run import SweepResult, sweep

__all__ = ["Candidates", "SweepResult", "read_candidates", "sweep"]

# The imports above once more, for the interpreter: candidates are read without what draws and scores them.
lazy(
    __name__,
    {
        f"{__name__}.read": "Candidates read_candidates",
        f"{__name__}.run": "SweepResult sweep",
    },
)
