"""Limits in words, the same in studies, spaces, sweeps and `search.oracle_limits`; nothing is evaluated.

params <= 6e6           4.5 <= latency_ms@t4 <= 5   peak_memory_bytes >= 1e5
latency_ms@t4 <= 2 at 90%                           roofline_ms@t4 <= 2
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._resources import closest
from oracle.devices import load_device
from oracle.errors import ConfigError, DeviceError

from .limits import PLACED, Limit

QUALITY = "quality"
SCORES = (
    "macs",
    "flops",
    "params",
    "activations",
    "pycls_flops",
    "pycls_acts",
    "traffic_bytes",
    "peak_memory_bytes",
    "sram_bytes",
    "flash_bytes",
    "kv_cache_bytes",
    "kv_bytes_per_token",
    "intensity",
    "latency_ms",
)
LIMITED = (*SCORES, "roofline_ms")
"""What can be limited."""

_CONFIDENCE = (50.0, 99.0)  # per cent; see oracle.calibration.intervals.EXTREMES
_NUMBER = r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?"
_SCORE = r"[A-Za-z][\w.]*(?:@\S+?)?"
_AT = rf"(?:\s+at\s+({_NUMBER})\s*%)?"
_BETWEEN = re.compile(rf"({_NUMBER})\s*<=\s*({_SCORE})\s*<=\s*({_NUMBER}){_AT}")
_ONE_SIDED = re.compile(rf"({_SCORE})\s*(<=|>=)\s*({_NUMBER}){_AT}")
_FORMS = (
    "`SCORE <= number`, `SCORE >= number` or `number <= SCORE <= number`, after a latency's also a confidence, `at 90%`"
)


def limits_of_texts(
    texts: Any, own: Iterable[Limit] = (), devices: Collection[str] = (), key: str = "CONSTRAINTS"
) -> tuple[Limit, ...]:
    """The limits of a list of texts, and those of a space; several on one score become one.

    Args:
        texts: each `SCORE <= number`, `SCORE >= number` or `number <= SCORE <= number`; of a latency also
            `... at 90%`: the latency itself obeys it with that probability, see `Scores.latency_quantile_ms`.
        own: of the space.
        devices: names that are known beside those of the shipped devices.
        key: dotted key, for complaints; "" leaves it out.

    Raises:
        ConfigError: what is no limit, an unknown score or device, or limits that nothing can obey.

    Example:
        >>> [f"{limit.name}: {limit}" for limit in limits_of_texts(["params <= 30e6", "latency_ms@t4 <= 2 at 90%"])]
        ['params: at most 30,000,000', 'latency_ms@t4 at 90%: at most 2']
    """
    given = [(limit, "SPACE") for limit in own]
    for i, text in enumerate(texts_of(texts, key)):
        at = f"{key}[{i}]" if key else ""
        given += [(limit, at) for limit in _limits(text, devices, at)]
    return united(given)


def united(given: Iterable[tuple[Limit, str]]) -> tuple[Limit, ...]:
    """Several limits on one score as one.

    Args:
        given: limits, each with the dotted key to complain of.

    Raises:
        ConfigError: limits that nothing can obey.
    """
    found: dict[str, Limit] = {}
    for limit, at in given:
        old = found.get(limit.name, replace(limit, low=-inf, high=inf))
        both = replace(limit, low=max(old.low, limit.low), high=min(old.high, limit.high))
        if both.low > both.high:
            conflict = f"; another constraint says {old}" if limit.name in found else ""
            raise ConfigError(f"nothing can obey {limit.name} {limit}{conflict}: expected low <= high", key=at)
        found[limit.name] = both
    return tuple(found.values())


def _limits(text: str, devices: Collection[str], key: str) -> list[Limit]:
    """The limits of one text: with a confidence, each end is one of its own."""
    bare = text.strip()
    if between := _BETWEEN.fullmatch(bare):
        least, name, most, at = between.groups()
        low, high = float(least), float(most)
    elif one := _ONE_SIDED.fullmatch(bare):
        name, sign, value, at = one.groups()
        low, high = (-inf, float(value)) if sign == "<=" else (float(value), inf)
    else:
        raise ConfigError(f"value {text!r}: expected {_FORMS}", key=key)
    if name.partition("@")[0] == QUALITY:
        raise ConfigError(
            "quality is known only after the evaluation that constraints are to save; make it an objective", key=key
        )
    score, device = score_of(name, devices, key, LIMITED)
    if low > high:
        raise ConfigError(f"nothing can obey {name} {Limit(score, low, high)}: expected low <= high", key=key)
    if at is None:
        return [Limit(score, low, high, device)]
    share = _confidence(score, text, float(at), key)
    ends = [Limit(score, low, inf, device, round(1 - share, 10))] if low > -inf else []
    return ends + ([Limit(score, -inf, high, device, share)] if high < inf else [])


def _confidence(score: str, text: str, percent: float, key: str) -> float:
    if score != "latency_ms":
        raise ConfigError(f"value {text!r}: {score} is exact; only latency_ms takes a confidence", key=key)
    if not _CONFIDENCE[0] <= percent <= _CONFIDENCE[1]:
        low, high = _CONFIDENCE
        raise ConfigError(f"value {text!r}: confidence {percent:g}%, expected {low:g}% to {high:g}%", key=key)
    return percent / 100


def score_of(name: str, devices: Collection[str], key: str, known: Sequence[str]) -> tuple[str, str]:
    """The score and the device that `latency_ms@t4` or `params` stands for.

    Args:
        name: as people write it.
        devices: names that are known beside those of the shipped devices.
        key: dotted key, for complaints.
        known: scores.

    Raises:
        ConfigError: an unknown score or device, or a device where none belongs.
    """
    score, _, device = name.partition("@")
    if score not in known:
        raise ConfigError(f"unknown score {score!r}{closest(score, known)}; there are {', '.join(known)}", key=key)
    if (score in PLACED) != bool(device):
        rule = f"{score} needs a device" if score in PLACED else f"{score} is the same on every device"
        example = f"{score}@t4" if score in PLACED else score
        raise ConfigError(f"value {name!r}: {rule}; expected {example}, say", key=key)
    if not device or device in devices:
        return score, device
    if device.endswith((".yaml", ".yml")):
        raise ConfigError(f"value {name!r}: list the file in DEVICES, and say the device's name here", key=key)
    try:
        return score, load_device(device).name
    except DeviceError as error:
        raise ConfigError(str(error), key=key) from None


def columns_of(scores: Any) -> dict[str, NDArray[Any]]:
    """The columns of `oracle.score_many` by what people call them: `params`, `latency_ms@t4`, ..."""
    found = {name: np.asarray(getattr(scores, name)) for name in SCORES if name != "latency_ms"}
    return found | {f"latency_ms@{device}": column for device, column in scores.latency_ms.items()}


def texts_of(values: Any, key: str) -> list[str]:
    """A list of texts; one text is a list of one.

    Raises:
        ConfigError: anything else.
    """
    if isinstance(values, str):
        values = [values]
    if isinstance(values, Mapping) or not isinstance(values, (list, tuple)):
        raise ConfigError(f"value {values!r}: expected a list of texts", key=key)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise ConfigError(f"value {value!r}: expected a text", key=f"{key}[{i}]")
    return list(values)
