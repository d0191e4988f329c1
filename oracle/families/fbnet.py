"""FBNet (arXiv 1812.03443) as HW-NAS-Bench (2103.10584) measured it: 22 layers, nine choices for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, head, network, tail
from oracle.families._checks import choice, image_fits, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec

__all__ = ["LAYERS", "OPERATIONS", "to_spec"]

# Kernel, expansion and groups of each choice; the last is to skip the layer.
OPERATIONS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1), None)

_STEM_W, _HEAD_W = 16, 1984
# Layers, width, and stride of the first layer of each stage.
_STAGES = ((1, 16, 1), (4, 24, 2), (4, 32, 2), (4, 64, 2), (4, 112, 1), (4, 184, 2), (1, 352, 1))
LAYERS = sum(depth for depth, _, _ in _STAGES)


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
    image_fits(image, (2, *(stride for _, _, stride in _STAGES)))
    cells = [
        CellSpec.make("simple_stem_in", w_in=IMAGE_CHANNELS, w_out=_STEM_W, **tail(cfg, "relu")),
        *_blocks(cfg, ops),
        head(cfg, _STAGES[-1][1], _HEAD_W),
    ]
    return network(cfg, cells, image)


def _blocks(cfg: Any, ops: Sequence[int]) -> Iterator[CellSpec]:
    """A cell for every layer that does something: a skip that keeps the shape is no operation."""
    end, w_in, choices = tail(cfg, "relu"), _STEM_W, iter(ops)
    for depth, w_out, first_stride in _STAGES:
        for layer in range(depth):
            operation = OPERATIONS[next(choices)]
            stride = 1 if layer else first_stride
            if operation is not None:
                kernel, expansion, groups = operation
                inner = {"w_exp": w_in * expansion, "kernel": kernel, "stride": stride, "groups": groups}
                yield CellSpec.make("fbnet_block", w_in=w_in, **inner, w_out=w_out, **end)
            elif w_in != w_out or stride != 1:
                yield CellSpec.make("fbnet_skip", w_in=w_in, w_out=w_out, stride=stride, **end)
            w_in = w_out
