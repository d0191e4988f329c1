"""Quality from a table of measured accuracies."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.spec import NetSpec

if TYPE_CHECKING:
    from ..space import Space
    from . import Builder, Quality


def quality(section: Mapping[str, Any], space: Space) -> Quality:
    """A function that looks networks up: equal specs are one network, whatever they are called.

    A name in the table is a shipped network, the path of a config, or the cell of NAS-Bench-201 in its own
    notation, with the other keys of the space.

    Raises:
        ConfigError: no table with these columns, a name that is no network, a value that is no number, or two
            values for one network.
    """
    known: dict[NetSpec, float] = {}
    for name, value in _read(section):
        spec = _spec(name, space)
        if known.setdefault(spec, value) != value:
            raise ConfigError(f"network {name!r} has two values, {known[spec]} and {value}", key="QUALITY.FILE")

    def look_up(spec: NetSpec, builder: Builder, evaluation: Any) -> float:  # noqa: ARG001 - a quality's signature
        if spec not in known:
            raise OracleError("the table has no such network")
        return known[spec]

    return look_up


def _read(section: Mapping[str, Any]) -> list[tuple[str, float]]:
    path, names = Path(section["FILE"]), (section["NAME"], section["VALUE"])
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for key, column in zip(("NAME", "VALUE"), names, strict=True):
                if column not in (reader.fieldnames or ()):
                    have = ", ".join(" ".join(name.split()) for name in reader.fieldnames or ()) or "none"
                    raise ConfigError(f"value {column!r}: {path} has the columns {have}", key=f"QUALITY.{key}")
            return [(row[names[0]] or "", _value(row[names[1]], reader.line_num, path)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {error}", key="QUALITY.FILE") from None


def _value(text: str | None, line: int, path: Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ConfigError(f"{path} line {line}: value {text!r}: expected a number", key="QUALITY.FILE") from None


def _spec(name: str, space: Space) -> NetSpec:
    try:
        if name.startswith("|") and space.base.MODEL.TYPE == "nasbench201":
            return to_spec(cfg_from_dict(space.base, ["NB201.ARCH", name, "NB201.OPS", []]))
        return to_spec(load_cfg(name))
    except ConfigError as error:
        raise ConfigError(f"network {name!r}: {error}", key="QUALITY.FILE") from None
