"""ResNet and ResNeXt (arXiv 1512.03385, 1611.05431): ImageNet bottlenecks, or CIFAR basic blocks."""

from __future__ import annotations

from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, cell, head, network, tail
from oracle.families._checks import MAX_BLOCKS, choice, image_fits, integer, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import NetSpec

TRANSFORMS = ("basic_transform", "bottleneck_transform")
# Layers -> blocks per stage.
IMAGENET_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def to_spec(cfg: Any) -> NetSpec:
    """The network of MODEL.DEPTH and the RESNET section; TRAIN.DATASET says which kind.

    Raises:
        ConfigError: a depth that does not exist, or the other kind's block.
    """
    refuse_scaling(cfg)
    cifar = "cifar" in cfg.TRAIN.DATASET.lower()
    kind, block = ("CIFAR", TRANSFORMS[0]) if cifar else ("ImageNet", TRANSFORMS[1])
    key, value = "RESNET.TRANS_FUN", cfg.RESNET.TRANS_FUN
    choice(key, value, TRANSFORMS)
    require(
        value == block,
        key,
        value,
        f"{block}, because TRAIN.DATASET={cfg.TRAIN.DATASET!r} means the {kind} kind",
    )
    return _cifar(cfg) if cifar else _imagenet(cfg)


def _imagenet(cfg: Any) -> NetSpec:
    key, depth = "MODEL.DEPTH", cfg.MODEL.DEPTH
    require(depth in IMAGENET_DEPTHS, key, depth, "50, 101 or 152, the depths of an ImageNet ResNet")
    groups = integer("RESNET.NUM_GROUPS", cfg.RESNET.NUM_GROUPS)
    w_b = groups * integer("RESNET.WIDTH_PER_GROUP", cfg.RESNET.WIDTH_PER_GROUP)
    integer("RESNET.WIDTH_PER_GROUP", 8 * w_b)
    strides = (1, 2, 2, 2)
    image_fits(cfg.TRAIN.IM_SIZE, (4, *strides))
    w_in, end, stride_1x1 = 64, tail(cfg), cfg["RESNET"]["STRIDE_1X1"]
    cells = [cell("res_stem_in", end, w_in=IMAGE_CHANNELS, w_out=w_in)]
    for stage, (depth_here, first_stride) in enumerate(zip(IMAGENET_DEPTHS[depth], strides, strict=True)):
        w_out = 256 << stage
        inner = {"w_b": w_b << stage, "groups": groups, "w_se": 0, "stride_1x1": stride_1x1}
        for stride, count in ((first_stride, 1), (1, depth_here - 1)):
            block = {"w_in": w_in, "w_out": w_out, "stride": stride}
            cells += [cell("res_bottleneck_block", end, **block, **inner)] * count
            w_in = w_out
    return network(cfg, [*cells, head(cfg, w_in)], cfg.TRAIN.IM_SIZE)


def _cifar(cfg: Any) -> NetSpec:
    depth = cfg.MODEL.DEPTH
    fits = depth >= 8 and (depth - 2) % 6 == 0 and depth <= 2 * MAX_BLOCKS
    require(fits, "MODEL.DEPTH", depth, f"6n + 2 with n >= 1 and at most {2 * MAX_BLOCKS} (CIFAR ResNet)")
    strides = (1, 2, 2)
    image_fits(cfg.TRAIN.IM_SIZE, strides)
    w_in, end = 16, tail(cfg)
    cells = [cell("res_stem_cifar", end, w_in=IMAGE_CHANNELS, w_out=w_in)]
    for w_out, first_stride in zip((16, 32, 64), strides, strict=True):
        for stride, count in ((first_stride, 1), (1, (depth - 2) // 6 - 1)):
            cells += [cell("res_basic_block", end, w_in=w_in, w_out=w_out, stride=stride)] * count
            w_in = w_out
    return network(cfg, [*cells, head(cfg, w_in)], cfg.TRAIN.IM_SIZE)
