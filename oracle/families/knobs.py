"""The knobs of a network: what a designer turns, one step at a time, and the configs a step leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from oracle.errors import ConfigError
from oracle.families import anynet, regnet
from oracle.families.resnet import IMAGENET_DEPTHS
from oracle.spec import NetSpec


@dataclass(frozen=True, slots=True)
class Knob:
    """One number of a config.

    Attributes:
        name: for people, such as `width of stage 3`.
        key: dotted key, such as `ANYNET.WIDTHS`.
        index: position in a list, None for a plain number.
        up, down: one step in each direction, from the value it has.
    """

    name: str
    key: str
    index: int | None
    up: Callable[[Any], Any]
    down: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a knob and the network it leads to."""

    knob: Knob
    before: Any
    after: Any
    network: NetSpec


def knobs_of(cfg: Any) -> tuple[Any, tuple[Knob, ...]]:
    """The knobs of a config, and the config that has them: a RegNet's are those of the AnyNet it stands for.

    Raises:
        ConfigError: a family whose networks are no stages of widths and depths.
    """
    kind = cfg.MODEL.TYPE
    if kind == "regnet":
        cfg, kind = _as_anynet(cfg), "anynet"
    if kind not in _KNOBS:
        raise ConfigError(f"{kind!r} has no knobs; expected one of regnet, {', '.join(_KNOBS)}", key="MODEL.TYPE")
    return cfg, tuple(_KNOBS[kind](cfg))


def turns_of(cfg: Any, to_spec: Callable[[Any], NetSpec]) -> Iterator[Turn]:
    """Every knob one step up and one step down; steps that lead to no network are left out."""
    cfg, knobs = knobs_of(cfg)
    for knob in knobs:
        for step in (knob.up, knob.down):
            before = _value(cfg, knob)
            after = step(before)
            try:
                yield Turn(knob, before, after, to_spec(_turned(cfg, knob, after)))
            except ConfigError:
                continue


def _stage_knobs(cfg: Any) -> Iterator[Knob]:
    section = cfg.ANYNET
    for i in range(len(section.DEPTHS)):
        bottleneck = anynet.BLOCKS.get(section.BLOCK_TYPE) and bool(section.GROUP_WS)
        step = max(8, section.GROUP_WS[i]) if bottleneck else 8
        yield _steps(f"width of stage {i + 1}", "ANYNET.WIDTHS", i, step)
        yield _steps(f"depth of stage {i + 1}", "ANYNET.DEPTHS", i, 1)
        if bottleneck:
            yield _doubling(f"group width of stage {i + 1}", "ANYNET.GROUP_WS", i)
    yield _resolution(cfg)


def _effnet_knobs(cfg: Any) -> Iterator[Knob]:
    for i in range(len(cfg.EN.DEPTHS)):
        yield _steps(f"width of stage {i + 1}", "EN.WIDTHS", i, 8)
        yield _steps(f"depth of stage {i + 1}", "EN.DEPTHS", i, 1)
        yield _steps(f"expansion of stage {i + 1}", "EN.EXP_RATIOS", i, 1)
        yield _steps(f"kernel of stage {i + 1}", "EN.KERNELS", i, 2)
    yield _resolution(cfg)


def _vit_knobs(cfg: Any) -> Iterator[Knob]:
    yield _steps("layers", "VIT.NUM_LAYERS", None, 1)
    yield _steps("hidden width", "VIT.HIDDEN_DIM", None, 8 * cfg.VIT.NUM_HEADS)
    yield _steps("MLP width", "VIT.MLP_DIM", None, 256)
    yield _doubling("patch size", "VIT.PATCH_SIZE", None)
    yield _steps("resolution", "TRAIN.IM_SIZE", None, 2 * cfg.VIT.PATCH_SIZE)


def _resnet_knobs(cfg: Any) -> Iterator[Knob]:
    if cfg.RESNET.TRANS_FUN == "basic_transform":
        yield _steps("layers", "MODEL.DEPTH", None, 6)
        yield _resolution(cfg)
        return
    yield Knob("layers", "MODEL.DEPTH", None, _deeper, _shallower)
    width = cfg.RESNET.WIDTH_PER_GROUP
    yield _steps("width per group", "RESNET.WIDTH_PER_GROUP", None, 8 if width > 8 else max(1, width // 2))
    if cfg.RESNET.NUM_GROUPS > 1:
        yield _doubling("groups", "RESNET.NUM_GROUPS", None)
    yield _resolution(cfg)


def _deeper(depth: int) -> int:
    """The next depth that there is; one that there is not, where there is none."""
    return min((other for other in IMAGENET_DEPTHS if other > depth), default=depth + 1)


def _shallower(depth: int) -> int:
    return max((other for other in IMAGENET_DEPTHS if other < depth), default=depth - 1)


_KNOBS: dict[str, Callable[[Any], Iterator[Knob]]] = {
    "anynet": _stage_knobs,
    "effnet": _effnet_knobs,
    "vit": _vit_knobs,
    "resnet": _resnet_knobs,
}


def _steps(name: str, key: str, index: int | None, step: int) -> Knob:
    return Knob(name, key, index, lambda value: value + step, lambda value: value - step)


def _resolution(cfg: Any) -> Knob:
    return _steps("resolution", "TRAIN.IM_SIZE", None, 32 if cfg.TRAIN.IM_SIZE > 64 else 8)


def _doubling(name: str, key: str, index: int | None) -> Knob:
    return Knob(name, key, index, lambda value: value * 2, lambda value: value // 2)


def _value(cfg: Any, knob: Knob) -> Any:
    section, name = knob.key.split(".")
    value = cfg[section][name]
    return value if knob.index is None else value[knob.index]


def _turned(cfg: Any, knob: Knob, after: Any) -> Any:
    section, name = knob.key.split(".")
    turned = cfg.clone()
    turned.defrost()
    if knob.index is None:
        turned[section][name] = after
    else:
        values = list(turned[section][name])
        values[knob.index] = after
        turned[section][name] = values
    return turned


def _as_anynet(cfg: Any) -> Any:
    """The AnyNet that a RegNet stands for, stage by stage."""
    stages = regnet.stages_of(cfg)
    explicit = cfg.clone()
    explicit.defrost()
    explicit.MODEL.TYPE = "anynet"
    for name in ("STEM_TYPE", "STEM_W", "BLOCK_TYPE", "HEAD_W", "SE_ON", "SE_R"):
        explicit.ANYNET[name] = cfg.REGNET[name]
    explicit.ANYNET.DEPTHS = [stage.depth for stage in stages]
    explicit.ANYNET.WIDTHS = [stage.width for stage in stages]
    explicit.ANYNET.STRIDES = [stage.stride for stage in stages]
    explicit.ANYNET.BOT_MULS = [float(stage.bot_mul) for stage in stages]
    explicit.ANYNET.GROUP_WS = [stage.group_w for stage in stages]
    return explicit
