"""Numbers and units as Nsight Compute prints them, in whatever language the machine spoke.

"53,261,312" is American, "27.595.520" German; "117.344" is either. So the decimal mark is found for a file as
a whole, from the cells that leave no doubt, or is told; see `Marks.of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from oracle.errors import OracleError

LOCALES = {"en": ".", "ch": ".", "de": ",", "fr": ","}
"""Locale -> decimal mark. Spaces and apostrophes are thousands separators in all of them."""

_MISSING = frozenset({"", "n/a", "na", "nan", "-nan", "inf", "-inf", "null", "none"})
_SPACES = str.maketrans("", "", " \u00a0\u202f\u2009'\u2019")
_NUMERIC = re.compile(r"-?[\d.,]*\d[\d.,]*(e[+-]?\d+)?", re.IGNORECASE)
_GROUPED = re.compile(r"-?[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*")

_COUNTS = "byte inst instruction sector cycle thread warp block request op wavefront register launch".split()
_TIMES = {"s": 1.0, "sec": 1.0, "second": 1.0}
_HERTZ = "hz"
_BIG = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_SMALL = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}


class Cell(NamedTuple):
    """A metric of a launch as text, and the line it stands in."""

    text: str
    unit: str
    line: int
    section: str = ""


class Quantity(NamedTuple):
    """A number in SI units and its dimension: `second`, `byte`, `byte/second`, `cycle/second`, `%`, `""`."""

    value: float
    dimension: str


@dataclass(frozen=True, slots=True)
class Marks:
    """How a file writes numbers.

    Attributes:
        decimal: "." or ","; None if no cell decides.
        told: whether the user stated it.
    """

    decimal: str | None
    told: bool = False

    @classmethod
    def of(cls, cells: Iterable[Cell], locale: str | None, file: str) -> Marks:
        """Find the decimal mark of a file.

        A mark that occurs twice separates thousands; of two different marks the last is the decimal one; a
        mark that is not followed by exactly three digits, or follows a leading zero, is the decimal one.

        Raises:
            OracleError: an unknown locale, or cells that contradict each other.
        """
        if locale is not None:
            if locale not in LOCALES:
                raise OracleError(f"locale={locale!r}: expected one of {', '.join(LOCALES)}")
            return cls(LOCALES[locale], True)
        seen: dict[str, Cell] = {}
        for cell in cells:
            mark = _evident_decimal(cell.text)
            if mark:
                seen.setdefault(mark, cell)
        if len(seen) == 2:
            dot, comma = seen["."], seen[","]
            raise OracleError(
                f"{file}:{dot.line}: {dot.text!r} has a decimal point, and in line {comma.line} "
                f"{comma.text!r} a decimal comma; say which with locale, one of {', '.join(LOCALES)}"
            )
        return cls(next(iter(seen), None))

    def parse(self, cell: Cell) -> tuple[float, str]:
        """The number in a cell that is not missing, and a note if its separators had to be guessed.

        A count (bytes, nanoseconds, cycles, ...) of the form d.ddd has thousands separators, unless the file
        writes a decimal point elsewhere. Where a comma could be either and nothing in the file tells, it is
        taken as American thousands in counts and refused elsewhere.

        Raises:
            ValueError: what is no number in this file's way of writing; the message says what was expected.
        """
        text = cell.text.translate(_SPACES)
        if not _NUMERIC.fullmatch(text):
            raise ValueError("expected a number")
        decimal, note = self.decimal, ""
        grouped = _GROUPED.fullmatch(text)
        if decimal is None and grouped:
            mark = grouped.group(1)
            if _is_count(cell.unit):
                decimal = "," if mark == "." else "."
                note = f"{cell.text!r} {cell.unit} read as a count with thousands separators (no locale given)"
            elif mark == ",":
                raise ValueError(f"its comma may be decimal or not; say so with locale, one of {', '.join(LOCALES)}")
        elif decimal == "," and grouped and grouped.group(1) == "." and not self.told:
            note = f"{cell.text!r} {cell.unit} read with thousands separators: the file writes decimal commas"
        decimal = decimal or "."
        thousands = "," if decimal == "." else "."
        whole, _, fraction = text.partition(decimal)
        groups = whole.lstrip("-").split(thousands)
        regular = all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3
        if (len(groups) > 1 and not regular) or thousands in fraction or decimal in fraction:
            raise ValueError(f"expected a number with decimal {decimal!r}")
        return float(text.replace(thousands, "").replace(decimal, ".")), note


def is_missing(text: str) -> bool:
    """Whether a cell says that its counter was not collected."""
    return text.strip().lower() in _MISSING


def unit_of(unit: str) -> Quantity:
    """What one of a printed unit is: `Kbyte/s` is 1000 byte/second.

    Raises:
        ValueError: an unknown unit.
    """
    text = unit.strip()
    if text in ("", "%"):
        return Quantity(1.0, text)
    top, slash, bottom = text.partition("/")
    above = _simple(top)
    if not slash:
        return above
    below = _simple(bottom)
    return Quantity(above.value / below.value, f"{above.dimension}/{below.dimension}")


def _simple(unit: str) -> Quantity:
    lower = unit.strip().lower()
    for name, scale in _TIMES.items():
        if lower == name:
            return Quantity(scale, "second")
        if len(lower) == len(name) + 1 and lower.endswith(name) and lower[0] in _SMALL:
            return Quantity(_SMALL[lower[0]], "second")
    for name in (*_COUNTS, _HERTZ):
        singular = lower.removesuffix("s")
        prefix = singular.removesuffix(name)
        if singular.endswith(name) and (not prefix or prefix in _BIG):
            return Quantity(_BIG.get(prefix, 1.0), "cycle/second" if name == _HERTZ else name)
    raise ValueError(f"unknown unit {unit!r}")


def _is_count(unit: str) -> bool:
    """Whether a unit, as printed, is one that ncu counts in whole numbers."""
    lower = unit.strip().lower().rstrip("s")
    return lower in _COUNTS or lower in ("n", "ns", "nsecond")


def _evident_decimal(text: str) -> str:
    """The decimal mark, where a number leaves no doubt about it; "" otherwise."""
    number = text.translate(_SPACES)
    if not _NUMERIC.fullmatch(number):
        return ""
    number = number.lower().partition("e")[0]
    dots, commas = number.count("."), number.count(",")
    if dots and commas:
        return max(".,", key=number.rfind)
    if dots > 1 or commas > 1:
        return "," if dots else "."
    if not (dots or commas) or _GROUPED.fullmatch(number):
        return ""
    return "." if dots else ","
