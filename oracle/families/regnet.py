"""RegNet (arXiv 2003.13678): block widths lie on a quantised line, so a network is a handful of numbers."""

from __future__ import annotations

from collections import Counter
from math import log
from typing import TYPE_CHECKING, Any

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH, integer, require
from oracle.families._stages import Names, Stage, compatible
from oracle.families.anynet import assemble
from oracle.spec import NetSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUANTUM = 8
# Where plain Python rounds as numpy does: sizes whose errors, of a few units in the last place, are below 1e-6, and
# fractions further than that from a half.
_MOST_LEVELS, _MOST_QUANTA, _CLEAR = 1e4, 1e8, 0.5 - 1e-6
NAMES = Names(
    "REGNET", "REGNET.DEPTH", "REGNET.W0", "REGNET.STRIDE", bot_mul="REGNET.BOT_MUL", group_w="REGNET.GROUP_W"
)


def block_widths(block: NDArray[Any], w0: Any, wa: Any) -> NDArray[np.float64]:
    """u_j = w0 + wa * j: the line, before quantisation. All arrays broadcast, here and below."""
    widths: NDArray[np.float64] = block * wa + w0
    return widths


def block_levels(widths: NDArray[np.float64], w0: Any, wm: Any) -> NDArray[np.float64]:
    """k_j = round(log(u_j / w0) / log wm): the nearest power of wm, halves to even."""
    import numpy as np

    levels: NDArray[np.float64] = np.round(np.log(widths / w0) / np.log(wm))
    return levels


def level_widths(levels: NDArray[np.float64], w0: Any, wm: Any) -> NDArray[np.int64]:
    """w_j = w0 * wm ** k_j, rounded to a multiple of 8."""
    import numpy as np

    widths: NDArray[np.int64] = np.round(np.divide(w0 * np.power(wm, levels), QUANTUM)).astype(np.int64)
    return widths * QUANTUM


def stage_runs(widths: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(width, depth) of each stage: the runs of equal width in one network's ascending widths."""
    return sorted(Counter(widths.tolist()).items())


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
    section = cfg["REGNET"]
    depth = integer("REGNET.DEPTH", section["DEPTH"], high=MAX_BLOCKS)
    w0 = integer("REGNET.W0", section["W0"])
    wa, wm = section["WA"], section["WM"]
    require(w0 % QUANTUM == 0, "REGNET.W0", w0, f"a multiple of {QUANTUM}")
    require(0 <= wa <= MAX_WIDTH, "REGNET.WA", wa, f"a number from 0 to {MAX_WIDTH}")
    require(1 < wm <= MAX_WIDTH, "REGNET.WM", wm, f"a number above 1 and at most {MAX_WIDTH}")
    stride, bot_mul, group_w = section["STRIDE"], section["BOT_MUL"], section["GROUP_W"]
    runs = _clear_runs(depth, w0, wa, wm) or _exact_runs(depth, w0, wa, wm)
    return compatible([Stage(count, width, stride, bot_mul, group_w) for width, count in runs], NAMES)


def _exact_runs(depth: int, w0: int, wa: float, wm: float) -> list[tuple[int, int]]:
    """`stage_runs` of a network, to the last bit as pycls's numpy rounds."""
    import numpy as np

    levels = block_levels(block_widths(np.arange(depth), w0, wa), w0, wm)
    return stage_runs(level_widths(levels, w0, wm))


def _clear_runs(depth: int, w0: int, wa: float, wm: float) -> list[tuple[int, int]] | None:
    """`stage_runs` in plain Python; None where its last bits, which are not numpy's, could decide a rounding."""
    step = log(wm)
    runs: dict[int, int] = {}
    reached, width = -1, 0
    for block in range(depth):
        exact = log((block * wa + w0) / w0) / step
        level = round(exact)
        if exact > _MOST_LEVELS or abs(exact - level) > _CLEAR:
            return None
        if level != reached:
            quanta = w0 * wm**level / QUANTUM
            reached, rounded = level, round(quanta)
            if quanta > _MOST_QUANTA or abs(quanta - rounded) > _CLEAR:
                return None
            width = rounded * QUANTUM
        runs[width] = runs.get(width, 0) + 1
    return sorted(runs.items())
