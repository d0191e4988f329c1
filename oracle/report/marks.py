"""How figures tell things apart: a colour and a shape for each kind of operator, a colour for each bound.

Colours are those of Okabe and Ito, "Color universal design" (2008), which people with any common colour vision tell
apart; its yellow and black are left out, which vanish on white and on black. Shapes say the same once more.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A kind of operator in a figure.

    Attributes:
        name: for people.
        classes: of `oracle.optable.OP_CLASSES`.
        color: as `#rrggbb`.
        shape: circle, square, triangle, diamond, cross, wedge (a triangle upside down) or ring.
    """

    name: str
    classes: tuple[str, ...]
    color: str
    shape: str


MARKS = (
    Mark("convolution", ("conv", "grouped"), "#0072b2", "circle"),
    Mark("depthwise convolution", ("depthwise",), "#56b4e9", "triangle"),
    Mark("matrix product, attention", ("linear", "matmul", "attention"), "#d55e00", "square"),
    Mark("normalisation", ("norm",), "#009e73", "diamond"),
    Mark("pointwise", ("activation", "elementwise"), "#e69f00", "wedge"),
    Mark("pooling, softmax, reduction", ("pool", "softmax", "reduction"), "#cc79a7", "cross"),
    Mark("copy and other", ("copy", "embedding", "other"), "#8a8a8a", "ring"),
)
"""Every kind; together they have every class once."""

BOUND_COLORS = {"compute": "#0072b2", "memory": "#e69f00", "launch": "#8a8a8a"}
"""Bound -> colour."""

SERIES_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a")
"""For whatever else comes in several: devices, phases."""


def mark_of(op_class: str) -> Mark:
    """The mark of a class; that of `other` for one that nobody knows."""
    return next((mark for mark in MARKS if op_class in mark.classes), MARKS[-1])
