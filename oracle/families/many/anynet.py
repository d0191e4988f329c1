"""AnyNets as columns: the twin of `oracle.families.anynet`, its checks in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.families._cells import IMAGE_CHANNELS, tail
from oracle.families._checks import MAX_BLOCKS, choice, per_stage
from oracle.families._stages import Names
from oracle.families.anynet import BLOCKS, NAMES, STEM_STRIDES
from oracle.families.many.chain import ChainBuilder, StageRows, replaced
from oracle.families.many.rows import Ints, Rows
from oracle.families.population import Population, index_of, taken
from oracle.families.population import Rows as Positions

COLUMNS = frozenset(f"ANYNET.{name}" for name in "DEPTHS WIDTHS STRIDES BOT_MULS GROUP_WS STEM_W HEAD_W SE_R".split())


def population(rows: Rows) -> Population:
    """The networks of the ANYNET section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    bottleneck = BLOCKS[choice("ANYNET.BLOCK_TYPE", rows.cfg.ANYNET.BLOCK_TYPE, BLOCKS)]
    plain, fit = ("DEPTHS", "WIDTHS", "STRIDES"), ("BOT_MULS", "GROUP_WS")
    lists = {name: rows.entries(f"ANYNET.{name}") for name in (*plain, *fit)}
    per_stage("ANYNET", **{name: lists[name] for name in lists if name in plain or bottleneck or lists[name]})
    used = [lists[name] for name in (*plain, *(fit if bottleneck else ()))]
    stages = [StageRows(rows.everyone, *numbers) for numbers in zip(*used, strict=True)]
    return assemble(rows, stages, NAMES)


def assemble(rows: Rows, stages: list[StageRows], names: Names) -> Population:
    """The networks with these stages, and the stem and head of `rows.cfg[names.section]`; none are scaled.

    Raises:
        ConfigError: as `population`.
    """
    section = names.section
    stages = [_checked(rows, stage, names) for stage in stages]
    blocks = np.zeros(rows.size)
    for stage in stages:
        blocks[index_of(stage.at, rows.size)] += stage.depth
    rows.sound(names.depth, blocks, blocks <= MAX_BLOCKS, 1)
    stem = choice(f"{section}.STEM_TYPE", rows.cfg[section].STEM_TYPE, STEM_STRIDES)
    stem_w = rows.integer(f"{section}.STEM_W")
    head_w = rows.integer(f"{section}.HEAD_W", low=0)
    image = rows.image([(rows.everyone, STEM_STRIDES[stem]), *((stage.at, stage.stride) for stage in stages)])
    end = tail(rows.cfg)
    chain = ChainBuilder(rows.size)
    chain.add(stem, rows.everyone, w_in=IMAGE_CHANNELS, w_out=stem_w, **end)
    kind = choice(f"{section}.BLOCK_TYPE", rows.cfg[section].BLOCK_TYPE, BLOCKS)
    w_in = stem_w
    for stage in stages:
        _add_stage(chain, rows, kind, stage, names, taken(w_in, stage.at, rows.size))
        w_in = replaced(w_in, stage.at, stage.width, rows.size)
    classes = rows.integer("MODEL.NUM_CLASSES")
    chain.add("head", rows.everyone, w_in=w_in, head_w=head_w, num_classes=classes, dropout=0.0, **end)
    return chain.population((IMAGE_CHANNELS, image, image))


def _checked(rows: Rows, stage: StageRows, names: Names) -> StageRows:
    depth = rows.integer(names.depth, stage.depth, at=stage.at)
    width = rows.integer(names.width, stage.width, at=stage.at)
    stride = rows.integer(names.stride, stage.stride, at=stage.at)
    return StageRows(stage.at, depth, width, stride, stage.bot_mul, stage.group_w)


def _add_stage(chain: ChainBuilder, rows: Rows, kind: str, stage: StageRows, names: Names, w_in: Any) -> None:
    """The first block of a stage, then the others, which are equal."""
    at, width, size = stage.at, stage.width, len(stage.at)
    end = tail(rows.cfg)
    inner = _inner(rows, stage, names) if BLOCKS[kind] else {}
    chain.add(
        kind, at, w_in=w_in, w_out=width, stride=stage.stride, **inner,
        **(_squeeze(rows, names, w_in, at) if inner else {}), **end,
    )  # fmt: skip
    more = np.broadcast_to(stage.depth - 1, size)
    several = np.flatnonzero(more)
    # Where most have others, to carry along the few without is faster; no check below may be about those.
    ratio = rows[f"{names.section}.SE_R"]
    if 2 * len(several) < size or not np.all((ratio >= 0) & (ratio <= 1)):
        chosen = Positions(several)
        at, width, more = at[several], chosen.of(width), more[several]
        inner = {name: chosen.of(value) for name, value in inner.items()}
    chain.add(
        kind, at, more, w_in=width, w_out=width, stride=1, **inner,
        **(_squeeze(rows, names, width, at) if inner else {}), **end,
    )  # fmt: skip


def _inner(rows: Rows, stage: StageRows, names: Names) -> dict[str, Any]:
    """Bottleneck width and group count of a stage."""
    narrowed = stage.width if np.all(stage.bot_mul == 1) else np.rint(stage.width * stage.bot_mul)
    w_b = rows.integer(names.bot_mul, narrowed, at=stage.at)
    group_w = rows.integer(names.group_w, stage.group_w, at=stage.at)
    # As exact as integer division where that leaves no remainder, and several times faster.
    groups = np.rint(w_b / group_w)
    groups = rows.sound(names.group_w, groups, groups * group_w == w_b, 1, stage.at)
    return {"w_b": w_b, "groups": groups.astype(np.int64) if isinstance(groups, np.ndarray) else int(groups)}


def _squeeze(rows: Rows, names: Names, w_in: Any, at: Ints) -> dict[str, Any]:
    """The rest of a bottleneck: squeeze-and-excitation follows the block's input."""
    key = f"{names.section}.SE_R"
    on = rows.cfg[names.section].SE_ON
    w_se = np.rint(w_in * taken(rows[key], at, rows.size)) if on else 0
    return {"w_se": rows.integer(key, w_se, low=0, at=at), "stride_1x1": False}
