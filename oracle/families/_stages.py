"""A stage, and the rule that makes its width, bottleneck ratio and group width fit each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import lcm

from oracle.families._checks import MAX_WIDTH, require


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of equal blocks; the stride is the first block's. Blocks without a bottleneck keep 1.0 and 1."""

    depth: int
    width: int
    stride: int
    bot_mul: float = 1.0
    group_w: int = 1


@dataclass(frozen=True, slots=True)
class Names:
    """The dotted keys that a stage's numbers come from, for complaints about them."""

    section: str
    depth: str
    width: str
    stride: str
    bot_mul: str = ""
    group_w: str = ""


def fit_width(width: int, bot_mul: float, group_w: int) -> tuple[int, int]:
    """(width, group width) nearest to those wanted such that groups divide the bottleneck's width.

    Source: the compatibility rule of RegNet (arXiv 2003.13678) as pycls computes it, in float64 and with
    halves rounded to even. The ratio must be below 1 or a whole number.
    """
    inner = int(max(1, width * bot_mul))
    group_w = int(min(group_w, inner))
    multiple = lcm(group_w, int(bot_mul)) if bot_mul > 1 else group_w
    inner = max(multiple, round(inner / multiple) * multiple)
    return int(inner / bot_mul), group_w


def compatible(stages: Iterable[Stage], names: Names) -> list[Stage]:
    """The stages with widths and group widths that fit.

    Raises:
        ConfigError: numbers that the rule cannot work with.
    """
    fitted = []
    for stage in stages:
        b = stage.bot_mul
        sound = 1 / MAX_WIDTH <= b < 1 or (1 <= b <= MAX_WIDTH and b % 1 == 0)
        require(sound, names.bot_mul, b, "a ratio above 0 and below 1, or a whole number")
        require(stage.group_w > 0, names.group_w, stage.group_w, "a group width of at least 1")
        width, group_w = fit_width(stage.width, b, stage.group_w)
        fitted.append(Stage(stage.depth, width, stage.stride, b, group_w))
    return fitted
