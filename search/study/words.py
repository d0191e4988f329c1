"""The words of a study file: what to optimise and what to obey, parsed without evaluating anything.

maximise quality        minimise latency_ms@t4      (also maximize, max, minimize, min)
params <= 6e6           4.5 <= latency_ms@t4 <= 5   peak_memory_bytes >= 1e5
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._resources import closest
from oracle.devices import load_device
from oracle.errors import ConfigError, DeviceError

from ..space.limits import COLUMNS, Limit

__all__ = ["QUALITY", "SCORES", "STRUCTURE", "Bound", "Objective", "bound_of_limit", "bounds_of", "objectives_of"]

QUALITY = "quality"
STRUCTURE = "structure"  # the constraint to be a network, and such a one as the space asks for
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
    "intensity",
    "latency_ms",
)

_NUMBER = r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?"
_SCORE = r"[A-Za-z][\w.]*(?:@\S+?)?"
_DIRECTIONS = {"max": True, "maximise": True, "maximize": True, "min": False, "minimise": False, "minimize": False}
_BETWEEN = re.compile(rf"({_NUMBER})\s*<=\s*({_SCORE})\s*<=\s*({_NUMBER})")
_ONE_SIDED = re.compile(rf"({_SCORE})\s*(<=|>=)\s*({_NUMBER})")


@dataclass(frozen=True, slots=True)
class Objective:
    """What to optimise.

    Attributes:
        score: one of `SCORES`, or `QUALITY`.
        maximise: the direction.
        device: what latency_ms is on, else "".
    """

    score: str
    maximise: bool
    device: str = ""

    @property
    def name(self) -> str:
        """`quality`, `params`, `latency_ms@t4`."""
        return f"{self.score}@{self.device}" if self.device else self.score

    def column(self, scores: Any) -> NDArray[np.float64]:
        """Its values, from `oracle.score_many`."""
        column = getattr(scores, self.score)
        return np.asarray(column[self.device] if self.device else column, dtype=np.float64)

    @property
    def worst(self) -> float:
        """What no value is worse than."""
        return -inf if self.maximise else inf

    def __str__(self) -> str:
        return f"{'maximise' if self.maximise else 'minimise'} {self.name}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A closed range for one score; it can be judged as `search.space.judge` judges limits.

    Attributes:
        score: one of `SCORES`.
        low, high: the range, an infinite end being open.
        device: what latency_ms is on, else "".
        key: dotted key of the space, where that alone says it.
    """

    score: str
    low: float = -inf
    high: float = inf
    device: str = ""
    key: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The score, with its device: `params`, `latency_ms@t4`."""
        return f"{self.score}@{self.device}" if self.device else self.score

    @property
    def label(self) -> str:
        """What people are told of it by: the key of the space as in sweeps, or the name as in the study's file."""
        return self.key or self.name

    def violation(self, value: float) -> float:
        """Above 0 outside, as a share of the side it is beyond; at most 0 inside (the distance to that side)."""
        below = (self.low - value) / (abs(self.low) or 1.0) if self.low > -inf else -inf
        above = (value - self.high) / (abs(self.high) or 1.0) if self.high < inf else -inf
        return max(below, above)

    def column(self, scores: Any) -> NDArray[np.float64]:
        """The scores that it bounds, from `oracle.score_many`."""
        column = getattr(scores, self.score)
        return np.asarray(column[self.device] if self.device else column, dtype=np.float64)

    def excess(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) `violation` of each value, 0 inside."""
        below = (self.low - values) / (abs(self.low) or 1.0) if self.low > -inf else np.zeros(len(values))
        above = (values - self.high) / (abs(self.high) or 1.0) if self.high < inf else np.zeros(len(values))
        return np.where(np.isnan(values), np.inf, np.maximum(np.maximum(below, above), 0.0))

    def __str__(self) -> str:
        if self.low > -inf and self.high < inf:
            return f"{self.low:,.10g} to {self.high:,.10g}"
        return f"at most {self.high:,.10g}" if self.high < inf else f"at least {self.low:,.10g}"


def objectives_of(texts: Any, devices: Collection[str] = (), key: str = "OBJECTIVES") -> tuple[Objective, ...]:
    """The objectives of a list of texts.

    Args:
        texts: each `maximise SCORE` or `minimise SCORE`.
        devices: names that are known beside those of the shipped devices.
        key: dotted key, for complaints.

    Raises:
        ConfigError: no list, no objective, an unknown word, score or device, or one objective twice.
    """
    found = [_objective(text, devices, f"{key}[{i}]") for i, text in enumerate(_texts(texts, key))]
    if not found:
        raise ConfigError("expected at least one objective, such as `maximise quality`", key=key)
    names = [objective.name for objective in found]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"value {name!r} is an objective twice", key=f"{key}[{i}]")
    return tuple(found)


def _objective(text: str, devices: Collection[str], key: str) -> Objective:
    words = text.split()
    if len(words) != 2 or words[0].lower() not in _DIRECTIONS:
        raise ConfigError(f"value {text!r}: expected `maximise SCORE` or `minimise SCORE`", key=key)
    score, device = _score(words[1], devices, key, (*SCORES, QUALITY))
    return Objective(score, _DIRECTIONS[words[0].lower()], device)


def bounds_of(
    texts: Any, limits: Iterable[Limit] = (), devices: Collection[str] = (), key: str = "CONSTRAINTS"
) -> tuple[Bound, ...]:
    """The bounds of a list of texts, and the limits of a space; several on one score become one.

    Args:
        texts: each `SCORE <= number`, `SCORE >= number` or `number <= SCORE <= number`.
        limits: of the space.
        devices: names that are known beside those of the shipped devices.
        key: dotted key, for complaints.

    Raises:
        ConfigError: what is no bound, an unknown score or device, or bounds that nothing can obey.
    """
    found: dict[str, Bound] = {}
    given = [(bound_of_limit(limit), "SPACE") for limit in limits]
    given += [(_bound(text, devices, f"{key}[{i}]"), f"{key}[{i}]") for i, text in enumerate(_texts(texts, key))]
    for bound, at in given:
        old = found.get(bound.name, Bound(bound.score, device=bound.device))
        both = Bound(bound.score, max(old.low, bound.low), min(old.high, bound.high), bound.device, bound.key)
        if both.low > both.high:
            conflict = f"; another constraint says {old}" if bound.name in found else ""
            raise ConfigError(f"nothing can obey {bound.name} {bound}{conflict}: expected low <= high", key=at)
        found[bound.name] = both
    return tuple(found.values())


def bound_of_limit(limit: Limit) -> Bound:
    """The bound that a space's limit is; its 0 leaves a side open."""
    return Bound(COLUMNS[limit.score], limit.low or -inf, limit.high or inf, limit.device, limit.name)


def _bound(text: str, devices: Collection[str], key: str) -> Bound:
    bare = text.strip()
    if between := _BETWEEN.fullmatch(bare):
        least, name, most = between.groups()
        return _ends(name, devices, key, float(least), float(most))
    if one := _ONE_SIDED.fullmatch(bare):
        name, sign, value = one.groups()
        low, high = (-inf, float(value)) if sign == "<=" else (float(value), inf)
        return _ends(name, devices, key, low, high)
    raise ConfigError(
        f"value {text!r}: expected `SCORE <= number`, `SCORE >= number` or `number <= SCORE <= number`", key=key
    )


def _ends(name: str, devices: Collection[str], key: str, low: float, high: float) -> Bound:
    if name.partition("@")[0] == QUALITY:
        raise ConfigError(
            "quality is known only after the evaluation that constraints are to save; make it an objective",
            key=key,
        )
    score, device = _score(name, devices, key, SCORES)
    return Bound(score, low, high, device)


def _score(name: str, devices: Collection[str], key: str, known: Sequence[str]) -> tuple[str, str]:
    score, _, device = name.partition("@")
    if score not in known:
        raise ConfigError(f"unknown score {score!r}{closest(score, known)}; there are {', '.join(known)}", key=key)
    if (score == "latency_ms") != bool(device):
        rule = "latency_ms needs a device" if score == "latency_ms" else f"{score} is the same on every device"
        example = "latency_ms@t4" if score == "latency_ms" else score
        raise ConfigError(f"value {name!r}: {rule}; expected {example}, say", key=key)
    if not device or device in devices:
        return score, device
    if device.endswith((".yaml", ".yml")):
        raise ConfigError(f"value {name!r}: list the file in DEVICES, and say the device's name here", key=key)
    try:
        return score, load_device(device).name
    except DeviceError as error:
        raise ConfigError(str(error), key=key) from None


def _texts(values: Any, key: str) -> list[str]:
    if isinstance(values, str):
        values = [values]
    if isinstance(values, Mapping) or not isinstance(values, (list, tuple)):
        raise ConfigError(f"value {values!r}: expected a list of texts", key=key)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise ConfigError(f"value {value!r}: expected a text", key=f"{key}[{i}]")
    return list(values)
