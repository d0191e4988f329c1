"""What families check before they compute; a complaint names the dotted key, the value and the rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import prod

from oracle._resources import closest
from oracle.errors import ConfigError

# No network comes near these; beyond them, building takes minutes and element counts overflow 64 bits.
MAX_BLOCKS = 10_000
MAX_WIDTH = 2**20
MAX_IMAGE = 2**14
MAX_TOKENS = 2**24


def require(holds: bool, key: str, value: object, expected: str) -> None:
    """Raise a ConfigError about a key unless something holds."""
    if not holds:
        raise ConfigError(f"value {value!r}: expected {expected}", key=key)


def integer(key: str, value: int, low: int = 1, high: int = MAX_WIDTH) -> int:
    """An integer within a closed range."""
    if not low <= value <= high:
        require(False, key, value, f"an integer from {low} to {high}")
    return value


def ratio(key: str, value: float) -> float:
    """A probability below 1, such as a dropout ratio."""
    require(0 <= value < 1, key, value, "a number of at least 0 and below 1")
    return value


def odd(key: str, value: int) -> int:
    """A kernel size that padding of (k - 1) / 2 can centre."""
    require(0 < value < MAX_IMAGE and value % 2 == 1, key, value, "an odd kernel size")
    return value


def choice(key: str, value: str, options: Collection[str]) -> str:
    """One of several words."""
    if value not in options:
        hint = closest(value, options, 1)
        raise ConfigError(f"value {value!r}: expected one of {', '.join(options)}{hint}", key=key)
    return value


def per_stage(section: str, **lists: Sequence[object]) -> int:
    """The number of stages: lists of equal length, none empty. Keywords are the keys' names."""
    first, *others = lists
    count = len(lists[first])
    require(count > 0, f"{section}.{first}", list(lists[first]), "an entry for every stage, found none")
    for name in others:
        require(
            len(lists[name]) == count,
            f"{section}.{name}",
            list(lists[name])[:20],
            f"{count} entries like {section}.{first}, found {len(lists[name])}",
        )
    return count


def block_count(key: str, depths: Iterable[int]) -> None:
    """Refuse networks of absurd depth before a list of their blocks exists."""
    total = sum(depths)
    if total > MAX_BLOCKS:
        raise ConfigError(f"{total} blocks in total: expected at most {MAX_BLOCKS}", key=key)


def image_fits(image: int, strides: Iterable[int]) -> None:
    """The image must have a pixel left after all strides."""
    key = "TRAIN.IM_SIZE"
    integer(key, image, high=MAX_IMAGE)
    total = prod(strides)
    # The product of very many strides is a number too long to print.
    shown = str(total) if total <= MAX_IMAGE**2 else f"more than {MAX_IMAGE**2}"
    require(total <= image, key, image, f"an image of at least the network's total stride, {shown}")
