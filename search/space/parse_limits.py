"""SETUP.CONSTRAINTS of a space file."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from oracle.devices import load_device
from oracle.errors import ConfigError, DeviceError
from oracle.families._checks import MAX_BLOCKS

from .checks import count, fields, span
from .limits import COLUMNS, Limit

_CX = "SETUP.CONSTRAINTS.CX"
_REGNET = "SETUP.CONSTRAINTS.REGNET"


def limits_of(values: Any) -> tuple[Limit, ...]:
    """The limits of CX that are set.

    Raises:
        ConfigError: an unknown score or device, or a range that nothing can be in.
    """
    found = []
    for score, content in fields(values, _CX, COLUMNS).items():
        key = f"{_CX}.{score}"
        if score != "LATENCY_MS":
            found.append(_limit(score, content, key))
            continue
        if not isinstance(content, Mapping):
            raise ConfigError(f"value {content!r}: expected a mapping of devices to [low, high]", key=key)
        for device, ends in content.items():
            try:
                name = load_device(device).name
            except DeviceError as error:
                raise ConfigError(str(error), key=f"{key}.{device}") from None
            found.append(_limit(score, ends, f"{key}.{device}", name))
    return tuple(limit for limit in found if limit.low > -inf or limit.high < inf)


def _limit(score: str, ends: Any, key: str, device: str = "") -> Limit:
    """A limit of the file, where 0 leaves a side open."""
    low, high = span(ends, key, open_at_zero=True)
    name = ".".join(part for part in ("CX", score, device) if part)
    return Limit(COLUMNS[score], low or -inf, high or inf, device, key=name)


def num_stages_of(values: Any) -> tuple[int, int] | None:
    """Fewest and most stages: REGNET.NUM_STAGES, [4, 4] unless given; None for [0, 0], which drops the rule.

    Raises:
        ConfigError: no range of counts.
    """
    key = f"{_REGNET}.NUM_STAGES"
    given = fields(values, _REGNET, ("NUM_STAGES",)).get("NUM_STAGES", [4, 4])
    low, high = (count(end, key, 0) for end in span(given, key, open_at_zero=True))
    return (low, high or MAX_BLOCKS) if low or high else None
