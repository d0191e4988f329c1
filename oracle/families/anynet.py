"""AnyNet (arXiv 1905.13214): a stem, stages of equal blocks, a head. A RegNet is one with derived stages."""

from __future__ import annotations

from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, cell, head, network, tail
from oracle.families._checks import block_count, choice, image_fits, integer, per_stage, require
from oracle.families._stages import Names, Stage
from oracle.families.scaling import scale_image, scale_stages, scaling_of
from oracle.spec import CellSpec, NetSpec

STEM_STRIDES = {"res_stem_cifar": 1, "res_stem_in": 4, "simple_stem_in": 2}

# Whether a block is a bottleneck, i.e. has a bottleneck ratio, groups and squeeze-and-excitation.
BLOCKS = {
    "vanilla_block": False,
    "res_basic_block": False,
    "res_bottleneck_block": True,
    "res_bottleneck_linear_block": True,
}

NAMES = Names("ANYNET", "ANYNET.DEPTHS", "ANYNET.WIDTHS", "ANYNET.STRIDES", "ANYNET.BOT_MULS", "ANYNET.GROUP_WS")


def to_spec(cfg: Any) -> NetSpec:
    """The network of the ANYNET section.

    Raises:
        ConfigError: lists that differ in length, widths that groups do not divide, and the like.
    """
    return assemble(cfg, _stages(cfg.ANYNET), NAMES)


def _stages(section: Any) -> list[Stage]:
    bottleneck = BLOCKS[choice("ANYNET.BLOCK_TYPE", section.BLOCK_TYPE, BLOCKS)]
    lists = {"DEPTHS": section.DEPTHS, "WIDTHS": section.WIDTHS, "STRIDES": section.STRIDES}
    for name in ("BOT_MULS", "GROUP_WS"):
        # A block that has no use for these may leave them empty.
        if bottleneck or section[name]:
            lists[name] = section[name]
    per_stage("ANYNET", **lists)
    plain = zip(section.DEPTHS, section.WIDTHS, section.STRIDES, strict=True)
    if not bottleneck:
        return [Stage(*numbers) for numbers in plain]
    fits = zip(section.BOT_MULS, section.GROUP_WS, strict=True)
    return [Stage(*numbers, *fit) for numbers, fit in zip(plain, fits, strict=True)]


def assemble(cfg: Any, stages: list[Stage], names: Names) -> NetSpec:
    """The network with these stages, and the stem and head of `cfg[names.section]`.

    Raises:
        ConfigError: a stage that cannot be built, or an image smaller than the total stride.
    """
    section, image = cfg[names.section], cfg["TRAIN"]["IM_SIZE"]
    for stage in stages:
        integer(names.depth, stage.depth)
        integer(names.width, stage.width)
        integer(names.stride, stage.stride)
    block_count(names.depth, (stage.depth for stage in stages))
    scaling = scaling_of(cfg)
    if scaling:
        stages, image = scale_stages(stages, scaling, names), scale_image(image, scaling)
    stem = choice(f"{names.section}.STEM_TYPE", section["STEM_TYPE"], STEM_STRIDES)
    stem_w = integer(f"{names.section}.STEM_W", section["STEM_W"])
    head_w = integer(f"{names.section}.HEAD_W", section["HEAD_W"], low=0)
    image_fits(image, [STEM_STRIDES[stem], *(stage.stride for stage in stages)])
    cells = [
        cell(stem, tail(cfg), w_in=IMAGE_CHANNELS, w_out=stem_w),
        *_blocks(cfg, stages, names, stem_w),
        head(cfg, stages[-1].width, head_w),
    ]
    return network(cfg, cells, image)


def _blocks(cfg: Any, stages: list[Stage], names: Names, w_in: int) -> list[CellSpec]:
    section, key = cfg[names.section], f"{names.section}.SE_R"
    kind = choice(f"{names.section}.BLOCK_TYPE", section["BLOCK_TYPE"], BLOCKS)
    se_r = section["SE_R"] if section["SE_ON"] else 0.0
    end, cells = tail(cfg), list[CellSpec]()
    for stage in stages:
        inner = _inner(stage, names) if BLOCKS[kind] else {}
        for stride, count in ((stage.stride, 1), (1, stage.depth - 1)):
            if not count:
                continue
            params = {"w_in": w_in, "w_out": stage.width, "stride": stride, **inner}
            if inner:
                # The width inside squeeze-and-excitation follows the block's input, not its bottleneck.
                params |= {"w_se": integer(key, round(w_in * se_r), low=0), "stride_1x1": False}
            cells += [cell(kind, end, **params)] * count
            w_in = stage.width
    return cells


def _inner(stage: Stage, names: Names) -> dict[str, int]:
    """Bottleneck width and group count of a stage."""
    w_b = integer(names.bot_mul, round(stage.width * stage.bot_mul))
    group_w = integer(names.group_w, stage.group_w)
    require(w_b % group_w == 0, names.group_w, group_w, f"a divisor of the bottleneck width, {w_b}")
    return {"w_b": w_b, "groups": w_b // group_w}
