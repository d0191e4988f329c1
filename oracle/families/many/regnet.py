"""RegNets as columns: the twin of `oracle.families.regnet`, its checks in the same order.

Every logarithm and power is taken by the numpy function that the scalar path uses, so that roundings agree to
the last bit wherever they decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH
from oracle.families.many.anynet import assemble
from oracle.families.many.chain import StageRows
from oracle.families.many.rows import Ints, Rows
from oracle.families.population import Population, taken
from oracle.families.regnet import NAMES, QUANTUM, block_levels, block_widths, level_widths, stage_runs

COLUMNS = frozenset(f"REGNET.{name}" for name in "DEPTH W0 WA WM GROUP_W BOT_MUL STRIDE STEM_W HEAD_W SE_R".split())

_FEW_LEVELS = 100  # networks with more are derived one by one
_FLAT = 1e-7  # lines as flat as this, over w0, cross a level within more than _CLOSE blocks of error: one by one, too
_CLOSE = 1e-6  # blocks; the error of a crossing is (w0 / wa + blocks) times a few roundings, 1e-8 at the most


@dataclass(frozen=True, slots=True, eq=False)
class StageTable:
    """Stages of n RegNets.

    Attributes:
        counts: (n,) how many stages.
        levels: (n,) how many width levels, skipped ones and those of equal width included.
        widths, depths: (most stages, n), 0 where a network has no such stage; widths ascend.
    """

    counts: Ints
    levels: Ints
    widths: Ints
    depths: Ints


def population(rows: Rows) -> Population:
    """The networks of the REGNET section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    table = stages_of(rows)
    b, group_w, stride = rows["REGNET.BOT_MUL"], rows["REGNET.GROUP_W"], rows["REGNET.STRIDE"]
    below, whole = (b >= 1 / MAX_WIDTH) & (b < 1), (b >= 1) & (b <= MAX_WIDTH) & (b % 1 == 0)
    b = rows.sound("REGNET.BOT_MUL", b, below | whole, 1.0)
    group_w = rows.sound("REGNET.GROUP_W", group_w, group_w > 0, 1)
    stages = []
    for number, (widths, depths) in enumerate(zip(table.widths, table.depths, strict=True)):
        at = np.flatnonzero(table.counts > number)
        ratio, group, step = (taken(value, at, rows.size) for value in (b, group_w, stride))
        width, group = _fitted(taken(widths, at, rows.size), ratio, group)
        stages.append(StageRows(at, taken(depths, at, rows.size), width, step, ratio, group))
    return assemble(rows, stages, NAMES)


def stages_of(rows: Rows) -> StageTable:
    """The stages of each row, the rules about DEPTH, W0, WA, WM and the number of stages being checked."""
    depth = rows.integer("REGNET.DEPTH", high=MAX_BLOCKS)
    w0 = rows.integer("REGNET.W0")
    w0 = rows.sound("REGNET.W0", w0, w0 % QUANTUM == 0, QUANTUM)
    wa, wm = rows["REGNET.WA"], rows["REGNET.WM"]
    wa = rows.sound("REGNET.WA", wa, (wa >= 0) & (wa <= MAX_WIDTH), 0.0)
    wm = rows.sound("REGNET.WM", wm, (wm > 1) & (wm <= MAX_WIDTH), 2.0)
    depth, w0, wa, wm = (np.broadcast_to(value, rows.size) for value in (depth, w0, wa, wm))
    table = stage_table(depth, w0, wa, wm)
    if rows.num_stages:
        low, high = rows.num_stages
        holds = (table.counts == table.levels) & (table.counts >= low) & (table.counts <= high)
        rows.sound("REGNET.NUM_STAGES", table.counts, holds, low)
    return table


def level_counts(depth: Any, w0: Any, wa: Any, wm: Any) -> Ints:
    """(n,) how many width levels each network spans, skipped ones included: the last block's level and 1."""
    return block_levels(block_widths(depth - 1, w0, wa), w0, wm).astype(np.int64) + 1


def stage_table(depth: Any, w0: Any, wa: Any, wm: Any) -> StageTable:
    """The stages of n RegNets, from columns that obey the rules of `oracle.families.regnet.to_spec`."""
    wa = wa + 0.0  # a slope of -0.0 would send crossings to the other infinity
    levels = level_counts(depth, w0, wa, wm)
    odd = (levels > _FEW_LEVELS) | ((wa < w0 * _FLAT) & (wa > 0))
    if odd.any():
        return _one_by_one_if(odd, depth, w0, wa, wm)
    most = int(levels.max(initial=1))
    starts = np.zeros((most + 1, len(depth)), dtype=np.int64)
    for level in range(1, most):
        starts[level] = np.minimum(_first_block(level, w0, wa, wm), depth)
    starts[most] = depth
    # No row is raised to more than it needs, which could overflow. The exponents must fill an array of their
    # own: where all rows share an exponent of 2, numpy squares instead, which may round differently.
    exponents = np.minimum(np.arange(most)[:, None], levels - 1, dtype=np.float64)
    return _merged(levels, level_widths(exponents, w0, wm), np.diff(starts, axis=0))


def _first_block(level: int, w0: Any, wa: Any, wm: Any) -> NDArray[np.float64]:
    """The first block of a width level or a higher one: where the line w0 + wa * j reaches w0 * wm ** (level - 1/2).

    Within its error the crossing tells all blocks but one at the crossing itself, which is requested its level.
    """
    with np.errstate(divide="ignore", over="ignore"):
        crossing = (w0 * np.power(wm, level - 0.5) - w0) / wa  # infinite where widths do not grow
    first: NDArray[np.float64] = np.ceil(crossing)
    nearest = np.rint(crossing)
    with np.errstate(invalid="ignore"):
        close = np.flatnonzero(np.abs(crossing - nearest) < _CLOSE)
    if len(close):
        block, start, slope, ratio = nearest[close], w0[close], wa[close], wm[close]
        below = block_levels(block_widths(block, start, slope), start, ratio) < level
        first[close] = block + below
    return first


def _merged(levels: Ints, widths: Ints, depths: Ints) -> StageTable:
    """Stages from so many levels: those without blocks dropped, those of equal width made one."""
    count = len(widths)
    wider = np.diff(widths, axis=0, prepend=0) > 0
    used = depths > 0
    # The usual network skips no level: its used ones come first, each wider than the one before.
    plain = (wider | ~used).all(axis=0) & (used[:-1] | ~used[1:]).all(axis=0)
    if not plain.all():
        odd = np.flatnonzero(~plain)
        merged_widths, merged_depths = np.zeros((2, count, len(odd)), dtype=np.int64)
        stage, last = np.full(len(odd), -1), np.zeros(len(odd), dtype=np.int64)
        for level in range(count):
            here, width = used[level, odd], widths[level, odd]
            stage += here & (width > last)
            last = np.where(here, width, last)
            found = np.flatnonzero(here)
            merged_widths[stage[found], found] = width[found]
            merged_depths[stage[found], found] += depths[level, odd][found]
        widths[:, odd], depths[:, odd] = merged_widths, merged_depths
        used = depths > 0
    counts = used.sum(axis=0)
    most = int(counts.max(initial=0))
    widths[~used] = 0
    return StageTable(counts, levels, widths[:most], depths[:most])


def _one_by_one_if(odd: NDArray[np.bool_], depth: Any, w0: Any, wa: Any, wm: Any) -> StageTable:
    """`stage_table` where some networks go one by one, by the scalar functions."""
    others, alone = np.flatnonzero(~odd), np.flatnonzero(odd)
    parts = [stage_table(depth[others], w0[others], wa[others], wm[others])]
    for row in alone:
        levels = block_levels(block_widths(np.arange(depth[row]), w0[row], wa[row]), w0[row], wm[row])
        runs = np.array(stage_runs(level_widths(levels, w0[row], wm[row])), dtype=np.int64)
        parts.append(StageTable(np.array([len(runs)]), levels[-1:].astype(np.int64) + 1, runs[:, :1], runs[:, 1:]))
    joined = _joined(parts)
    back = np.argsort(np.concatenate([others, alone]))
    return StageTable(joined.counts[back], joined.levels[back], joined.widths[:, back], joined.depths[:, back])


def _joined(parts: list[StageTable]) -> StageTable:
    most = max(len(part.widths) for part in parts)

    def column(name: str) -> Ints:
        arrays = [getattr(part, name) for part in parts]
        return np.concatenate([np.pad(a, ((0, most - len(a)), (0, 0))) for a in arrays], axis=1)

    counts, levels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("counts", "levels"))
    return StageTable(counts, levels, column("widths"), column("depths"))


def _fitted(width: Ints, bot_mul: Any, group_w: Any) -> tuple[Ints, Ints]:
    """`oracle.families._stages.fit_width` of arrays."""
    # Nothing as wide as this passes the check of widths to come, and products stay within 64 bits.
    width = np.minimum(width, 4 * MAX_WIDTH)
    inner = np.maximum(1.0, width * bot_mul).astype(np.int64)
    group_w = np.minimum(group_w, inner)
    multiple = group_w
    if np.any(bot_mul > 1):
        multiple = np.lcm(group_w, np.maximum(bot_mul, 1).astype(np.int64))
    inner = np.maximum(multiple, np.rint(inner / multiple) * multiple)
    return (inner / bot_mul).astype(np.int64), group_w
