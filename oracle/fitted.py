"""Fitted values of serving as small YAML files, `configs/serving/`: one per kind of link and one per engine.

SOURCE: who measured what
LICENCE: Apache-2.0              # of the measurements
DATE: 2026-11-27                 # of the fit
MEASUREMENTS: 1008               # rows
ERROR: {NCCL: 0.12}              # mean relative error of what, on rows that the fit had not seen
PROTOCOL: leave-device-out

and numbers under keys that name their units, see `oracle.collectives` and `oracle.serving.engines`.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle._files import MEBIBYTE, read_text
from oracle._frozen import Frozen
from oracle._resources import closest, find_config, shipped
from oracle.errors import ConfigError

_ORIGIN = ("SOURCE", "LICENCE", "DATE", "MEASUREMENTS", "ERROR", "PROTOCOL")


@dataclass(frozen=True, slots=True)
class Origin:
    """On what values were fitted.

    Attributes:
        source, licence, date, protocol: words.
        measurements: rows.
        error: of what -> mean relative error on rows not fitted.
    """

    source: str
    licence: str
    date: str
    measurements: int
    error: Mapping[str, float]
    protocol: str


def read_serving(name: str) -> tuple[dict[str, Any], str]:
    """The content of a shipped file, and its place for messages.

    Raises:
        ConfigError: no such file, or broken YAML.
    """
    from oracle.config.strict_yaml import parse_yaml

    path: Path | None = find_config("serving", name)
    if path is None:
        raise ConfigError(f"serving values {name!r}: expected one of {', '.join(sorted(shipped('serving')))}")
    content = parse_yaml(read_text(path, MEBIBYTE, ConfigError), str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys")
    return content, str(path)


def shared_keys(content: Mapping[str, Any], place: str, own: tuple[str, ...]) -> Origin:
    """On what the values of a file were fitted.

    Args:
        content: of the file.
        place: of the file.
        own: its other keys; a key that is none of either is an error.

    Raises:
        ConfigError: a missing or an unknown key, or a value of the wrong type.
    """
    for key in content:
        if key not in (*_ORIGIN, *own):
            raise ConfigError(f"{place}: {key}: unknown key{closest(str(key), [*_ORIGIN, *own])}")
    for key in _ORIGIN:
        if key not in content:
            raise ConfigError(f"{place}: {key} is missing")
    words = {key.lower(): str(content[key]) for key in ("SOURCE", "LICENCE", "DATE", "PROTOCOL")}
    errors = content["ERROR"]
    if not isinstance(errors, dict):
        raise ConfigError(f"{place}: ERROR={reprlib.repr(errors)}: expected a mapping of numbers")
    found = {str(name): number_of(value, f"{place}: ERROR.{name}") for name, value in errors.items()}
    return Origin(
        **words,
        measurements=int(number_of(content["MEASUREMENTS"], f"{place}: MEASUREMENTS")),
        error=Frozen(found),
    )


def numbers_in(
    content: Mapping[str, Any],
    place: str,
    keys: Mapping[str, tuple[str, float]],
    divisors: Collection[str] = (),
) -> dict[str, float]:
    """Numbers in SI units by the names of fields.

    Args:
        content, place: as in `shared_keys`.
        keys: key -> field, and SI units in one of the key's.
        divisors: those of the keys that something is divided by.

    Raises:
        ConfigError: a missing key, a value that is no number from 0 up, or a divisor of 0.
    """
    for key in keys:
        if key not in content:
            raise ConfigError(f"{place}: {key} is missing")
        if key in divisors and content[key] == 0:
            raise ConfigError(f"{place}: {key}={content[key]!r}: expected a number above 0")
    return {field: number_of(content[key], f"{place}: {key}") * unit for key, (field, unit) in keys.items()}


def number_of(value: object, where: str) -> float:
    """A finite number from 0 up.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= sys.float_info.max:
        raise ConfigError(f"{where}={reprlib.repr(value)}: expected a number, 0 or more")
    return float(value)
