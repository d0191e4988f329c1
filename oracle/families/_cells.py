"""Pieces that families share: the arguments every cell ends with, the head, the finished spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oracle.families._checks import choice, integer
from oracle.spec import CellSpec, NetSpec, Scalar

IMAGE_CHANNELS = 3
# Word of a config -> word of a cell.
ACTIVATIONS = {"relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu"}


def tail(cfg: Any, activation: str | None = None) -> dict[str, Scalar]:
    """The common last arguments of convolutional cells: activation and batch norm."""
    key, model, norm = "MODEL.ACTIVATION_FUN", cfg["MODEL"], cfg["BN"]  # a key costs a tenth of an attribute
    word = choice(key, (activation or model["ACTIVATION_FUN"]).lower(), ACTIVATIONS)
    return {
        "activation": ACTIVATIONS[word],
        "inplace": model["ACTIVATION_INPLACE"],
        "bn_eps": norm["EPS"],
        "bn_momentum": norm["MOM"],
    }


def cell(kind: str, end: Mapping[str, Scalar], **params: Scalar) -> CellSpec:
    """`CellSpec.make(kind, **params, **end)`, in half the time."""
    return CellSpec(kind, (*params.items(), *end.items()))


def classes(cfg: Any) -> int:
    """How many classes the last linear layer has."""
    return integer("MODEL.NUM_CLASSES", cfg.MODEL.NUM_CLASSES)


def head(cfg: Any, w_in: int, head_w: int = 0, dropout: float = 0.0) -> CellSpec:
    """Optional 1x1 to head_w, global average pool, linear with bias."""
    return cell("head", tail(cfg), w_in=w_in, head_w=head_w, num_classes=classes(cfg), dropout=dropout)


def network(cfg: Any, cells: Iterable[CellSpec], image: int) -> NetSpec:
    """The finished spec, named as the config is."""
    return NetSpec(tuple(cells), (IMAGE_CHANNELS, image, image), cfg.COST.NAME)
