"""Numbers for people. SI base units come in (seconds, bytes, FLOP), scaled decimal text goes out.

k, M, G and T are powers of ten here, for bytes too: 1 MB is 10**6 bytes. Sizes of memories and caches, which
everybody states in powers of two, say so in their unit (GiB, MiB).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

MISSING = "-"
_FORMULAS = ("=", "+", "-", "@")  # how spreadsheets know them
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))

Number = float | int | None


def known(values: Iterable[Number]) -> list[float]:
    """The numbers among values, in their order: neither None nor nan."""
    return [float(value) for value in values if value is not None and not math.isnan(value)]


def aligned(values: Sequence[Number], scale: float = 1.0, digits: int = 4, most: int = 4) -> tuple[str, ...]:
    """A column of computed numbers, their decimal points below one another.

    Each shows as many significant digits as requested, all digits before its point, and no more decimals than
    `most`. What is not zero never looks like zero: it becomes `<0.01` where two decimals are the most.

    Args:
        values: None and nan are shown as `MISSING`.
        scale: what one of the column's unit is in the values' unit.
    """
    return lined_up([_text(value, scale, digits, most) for value in values])


def counted(count: int, noun: str) -> str:
    """`1 network`, `1,200 networks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def stated(value: Number, scale: float = 1.0, digits: int = 12) -> str:
    """A number that somebody wrote down, with the digits they wrote, as far as `digits` allows."""
    if value is None:
        return MISSING
    text = f"{value / scale:.{digits}g}"
    return f"{value / scale:.0f}" if "e+" in text else text


def lined_up(texts: Sequence[str]) -> tuple[str, ...]:
    """Numbers as texts of equal length, their decimal points below one another."""
    tails = [len(text) - len(text.partition(".")[0]) for text in texts]
    longest = max(tails, default=0)
    padded = [text + " " * (longest - tail) for text, tail in zip(texts, tails, strict=True)]
    width = max(map(len, padded), default=0)
    return tuple(text.rjust(width) for text in padded)


def _text(value: Number, scale: float, digits: int, most: int) -> str:
    if value is None or math.isnan(value):
        return MISSING
    scaled = value / scale
    if not scaled:
        return "0"
    if math.isinf(scaled):  # in tables that somebody else wrote
        return str(scaled)
    rounded = float(f"{scaled:.{digits - 1}e}")  # 99.99 has three digits before its point where three are requested
    decimals = min(most, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))
    text = f"{scaled:.{decimals}f}"
    return text if float(text) else f"<{10**-decimals:.{decimals}f}"


def percent(shares: Sequence[Number], most: int = 1) -> tuple[str, ...]:
    """A column of shares from 0 to 1 in per cent."""
    return aligned(shares, 0.01, 3, most)


def prefix(values: Iterable[Number], unit: str) -> tuple[str, float]:
    """The unit that suits the largest of some numbers, and its size: `("MFLOP", 1e6)`."""
    largest = max((abs(value) for value in known(values)), default=0.0)
    size, letter = next(((s, p) for s, p in _PREFIXES if s <= largest), _PREFIXES[-1] if largest else (1.0, ""))
    return letter + unit, size


def visible(text: str) -> str:
    """Text of several lines that cannot move a terminal's cursor either: other control characters become blanks."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def text_cell(text: str) -> str:
    """Text as a cell of CSV that no spreadsheet takes for a formula, without control characters but line ends.

    What begins with =, +, - or @ and is no number gets an apostrophe before it, as OWASP advises against CSV injection
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULAS) and not _NUMBER.fullmatch(shown) else shown


def text_of_cell(cell: str) -> str:
    """The text of such a cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:].lstrip().startswith(_FORMULAS) else cell


def one_line(text: object) -> str:
    """Text that cannot move a terminal's cursor: control characters and line ends become blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
