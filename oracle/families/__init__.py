"""Families of networks: a config in, a `NetSpec` of final integers out.

One file per family; each has `to_spec(cfg)` and a line below. A family checks everything that could make its
network impossible, so that building and tracing meet sound specs only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oracle.config.merge import check_keys
from oracle.config.schema import CALL_WORDS, DEFAULTS
from oracle.errors import ConfigError
from oracle.families._checks import choice
from oracle.families._registry import FAMILIES, Columns, Family, register_family
from oracle.spec import NetSpec

__all__ = ["FAMILIES", "Columns", "Family", "register_family", "to_spec"]

register_family(Family.own("anynet", "ANYNET", columns=True))
register_family(Family.own("decoder", "DECODER", columns=True))
register_family(Family.own("effnet", "EN", columns=True))
register_family(Family.own("fbnet", "FBNET", columns=True))
register_family(Family.own("nasbench201", "NB201", columns=True))
register_family(Family.own("ofa_mobilenetv3", "OFA", columns=True))
register_family(Family.own("regnet", "REGNET", columns=True))
register_family(Family.own("resnet", "RESNET"))
register_family(Family.own("vit", "VIT"))


def to_spec(cfg: Any) -> NetSpec:
    """Make the network that a config describes, of the family that MODEL.TYPE names.

    Args:
        cfg: a loaded config.

    Returns:
        A frozen, hashable chain of cells; equal networks are equal specs.

    Raises:
        ConfigError: no such network can exist, and the error carries the dotted key; or no config.

    Examples:
        >>> import oracle
        >>> net = oracle.to_spec(oracle.load_cfg("RegNetX-400MF"))
        >>> len(net.cells), net.input_shape
        (24, (3, 224, 224))
    """
    if not hasattr(cfg, "MODEL"):
        raise ConfigError(f"{cfg!r}: expected a config; `oracle.load_cfg` makes one of a name or a path")
    check_keys(cfg)
    family = FAMILIES[choice("MODEL.TYPE", cfg.MODEL.TYPE, FAMILIES)]
    if cfg.MODEL.TYPE != "decoder":
        _check_unshared(cfg.COST)
    try:
        net = family(cfg)
        return replace(net, dtypes=tuple(cfg.COST.DTYPES.items())) if cfg.COST.get("DTYPES") else net
    except TypeError:  # a value of another type, put there by hand: what checks files says it in words
        from oracle.config import cfg_from_dict

        cfg_from_dict(cfg)
        raise


def _check_unshared(cost: Any) -> None:
    """Refuse what decoders alone have, where it would change nothing and nobody would say so."""
    for name in CALL_WORDS:
        key = name.upper()
        default = DEFAULTS["COST"][key]
        value = cost.get(key, default)
        if value != default:
            shown = dict(value) if isinstance(value, dict) else value
            raise ConfigError(
                f"value {shown!r}: only decoders have prompts, caches and GPUs that share them", key=f"COST.{key}"
            )
