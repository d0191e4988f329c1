"""RegNet (arXiv 2003.13678): block widths lie on a quantised line, so a network is a handful of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH, integer, require
from oracle.families._stages import Names, Stage, compatible
from oracle.families.anynet import assemble
from oracle.spec import NetSpec

__all__ = [
    "NAMES",
    "QUANTUM",
    "block_levels",
    "block_widths",
    "level_widths",
    "stage_runs",
    "stages_of",
    "to_spec",
]

QUANTUM = 8
NAMES = Names(
    "REGNET", "REGNET.DEPTH", "REGNET.W0", "REGNET.STRIDE", bot_mul="REGNET.BOT_MUL", group_w="REGNET.GROUP_W"
)


def block_widths(block: NDArray[Any], w0: Any, wa: Any) -> NDArray[np.float64]:
    """u_j = w0 + wa * j: the line, before quantisation. All arrays broadcast, here and below."""
    widths: NDArray[np.float64] = block * wa + w0
    return widths


def block_levels(widths: NDArray[np.float64], w0: Any, wm: Any) -> NDArray[np.float64]:
    """k_j = round(log(u_j / w0) / log wm): the nearest power of wm, halves to even."""
    levels: NDArray[np.float64] = np.round(np.log(widths / w0) / np.log(wm))
    return levels


def level_widths(levels: NDArray[np.float64], w0: Any, wm: Any) -> NDArray[np.int64]:
    """w_j = w0 * wm ** k_j, rounded to a multiple of 8."""
    widths: NDArray[np.int64] = np.round(np.divide(w0 * np.power(wm, levels), QUANTUM)).astype(np.int64)
    return widths * QUANTUM


def stage_runs(widths: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(width, depth) of each stage: the runs of equal width in one network's ascending widths."""
    values, counts = np.unique(widths, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def to_spec(cfg: Any) -> NetSpec:
    """The network of the REGNET section.

    Raises:
        ConfigError: numbers outside WA >= 0, W0 > 0 and a multiple of 8, WM > 1, or a network beyond reason.
    """
    return assemble(cfg, stages_of(cfg), NAMES)


def stages_of(cfg: Any) -> list[Stage]:
    """The stages that the numbers of the REGNET section stand for.

    Raises:
        ConfigError: as `to_spec`.
    """
    section = cfg.REGNET
    depth = integer("REGNET.DEPTH", section.DEPTH, high=MAX_BLOCKS)
    w0 = integer("REGNET.W0", section.W0)
    require(w0 % QUANTUM == 0, "REGNET.W0", w0, f"a multiple of {QUANTUM}")
    require(0 <= section.WA <= MAX_WIDTH, "REGNET.WA", section.WA, f"a number from 0 to {MAX_WIDTH}")
    require(1 < section.WM <= MAX_WIDTH, "REGNET.WM", section.WM, f"a number above 1 and at most {MAX_WIDTH}")
    levels = block_levels(block_widths(np.arange(depth), w0, section.WA), w0, section.WM)
    runs = stage_runs(level_widths(levels, w0, section.WM))
    stages = [Stage(count, width, section.STRIDE, section.BOT_MUL, section.GROUP_W) for width, count in runs]
    return compatible(stages, NAMES)
