"""Once-for-all's MobileNetV3 (arXiv 1908.09791): subnets of one network, by kernel, expansion and depth.

The network around the choices is MobileNetV3-Large's (1905.02244) in the form of the released weights of
width 1.0: a hard-swish stem of 16, a fixed block of 16 (3x3, no expansion, ReLU), five stages, 960 and
1280 wide at the end, no bias and no batch norm behind the pool. Squeeze-excite of a quarter of the
expanded width stands in stages 2, 4 and 5, hard swish in 3, 4 and 5. The first blocks of stages 1, 2, 3
and 5 have stride 2. A subnet's kernels are the middles of the largest ones, transformed once, when the
subnet is made: no call pays for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, classes, network, tail
from oracle.families._checks import choice, image_fits, integer, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec, Scalar

__all__ = ["DEPTHS", "EXPANSIONS", "KERNELS", "LAYERS", "STAGES", "to_spec"]

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
_RESOLUTIONS = (128, 224)


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
    relu, hard = tail(cfg, "relu"), tail(cfg, "relu") | {"activation": "hardswish"}
    stem = {"w_in": IMAGE_CHANNELS, "w_out": _STEM_W, "kernel": 3, "stride": 2}
    first = {"w_in": _STEM_W, "w_exp": _STEM_W, "kernel": 3, "stride": 1, "w_se": 0, "w_out": _STEM_W}
    last = {"w_in": _STAGES[-1][0], "w_exp": _LAST_W, "head_w": _HEAD_W, "num_classes": classes(cfg)}
    cells = [
        CellSpec.make("conv_bn_act", **stem, **hard),
        CellSpec.make("ofa_block", **first, **relu),
        *_blocks({"relu": relu, "hardswish": hard}, kernels, expansions, depths),
        CellSpec.make("ofa_head", **last, **hard),
    ]
    return network(cfg, cells, image)


def _choices(key: str, values: Sequence[int], options: tuple[int, ...], count: int) -> list[int]:
    """One choice per place, checked."""
    words, found = ", ".join(map(str, options)), len(values)
    require(found in (1, count), key, values[:40], f"{count} entries, or one for all, found {found}")
    require(all(value in options for value in values), key, values, f"entries among {words}")
    return list(values) * (count // len(values))


def _image(cfg: Any) -> int:
    image: int = cfg.OFA.RESOLUTION or cfg.TRAIN.IM_SIZE
    if cfg.OFA.RESOLUTION:
        return integer("OFA.RESOLUTION", image, *_RESOLUTIONS)
    image_fits(image, (2, *(stride for _, stride, _, _ in _STAGES)))
    return image


def _blocks(
    ends: dict[str, dict[str, Scalar]], kernels: list[int], expansions: list[int], depths: list[int]
) -> Iterator[CellSpec]:
    w_in = _STEM_W
    for stage, (w_out, first_stride, squeezes, activation) in enumerate(_STAGES):
        for layer in range(depths[stage]):
            place = LAYERS * stage + layer
            w_exp = w_in * expansions[place]  # a multiple of 8, as all widths are
            inner = {"w_exp": w_exp, "kernel": kernels[place], "stride": 1 if layer else first_stride}
            w_se = _divisible(w_exp // 4) if squeezes else 0
            yield CellSpec.make("ofa_block", w_in=w_in, **inner, w_se=w_se, w_out=w_out, **ends[activation])
            w_in = w_out


def _divisible(width: int) -> int:
    """The multiple of 8 nearest to a width, halves up, unless it loses a tenth (MobileNet's rule)."""
    rounded = max(8, (width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
