"""FBNet (arXiv 1812.03443) as HW-NAS-Bench (2103.10584) measured it: 22 layers, nine choices for each.

Where TRAIN.DATASET contains "cifar" it is that benchmark's network for CIFAR-100, whose stem and second stage keep the
size of the image: so it was timed, with images of 32 x 32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from oracle.families._cells import IMAGE_CHANNELS, classes, network, tail
from oracle.families._checks import choice, image_fits, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec

# Kernel, expansion and groups of each choice; the last is to skip the layer.
OPERATIONS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1), None)

_STEM_W, _HEAD_W = 16, 1984
# Layers and width of each stage; strides of the stem and of the first layer of each stage.
_STAGES = ((1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352))
_IMAGENET, _CIFAR = (2, 1, 2, 2, 2, 1, 2, 1), (1, 1, 1, 2, 2, 1, 2, 1)
LAYERS = sum(depth for depth, _ in _STAGES)


class _Layer(NamedTuple):
    w_in: int
    w_out: int
    stride: int


def _layers(first: tuple[int, ...]) -> tuple[_Layer, ...]:
    found, w_in = [], _STEM_W
    for (depth, w_out), first_stride in zip(_STAGES, first[1:], strict=True):
        for layer in range(depth):
            found.append(_Layer(w_in, w_out, 1 if layer else first_stride))
            w_in = w_out
    return tuple(found)


_LAYERS: dict[tuple[int, ...], tuple[_Layer, ...]] = {first: _layers(first) for first in (_IMAGENET, _CIFAR)}


def strides(cfg: Any) -> tuple[int, ...]:
    """Of the stem, and of the first layer of each stage."""
    return _CIFAR if "cifar" in cfg.TRAIN.DATASET.lower() else _IMAGENET


def to_spec(cfg: Any) -> NetSpec:
    """The network of FBNET.OPS; a config of this type has 1000 classes unless it says otherwise.

    Raises:
        ConfigError: not 22 choices from 0 to 8.
    """
    refuse_scaling(cfg)
    choice("MODEL.ACTIVATION_FUN", cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))  # the paper's own
    key, ops, image = "FBNET.OPS", cfg.FBNET.OPS, cfg.TRAIN.IM_SIZE
    require(len(ops) == LAYERS, key, ops[:40], f"{LAYERS} numbers, one per layer, found {len(ops)}")
    skip = len(OPERATIONS) - 1
    require(all(0 <= op <= skip for op in ops), key, ops, f"numbers from 0 to {skip}, which skips the layer")
    image_fits(image, strides(cfg))
    stem, last = ends(cfg, classes(cfg))
    blocks = filter(None, (cell_of(cfg, layer, op) for layer, op in enumerate(ops)))
    return network(cfg, [stem, *blocks, last], image)


def ends(cfg: Any, num_classes: Any) -> tuple[CellSpec, CellSpec]:
    """Stem and head."""
    kind = "res_stem_cifar" if strides(cfg)[0] == 1 else "simple_stem_in"
    stem = CellSpec.make(kind, w_in=IMAGE_CHANNELS, w_out=_STEM_W, **tail(cfg, "relu"))
    last = {"w_in": _STAGES[-1][1], "head_w": _HEAD_W, "num_classes": num_classes, "dropout": 0.0}
    return stem, CellSpec.make("head", **last, **tail(cfg))


def cell_of(cfg: Any, layer: int, op: int) -> CellSpec | None:
    """The cell of a choice at a layer; None for a skip that keeps the shape, which is no operation."""
    (w_in, w_out, stride), operation, end = _LAYERS[strides(cfg)][layer], OPERATIONS[op], tail(cfg, "relu")
    if operation is not None:
        kernel, expansion, groups = operation
        inner = {"w_exp": w_in * expansion, "kernel": kernel, "stride": stride, "groups": groups}
        return CellSpec.make("fbnet_block", w_in=w_in, **inner, w_out=w_out, **end)
    if w_in != w_out or stride != 1:
        return CellSpec.make("fbnet_skip", w_in=w_in, w_out=w_out, stride=stride, **end)
    return None
