"""Numbers for people. SI base units come in (seconds, bytes, FLOP), scaled decimal text goes out.

k, M, G and T are powers of ten here, for bytes too: 1 MB is 10**6 bytes. Sizes of memories and caches, which
everybody states in powers of two, say so in their unit (GiB, MiB).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["MISSING", "aligned", "known", "one_line", "percent", "prefix"]

MISSING = "-"
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))

Number = float | int | None


def known(values: Iterable[Number]) -> list[float]:
    """The numbers among values, in their order: neither None nor nan."""
    return [float(value) for value in values if value is not None and not math.isnan(value)]


def aligned(values: Sequence[Number], scale: float = 1.0, most: int = 4) -> tuple[str, ...]:
    """A column of numbers with equally many decimals, so that their points stand below one another.

    The smallest number shows at least three digits and the largest four, as far as `most` decimals allow. What
    is not zero never looks like zero: it is `<0.01` where there are two decimals.

    Args:
        values: None and nan are shown as `MISSING`.
        scale: what one of the column's unit is in the values' unit.
        most: decimals at most.
    """
    scaled = [None if value is None or math.isnan(value) else value / scale for value in values]
    sizes = [math.floor(math.log10(abs(value))) for value in scaled if value]
    decimals = min(most, max(0, 3 - max(sizes), 2 - min(sizes))) if sizes else 0
    return tuple(_fixed(value, decimals) for value in scaled)


def _fixed(value: float | None, decimals: int) -> str:
    if value is None:
        return MISSING
    text = f"{value:.{decimals}f}"
    return f"<{10**-decimals:.{decimals}f}" if value > 0 and not float(text) else text


def percent(shares: Sequence[Number], most: int = 1) -> tuple[str, ...]:
    """A column of shares from 0 to 1 in per cent."""
    return aligned(shares, 0.01, most)


def prefix(values: Iterable[Number], unit: str) -> tuple[str, float]:
    """The unit that suits the largest of some numbers, and its size: `("MFLOP", 1e6)`."""
    largest = max((abs(value) for value in known(values)), default=0.0)
    size, letter = next(((s, p) for s, p in _PREFIXES if s <= largest), _PREFIXES[-1] if largest else (1.0, ""))
    return letter + unit, size


def one_line(text: object) -> str:
    """Text that cannot move a terminal's cursor: control characters and line ends become blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
