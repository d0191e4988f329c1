"""Families of networks: a config in, a `NetSpec` of final integers out.

One file per family; each has `to_spec(cfg)`. A family checks everything that could make its network
impossible, so that building and tracing meet sound specs only.
"""

from __future__ import annotations

from typing import Any

from oracle.errors import ConfigError
from oracle.families import anynet, effnet, fbnet, nasbench201, ofa_mobilenetv3, regnet, resnet, vit
from oracle.families._checks import choice
from oracle.spec import NetSpec

__all__ = ["FAMILIES", "to_spec"]

FAMILIES = {
    "anynet": anynet.to_spec,
    "effnet": effnet.to_spec,
    "fbnet": fbnet.to_spec,
    "nasbench201": nasbench201.to_spec,
    "ofa_mobilenetv3": ofa_mobilenetv3.to_spec,
    "regnet": regnet.to_spec,
    "resnet": resnet.to_spec,
    "vit": vit.to_spec,
}


def to_spec(cfg: Any) -> NetSpec:
    """The network that a loaded config describes, of the family that MODEL.TYPE names.

    Raises:
        ConfigError: no such network can exist, and the error carries the dotted key; or no config.
    """
    if not hasattr(cfg, "MODEL"):
        raise ConfigError(f"{cfg!r}: expected a config; `oracle.load_cfg` makes one of a name or a path")
    return FAMILIES[choice("MODEL.TYPE", cfg.MODEL.TYPE, tuple(FAMILIES))](cfg)
