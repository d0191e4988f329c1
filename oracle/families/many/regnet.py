"""RegNets as columns: the twin of `oracle.families.regnet`, its checks in the same order.

Every logarithm and power is taken by the numpy function that the scalar path uses, so that roundings agree to
the last bit: logarithms per block, powers once per width level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH
from oracle.families.many.anynet import assemble
from oracle.families.many.chain import StageRows
from oracle.families.many.rows import Ints, Rows, taken
from oracle.families.population import Population
from oracle.families.regnet import NAMES, QUANTUM, block_levels, block_widths, level_widths, stage_runs

__all__ = ["COLUMNS", "StageTable", "level_counts", "population", "stage_table"]

COLUMNS = frozenset(f"REGNET.{name}" for name in "DEPTH W0 WA WM GROUP_W BOT_MUL STRIDE STEM_W HEAD_W SE_R".split())

# Networks beyond these are derived one by one: their levels need not fit 8 bits, nor their blocks memory.
_FEW_LEVELS = 100
_FEW_BLOCKS = 500
_CELLS = 2**14  # numbers worked on at a time, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class StageTable:
    """Stages of n RegNets.

    Attributes:
        counts: (n,) how many stages.
        widths, depths: (most stages, n), 0 where a network has no such stage; widths ascend.
    """

    counts: Ints
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
        none_skipped = table.counts == level_counts(depth, w0, wa, wm)
        holds = none_skipped & (table.counts >= low) & (table.counts <= high)
        rows.sound("REGNET.NUM_STAGES", table.counts, holds, low)
    return table


def level_counts(depth: Any, w0: Any, wa: Any, wm: Any) -> Ints:
    """(n,) how many width levels each network spans, skipped ones included: the last block's level and 1."""
    return block_levels(block_widths(depth - 1, w0, wa), w0, wm).astype(np.int64) + 1


def stage_table(depth: Any, w0: Any, wa: Any, wm: Any) -> StageTable:
    """The stages of n RegNets, from columns that obey the rules of `oracle.families.regnet.to_spec`."""
    levels = level_counts(depth, w0, wa, wm)
    odd = (levels > _FEW_LEVELS) | (depth > _FEW_BLOCKS)
    if odd.any():
        return _one_by_one_if(odd, depth, w0, wa, wm)
    block = np.arange(depth.max(initial=1))[:, None]
    level_of = np.empty((len(block), len(depth)), dtype=np.int8)
    w0 = w0.astype(np.float64)  # as mixed arithmetic would, but once
    step = max(1, _CELLS // len(block))
    for part in (slice(start, start + step) for start in range(0, len(depth), step)):
        widths = block_widths(block.astype(np.float64), w0[part], wa[part])
        level_of[:, part] = block_levels(widths, w0[part], wm[part])
    np.copyto(level_of, -1, where=block.astype(np.int16) >= depth.astype(np.int16))
    top = level_of.max(axis=0, initial=0)
    level = np.arange(top.max(initial=0) + 1)[:, None]
    depths = np.array([(level_of == number).sum(axis=0, dtype=np.int16) for number in level])
    # No row is raised to more than it needs, which could overflow. The exponents must fill an array of their
    # own: where all rows share an exponent of 2, numpy squares instead, which may round differently.
    exponents = np.minimum(level, top, dtype=np.float64)
    return _merged(level_widths(exponents, w0, wm), depths.astype(np.int64))


def _merged(widths: Ints, depths: Ints) -> StageTable:
    """Stages from levels: those without blocks dropped, those of equal width made one."""
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
    return StageTable(counts, widths[:most], depths[:most])


def _one_by_one_if(odd: NDArray[np.bool_], depth: Any, w0: Any, wa: Any, wm: Any) -> StageTable:
    """`stage_table` where some networks go one by one, by the scalar functions."""
    others, alone = np.flatnonzero(~odd), np.flatnonzero(odd)
    parts = [stage_table(depth[others], w0[others], wa[others], wm[others])]
    for row in alone:
        levels = block_levels(block_widths(np.arange(depth[row]), w0[row], wa[row]), w0[row], wm[row])
        runs = np.array(stage_runs(level_widths(levels, w0[row], wm[row])), dtype=np.int64)
        parts.append(StageTable(np.array([len(runs)]), runs[:, :1], runs[:, 1:]))
    joined = _joined(parts)
    back = np.argsort(np.concatenate([others, alone]))
    return StageTable(joined.counts[back], joined.widths[:, back], joined.depths[:, back])


def _joined(parts: list[StageTable]) -> StageTable:
    most = max(len(part.widths) for part in parts)

    def column(name: str) -> Ints:
        arrays = [getattr(part, name) for part in parts]
        return np.concatenate([np.pad(a, ((0, most - len(a)), (0, 0))) for a in arrays], axis=1)

    return StageTable(np.concatenate([part.counts for part in parts]), column("widths"), column("depths"))


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
