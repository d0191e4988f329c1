"""EfficientNets as columns: the twin of `oracle.families.effnet`, its checks in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.families._cells import IMAGE_CHANNELS, tail
from oracle.families._checks import MAX_BLOCKS, MAX_IMAGE, per_stage, ratio
from oracle.families.many.chain import ChainBuilder
from oracle.families.many.rows import Ints, Rows
from oracle.families.population import Population, taken

_LISTS = ("DEPTHS", "WIDTHS", "EXP_RATIOS", "STRIDES", "KERNELS")
COLUMNS = frozenset(f"EN.{name}" for name in (*_LISTS, "STEM_W", "HEAD_W", "SE_R"))


def population(rows: Rows) -> Population:
    """The networks of the EN section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    lists = {name: rows.entries(f"EN.{name}") for name in _LISTS}
    per_stage("EN", **lists)
    stages = [_checked(rows, *numbers) for numbers in zip(*lists.values(), strict=True)]
    blocks = np.zeros(rows.size)
    for depth, *_ in stages:
        blocks += depth
    rows.sound("EN.DEPTHS", blocks, blocks <= MAX_BLOCKS, 1)
    image = rows.image((rows.everyone, stride) for stride in (2, *(stage[3] for stage in stages)))
    w_in = rows.integer("EN.STEM_W")
    head_w = rows.integer("EN.HEAD_W")
    dropout = ratio("EN.DROPOUT_RATIO", rows.cfg.EN.DROPOUT_RATIO)
    end = tail(rows.cfg)
    chain = ChainBuilder(rows.size)
    chain.add("simple_stem_in", rows.everyone, w_in=IMAGE_CHANNELS, w_out=w_in, **end)
    rest = {"drop_connect": ratio("EN.DC_RATIO", rows.cfg.EN.DC_RATIO), **end}
    for depth, width, exp_ratio, stride, kernel in stages:
        block = _block(rows, rows.everyone, w_in, exp_ratio, kernel, stride, width)
        chain.add("mbconv", rows.everyone, **block, **rest)
        several = np.flatnonzero(np.broadcast_to(depth, rows.size) > 1)
        again, expansion, size, count = (
            taken(value, several, rows.size) for value in (width, exp_ratio, kernel, depth)
        )
        block = _block(rows, several, again, expansion, size, 1, again)
        chain.add("mbconv", several, count - 1, **block, **rest)
        w_in = width
    classes = rows.integer("MODEL.NUM_CLASSES")
    chain.add("head", rows.everyone, w_in=w_in, head_w=head_w, num_classes=classes, dropout=dropout, **end)
    return chain.population((IMAGE_CHANNELS, image, image))


def _checked(rows: Rows, depth: Any, width: Any, exp_ratio: Any, stride: Any, kernel: Any) -> tuple[Any, ...]:
    depth = rows.integer("EN.DEPTHS", depth)
    width = rows.integer("EN.WIDTHS", width)
    stride = rows.integer("EN.STRIDES", stride)
    holds = (kernel > 0) & (kernel < MAX_IMAGE) & (kernel % 2 == 1)
    return depth, width, exp_ratio, stride, rows.sound("EN.KERNELS", kernel, holds, 1)


def _block(rows: Rows, at: Ints, w_in: Any, exp_ratio: Any, kernel: Any, stride: Any, w_out: Any) -> dict[str, Any]:
    """Everything of an MBConv but its tail; expansion and squeeze are cut off, not rounded."""
    w_exp = rows.integer("EN.EXP_RATIOS", np.trunc(w_in * exp_ratio), at=at)
    se_r = taken(rows["EN.SE_R"], at, rows.size)
    w_se = rows.integer("EN.SE_R", np.trunc(w_in * se_r), low=0, at=at)
    w_se = rows.sound("EN.SE_R", w_se, (w_se > 0) | (se_r <= 0), 1, at)
    return {"w_in": w_in, "w_exp": w_exp, "kernel": kernel, "stride": stride, "w_se": w_se, "w_out": w_out}
