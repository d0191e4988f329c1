"""Compound scaling of a network by one factor (Fast and Accurate Model Scaling, arXiv 2103.06877).

`MODEL.SCALING_TYPE` weighs depth d, width w, group width g and resolution r: "d1_w8_g8_r1", or "dw" for
equal weights; `MODEL.SCALING_FACTOR` is by how much the FLOPs of the network should grow. Stage depths,
widths and group widths and the image are scaled and rounded, at a factor of 1 too; stem and head stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from oracle.errors import ConfigError
from oracle.families._checks import block_count, integer, require
from oracle.families._stages import Names, Stage, compatible

_TYPE = re.compile(r"(?:[dwgr](?:\d{1,6}(?:\.\d{1,6})?)?_?)+")
_TERM = re.compile(r"([dwgr])(\d+(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Scaling:
    """What depth, width, group width and resolution are multiplied by."""

    depth: float
    width: float
    group: float
    resolution: float


def scaling_of(cfg: Any) -> Scaling | None:
    """The four factors, None when the config does not scale.

    Raises:
        ConfigError: a type that cannot be read, or a factor that is not positive.
    """
    kind, factor = cfg["MODEL"]["SCALING_TYPE"], cfg["MODEL"]["SCALING_FACTOR"]
    if not kind:
        return None
    terms = _TERM.findall(kind)
    weights = {letter: float(weight or 1) for letter, weight in terms}
    readable = _TYPE.fullmatch(kind) is not None and len(weights) == len(terms)
    require(readable, "MODEL.SCALING_TYPE", kind, "weights of d, w, g and r, such as 'd1_w8_g8_r1' or 'dw'")
    require(0 < factor <= 1e6, "MODEL.SCALING_FACTOR", factor, "a number above 0 and at most 1000000")
    d, w, g, r = (weights.get(letter, 0.0) for letter in "dwgr")
    total = d + w + r or g / 2 or 1.0
    # FLOPs grow with the square of width and resolution.
    exponents = (d / total, w / (2 * total), g / (2 * total), r / (2 * total))
    require(max(exponents) <= 10, "MODEL.SCALING_TYPE", kind, "weights of one order of magnitude")
    return Scaling(*(factor**exponent for exponent in exponents))


def refuse_scaling(cfg: Any) -> None:
    """For families whose shape is fixed by their depth or their published variants.

    Raises:
        ConfigError: the config asks for scaling.
    """
    if cfg.MODEL.SCALING_TYPE:
        raise ConfigError(
            f"value {cfg.MODEL.SCALING_TYPE!r}: expected '', because {cfg.MODEL.TYPE} networks do not scale; "
            "anynet, effnet and regnet do",
            key="MODEL.SCALING_TYPE",
        )


def scale_width(width: int, factor: float) -> int:
    """The scaled width, a multiple of 8 and at least 8."""
    return max(8, round(width * factor / 8) * 8)


def scale_group(group_w: int, factor: float) -> float:
    """The scaled group width: up to 2 as it comes, then 4, then multiples of 8."""
    scaled = group_w * factor
    if scaled <= 2:
        return scaled
    return 4 if scaled <= 5 else round(scaled / 8) * 8


def scale_stages(stages: Iterable[Stage], scaling: Scaling, names: Names) -> list[Stage]:
    """Scaled stages, made compatible again.

    Raises:
        ConfigError: a result that cannot be built.
    """
    scaled = []
    for stage in stages:
        group_w = scale_group(stage.group_w, scaling.group)
        scaled.append(
            replace(
                stage,
                depth=max(1, round(stage.depth * scaling.depth)),
                width=integer(names.width, scale_width(stage.width, scaling.width)),
                group_w=max(1, int(group_w)),
            )
        )
    block_count(names.depth, (stage.depth for stage in scaled))
    return compatible(scaled, names)


def scale_image(image: int, scaling: Scaling) -> int:
    """The scaled image size, a multiple of 4 and at least 4."""
    return max(4, round(image * scaling.resolution / 4) * 4)
