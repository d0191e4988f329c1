"""The rule about the number of stages of a RegNet, in advance: most members of its space break it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from yacs.config import CfgNode

from oracle.families.many.regnet import level_counts
from oracle.families.regnet import stages_of

from .limits import Miss, Tally

NUM_STAGES = "REGNET.NUM_STAGES"
_MANY = 20_000  # more levels than any network has blocks


def likely_rows(
    columns: Mapping[str, NDArray[Any]], base: CfgNode, num_stages: tuple[int, int], count: int
) -> tuple[NDArray[np.int64], Tally]:
    """Ascending rows that may have the wanted number of stages, judged by their last blocks, and who does not.

    Rows with which there is no RegNet are left to those who check that; so are skipped levels.
    """
    depth, w0, wa, wm = (
        np.broadcast_to(columns.get(f"REGNET.{name}", base.REGNET[name]), count) for name in ("DEPTH", "W0", "WA", "WM")
    )
    low, high = num_stages
    sound = (depth >= 1) & (w0 >= 1) & (wa >= 0) & (wm > 1)
    if sound.all():
        levels = level_counts(depth, w0, wa, wm)
    else:
        levels = np.full(count, max(low, 1))
        levels[sound] = level_counts(*(column[sound] for column in (depth, w0, wa, wm)))
    likely = np.flatnonzero((levels >= low) & (levels <= high))
    if len(likely) == count:
        return likely, Tally()
    found = np.flatnonzero(np.bincount(np.minimum(levels, _MANY)))
    misses = [(max((low - n) / low if low else 0.0, (n - high) / high), int(n)) for n in found]
    excess, value = min(miss for miss in misses if miss[0] > 0)
    nearest = Miss(excess, float(value), f"{low} stages" if low == high else f"{low} to {high} stages")
    return likely, Tally(0, 0, {NUM_STAGES: count - len(likely)}, {NUM_STAGES: nearest})


def stage_excess(cfg: Any, num_stages: tuple[int, int] | None) -> float:
    """How far one RegNet is from the rule: 0 where it is kept or there is none, else relative to the limit.

    A network with the right number of width levels that skips some is off by their share.

    Args:
        cfg: of a RegNet that exists.
        num_stages: fewest and most stages, see `Space`.
    """
    if not num_stages:
        return 0.0
    low, high = num_stages
    section = cfg["REGNET"]
    levels = int(level_counts(*(np.array([section[name]]) for name in ("DEPTH", "W0", "WA", "WM")))[0])
    outside = max((low - levels) / low if low else 0.0, (levels - high) / high)
    return outside if outside > 0 else (levels - len(stages_of(cfg))) / levels


def stages_text(num_stages: tuple[int, int]) -> str:
    """The rule in words."""
    low, high = num_stages
    return f"{low} stages, none skipped" if low == high else f"{low} to {high} stages, none skipped"
