"""What "good" means: the quality of a candidate, evaluated only once it has passed every constraint.

    QUALITY: {TYPE: none}                                        # the oracle's scores say everything
    QUALITY: {TYPE: call, FUNCTION: package.module:function}     # (spec, builder, evaluation) -> number
    QUALITY: {TYPE: proxies, PROXY: synflow}                     # or naswot, grad_norm
    QUALITY: {TYPE: train, DATA: digits, EPOCHS: 5}              # or DATA: package.module:function
    QUALITY: {TYPE: table, FILE: accuracy.csv, NAME: network, VALUE: accuracy}

A quality function gets the network's spec, a builder (`builder()` is the module, initialised on the CPU;
`builder.meta()` takes no memory), and the evaluation: its config, its scores, `report(value, step)` and
`should_prune()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._files import is_file
from oracle.errors import ConfigError

from ..space.checks import count, fields, is_number, one_of
from .build import Builder

if TYPE_CHECKING:
    from ..space import Space

__all__ = ["TYPES", "Builder", "Quality", "check_quality", "quality_of"]

Quality = Callable[[Any, Builder, Any], Any]

# TYPE -> its keys and their defaults.
TYPES: dict[str, dict[str, Any]] = {
    "none": {},
    "call": {"FUNCTION": ""},
    "proxies": {"PROXY": "synflow", "BATCH_SIZE": 16, "DATA": ""},
    "train": {
        "DATA": "digits",
        "EPOCHS": 5,
        "BATCH_SIZE": 64,
        "LR": 0.05,
        "MOMENTUM": 0.9,
        "WEIGHT_DECAY": 5e-4,
        "THREADS": 0,  # of torch while it trains, 0 for as many as it has; small networks are fastest with 1
    },
    "table": {"FILE": "", "NAME": "network", "VALUE": "accuracy"},
}
_COUNTS = ("BATCH_SIZE", "EPOCHS")
_NUMBERS = ("LR", "MOMENTUM", "WEIGHT_DECAY")


def check_quality(values: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """A QUALITY section with its defaults, checked.

    Args:
        values: as in the file.
        directory: where a relative path of a table starts.

    Raises:
        ConfigError: an unknown type or key, or a value that it cannot have.
    """
    kind = one_of(values.get("TYPE", "none"), "QUALITY.TYPE", tuple(TYPES))
    section = {"TYPE": kind} | TYPES[kind] | fields(values, "QUALITY", ("TYPE", *TYPES[kind]))
    for name, value in section.items():
        at = f"QUALITY.{name}"
        if name in _COUNTS:
            section[name] = count(value, at, 1)
        elif name == "THREADS":
            section[name] = count(value, at, 0)
        elif name in _NUMBERS:
            if not is_number(value) or value < 0:
                raise ConfigError(f"value {value!r}: expected a number of at least 0", key=at)
            section[name] = float(value)
        elif not isinstance(value, str):
            raise ConfigError(f"value {value!r}: expected a text", key=at)
    if kind == "proxies":
        from .proxies import PROXIES

        one_of(section["PROXY"], "QUALITY.PROXY", tuple(PROXIES))
    if kind == "table":
        beside = directory / section["FILE"]
        if not section["FILE"] or not is_file(beside):
            raise ConfigError(f"value {section['FILE']!r}: no such file", key="QUALITY.FILE")
        section["FILE"] = str(beside.resolve())
    return section


def quality_of(section: Mapping[str, Any], space: Space) -> Quality | None:
    """The function that a checked QUALITY section describes; None for `none`.

    Raises:
        ConfigError: a module that cannot be imported, no such function, or a table that cannot be used.
        MissingDependencyError: an extra is not installed.
    """
    if section["TYPE"] == "none":
        return None
    maker: Callable[[Mapping[str, Any], Space], Quality] = import_module(f"{__name__}.{section['TYPE']}").quality
    return maker(section, space)
