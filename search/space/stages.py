"""The rule about the number of stages of a RegNet, in advance: most members of its space break it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from yacs.config import CfgNode

from oracle.families.many.regnet import level_counts
from search.space.limits import Miss, Tally

__all__ = ["NUM_STAGES", "likely_rows"]

NUM_STAGES = "REGNET.NUM_STAGES"
_MANY = 20_000  # more levels than any network has blocks


def likely_rows(
    columns: Mapping[str, NDArray[Any]], base: CfgNode, num_stages: tuple[int, int], count: int
) -> tuple[NDArray[np.int64], Tally]:
    """Ascending rows that may have the wanted number of stages, told by their last blocks, and who does not.

    Rows with which there is no RegNet are left to those who check that; so are skipped levels.
    """
    depth, w0, wa, wm = (
        np.broadcast_to(columns.get(f"REGNET.{name}", base.REGNET[name]), count) for name in ("DEPTH", "W0", "WA", "WM")
    )
    rows = np.arange(count)
    sound = rows[(depth >= 1) & (w0 >= 1) & (wa >= 0) & (wm > 1)]
    whole = len(sound) == count
    levels = level_counts(*(column if whole else column[sound] for column in (depth, w0, wa, wm)))
    low, high = num_stages
    outside = sound[(levels < low) | (levels > high)]
    if not len(outside):
        return rows, Tally()
    found = np.flatnonzero(np.bincount(np.minimum(levels, _MANY)))
    misses = [(max((low - n) / low if low else 0.0, (n - high) / high), int(n)) for n in found]
    excess, value = min(miss for miss in misses if miss[0] > 0)
    likely = np.ones(count, dtype=bool)
    likely[outside] = False
    nearest = Miss(excess, float(value), f"{low} to {high} stages")
    return rows[likely], Tally(0, 0, {NUM_STAGES: len(outside)}, {NUM_STAGES: nearest})
