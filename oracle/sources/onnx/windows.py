"""Sliding windows: how ONNX words kernel, strides, dilations and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch.nn.functional as F

from oracle.sources.onnx.registry import Node


class Geometry(NamedTuple):
    """A window over spatial dimensions; `before` and `after` are paddings."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


def geometry(node: Node, x: Any, kernel: Sequence[int]) -> Geometry:
    """The window of a Conv or a pool over `x` (batch, channels, *spatial)."""
    kernel = tuple(kernel)
    ones = (1,) * len(kernel)
    strides, dilations = tuple(node.get("strides", ones)), tuple(node.get("dilations", ones))
    pads = tuple(node.get("pads", (0,) * (2 * len(kernel))))
    auto = node.get("auto_pad", "NOTSET")
    before, after = pads[: len(kernel)], pads[len(kernel) :]
    if auto.startswith("SAME"):
        need = [
            max((-(-size // step) - 1) * step + (width - 1) * apart + 1 - size, 0)
            for size, step, width, apart in zip(x.shape[2:], strides, kernel, dilations, strict=True)
        ]
        less, more = tuple(n // 2 for n in need), tuple(n - n // 2 for n in need)
        before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto == "VALID":
        before = after = (0,) * len(kernel)
    return Geometry(kernel, strides, dilations, before, after)


def padded(x: Any, shape: Geometry, value: float | None = None) -> tuple[Any, tuple[int, ...]]:
    """The input, and the padding left for torch, which pads both ends alike: what is uneven is padded here.

    Args:
        x, shape: as of `geometry`.
        value: what a pool pads with, of which torch takes at most half a window; None: a convolution.
    """
    wide = value is not None and any(
        2 * pad > (width - 1) * apart + 1
        for pad, width, apart in zip(shape.before, shape.kernel, shape.dilations, strict=True)
    )
    if shape.before == shape.after and not wide:
        return x, shape.before
    pairs = zip(reversed(shape.before), reversed(shape.after), strict=True)
    return F.pad(x, [size for pair in pairs for size in pair], value=value or 0.0), (0,) * len(shape.kernel)
