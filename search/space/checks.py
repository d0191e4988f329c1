"""What the readers of space files check; every complaint names the dotted key, the value and the rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from sys import float_info
from typing import Any

from oracle._resources import closest
from oracle.errors import ConfigError

_LARGEST = 2**53


def fields(values: Any, key: str, known: Collection[str]) -> dict[str, Any]:
    """A mapping with known keys only.

    Raises:
        ConfigError: no mapping, or an unknown key.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"value {values!r}: expected a mapping", key=key)
    for name in values:
        if name not in known:
            hint = closest(str(name), known, 1) or f"; expected one of {', '.join(known)}"
            raise ConfigError(f"unknown key{hint}", key=f"{key}.{name}" if key else str(name))
    return dict(values)


def one_of(value: Any, key: str, words: Collection[str]) -> str:
    """One of several words.

    Raises:
        ConfigError: anything else.
    """
    if not isinstance(value, str) or value not in words:
        hint = closest(str(value), words, 1)
        raise ConfigError(f"value {value!r}: expected one of {', '.join(words)}{hint}", key=key)
    return value


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= float_info.max


def count(value: Any, key: str, low: int) -> int:
    """A plain count; 1e6 is one too.

    Raises:
        ConfigError: anything else.
    """
    if not is_number(value) or value % 1 or not low <= value <= _LARGEST:
        raise ConfigError(f"value {value!r}: expected an integer of at least {low}", key=key)
    return int(value)


def span(value: Any, key: str, *, open_at_zero: bool = False) -> tuple[float, float]:
    """The two ends of a range.

    Args:
        value: a list of two numbers.
        key: dotted key, for complaints.
        open_at_zero: whether 0 means that there is no such end.

    Raises:
        ConfigError: not a list of two finite numbers, the first no larger than the second.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(map(is_number, value)):
        raise ConfigError(f"value {value!r}: expected two finite numbers, [low, high]", key=key)
    low, high = value
    if open_at_zero and min(value) < 0:
        raise ConfigError(f"value {value!r}: expected ends of at least 0, 0 meaning no limit", key=key)
    if low > high and not (open_at_zero and high == 0):
        raise ConfigError(f"value {value!r}: expected low <= high", key=key)
    return low, high
