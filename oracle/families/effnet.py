"""EfficientNet (arXiv 1905.11946): stages of MBConv, depthwise convolutions between 1x1 ones."""

from __future__ import annotations

from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, cell, head, network, tail
from oracle.families._checks import block_count, image_fits, integer, odd, per_stage, ratio, require
from oracle.families._stages import Names, Stage
from oracle.families.scaling import scale_image, scale_stages, scaling_of
from oracle.spec import CellSpec, NetSpec

NAMES = Names("EN", "EN.DEPTHS", "EN.WIDTHS", "EN.STRIDES")


def to_spec(cfg: Any) -> NetSpec:
    """The network of the EN section.

    Raises:
        ConfigError: lists that differ in length, even kernels, an expansion to nothing, and the like.
    """
    section, image = cfg["EN"], cfg["TRAIN"]["IM_SIZE"]
    names = ("DEPTHS", "WIDTHS", "EXP_RATIOS", "STRIDES", "KERNELS")
    per_stage("EN", **{name: section[name] for name in names})
    depths, widths, strides, kernels = (section[name] for name in ("DEPTHS", "WIDTHS", "STRIDES", "KERNELS"))
    for depth, width, stride, kernel in zip(depths, widths, strides, kernels, strict=True):
        integer("EN.DEPTHS", depth)
        integer("EN.WIDTHS", width)
        integer("EN.STRIDES", stride)
        odd("EN.KERNELS", kernel)
    block_count("EN.DEPTHS", depths)
    stages = [Stage(*numbers) for numbers in zip(depths, widths, strides, strict=True)]
    scaling = scaling_of(cfg)
    if scaling:
        stages, image = scale_stages(stages, scaling, NAMES), scale_image(image, scaling)
    image_fits(image, [2, *strides])
    stem_w = integer("EN.STEM_W", section["STEM_W"])
    head_w = integer("EN.HEAD_W", section["HEAD_W"])
    dropout = ratio("EN.DROPOUT_RATIO", section["DROPOUT_RATIO"])
    cells = [
        cell("simple_stem_in", tail(cfg), w_in=IMAGE_CHANNELS, w_out=stem_w),
        *_blocks(cfg, stages, stem_w),
        head(cfg, stages[-1].width, head_w, dropout),
    ]
    return network(cfg, cells, image)


def _blocks(cfg: Any, stages: list[Stage], w_in: int) -> list[CellSpec]:
    section, end, cells = cfg["EN"], tail(cfg), list[CellSpec]()
    drop_connect, se_r = ratio("EN.DC_RATIO", section["DC_RATIO"]), section["SE_R"]
    for stage, exp_ratio, kernel in zip(stages, section["EXP_RATIOS"], section["KERNELS"], strict=True):
        for stride, count in ((stage.stride, 1), (1, stage.depth - 1)):
            if not count:
                continue
            w_exp = integer("EN.EXP_RATIOS", int(w_in * exp_ratio))
            w_se = integer("EN.SE_R", int(w_in * se_r), low=0)
            if not w_se and se_r > 0:
                require(False, "EN.SE_R", se_r, f"0, or at least 1 of {w_in} channels")
            block = {"w_in": w_in, "w_exp": w_exp, "kernel": kernel, "stride": stride, "w_se": w_se}
            cells += [cell("mbconv", end, **block, w_out=stage.width, drop_connect=drop_connect)] * count
            w_in = stage.width
    return cells
