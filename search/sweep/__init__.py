"""Sweeps: a population drawn from a space, scored on every device, judged by its limits, and exported.

Everything is written chunk by chunk, so that memory is bounded (16 bytes of fingerprint per candidate that is
kept) and a sweep that was killed goes on where it was.
"""

from __future__ import annotations

from search.sweep.read import Candidates, read_candidates
from search.sweep.run import SweepResult, sweep

__all__ = ["Candidates", "SweepResult", "read_candidates", "sweep"]
