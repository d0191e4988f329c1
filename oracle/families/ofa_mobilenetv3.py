"""Once-for-all's MobileNetV3 (arXiv 1908.09791): subnets of one network, by kernel, expansion and depth.

The network around the choices is MobileNetV3-Large's (1905.02244) in the form of the released weights of
width 1.0: a hard-swish stem of 16, a fixed block of 16 (3x3, no expansion, ReLU), five stages, 960 and
1280 wide at the end, no bias and no batch norm behind the pool. Squeeze-excite of a quarter of the
expanded width stands in stages 2, 4 and 5, hard swish in 3, 4 and 5. The first blocks of stages 1, 2, 3
and 5 have stride 2. A subnet's kernels are the middles of the largest ones, transformed once, when the
subnet is made: no call pays for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, classes, network, tail
from oracle.families._checks import choice, image_fits, integer, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec

KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
STAGES, LAYERS = 5, 4  # layers that a stage can have

_STEM_W, _LAST_W, _HEAD_W = 16, 960, 1280
# Width, stride of the first layer, squeeze-excite, activation.
_STAGES = (
    (24, 2, False, "relu"),
    (40, 2, True, "relu"),
    (80, 2, False, "hardswish"),
    (112, 1, True, "hardswish"),
    (160, 2, True, "hardswish"),
)
RESOLUTIONS = (128, 224)
STRIDES = (2, *(stride for _, stride, _, _ in _STAGES))


def to_spec(cfg: Any) -> NetSpec:
    """The subnet of the OFA section; a config of this type has 1000 classes unless it says otherwise.

    OFA.KERNELS and OFA.EXPANSIONS have four entries for each of the five stages, as in the paper's own
    code, those beyond a stage's depth being ignored; a list of one entry stands for all. OFA.RESOLUTION
    is the side of the image; 0 leaves it to TRAIN.IM_SIZE.

    Raises:
        ConfigError: lists of another length, or choices that the space does not have.
    """
    refuse_scaling(cfg)
    choice("MODEL.ACTIVATION_FUN", cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))  # stages have their own
    kernels = _choices("OFA.KERNELS", cfg.OFA.KERNELS, KERNELS, STAGES * LAYERS)
    expansions = _choices("OFA.EXPANSIONS", cfg.OFA.EXPANSIONS, EXPANSIONS, STAGES * LAYERS)
    depths = _choices("OFA.DEPTHS", cfg.OFA.DEPTHS, DEPTHS, STAGES)
    image = _image(cfg)
    first, last = ends(cfg, classes(cfg))
    blocks = [
        _block(cfg, stage, place, kernels[LAYERS * stage + place], expansions[LAYERS * stage + place])
        for stage in range(STAGES)
        for place in range(depths[stage])
    ]
    return network(cfg, [*first, *blocks, last], image)


def ends(cfg: Any, num_classes: Any) -> tuple[tuple[CellSpec, CellSpec], CellSpec]:
    """Stem and fixed block; head."""
    relu, hard = tail(cfg, "relu"), tail(cfg, "relu") | {"activation": "hardswish"}
    stem = {"w_in": IMAGE_CHANNELS, "w_out": _STEM_W, "kernel": 3, "stride": 2}
    first = {"w_in": _STEM_W, "w_exp": _STEM_W, "kernel": 3, "stride": 1, "w_se": 0, "w_out": _STEM_W}
    last = {"w_in": _STAGES[-1][0], "w_exp": _LAST_W, "head_w": _HEAD_W, "num_classes": num_classes}
    begun = CellSpec.make("conv_bn_act", **stem, **hard), CellSpec.make("ofa_block", **first, **relu)
    return begun, CellSpec.make("ofa_head", **last, **hard)


def layer(stage: int, place: int) -> tuple[int, int, int, bool, str]:
    """What is fixed about a layer of a stage: w_in, w_out, stride, whether it squeezes, activation."""
    w_out, first_stride, squeezes, activation = _STAGES[stage]
    before = _STAGES[stage - 1][0] if stage else _STEM_W
    return (w_out if place else before), w_out, (1 if place else first_stride), squeezes, activation


def squeeze(w_exp: int) -> int:
    """The width of a squeeze: a quarter as a multiple of 8, halves up, unless it loses a tenth (MobileNet's rule)."""
    width = w_exp // 4
    rounded = max(8, (width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def _block(cfg: Any, stage: int, place: int, kernel: int, expansion: int) -> CellSpec:
    w_in, w_out, stride, squeezes, activation = layer(stage, place)
    w_exp = w_in * expansion  # a multiple of 8, as all widths are
    inner = {"w_exp": w_exp, "kernel": kernel, "stride": stride, "w_se": squeeze(w_exp) if squeezes else 0}
    end = tail(cfg, "relu") | {"activation": activation}
    return CellSpec.make("ofa_block", w_in=w_in, **inner, w_out=w_out, **end)


def _choices(key: str, values: Sequence[int], options: tuple[int, ...], count: int) -> list[int]:
    """One choice per place, checked."""
    words, found = ", ".join(map(str, options)), len(values)
    require(found in (1, count), key, values[:40], f"{count} entries, or one for all, found {found}")
    require(all(value in options for value in values), key, values, f"entries among {words}")
    return list(values) * (count // len(values))


def _image(cfg: Any) -> int:
    image: int = cfg.OFA.RESOLUTION or cfg.TRAIN.IM_SIZE
    if cfg.OFA.RESOLUTION:
        return integer("OFA.RESOLUTION", image, *RESOLUTIONS)
    image_fits(image, STRIDES)
    return image
