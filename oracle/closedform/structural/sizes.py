"""Sizes as polynomials in a cell's integers, free of sympy: what counting rules calculate with on tables that ship.

They add, subtract, multiply and compare for equality as ints do; equal ones are written alike, so that two are equal
only where they are equal for all values. All integers are positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias

from oracle.errors import OracleError

Monomial = tuple[str, ...]
"""Symbols that are multiplied, sorted; one may stand there several times."""


class Poly:
    """A polynomial with integer coefficients that is no plain number; made by `symbol`, `polynomial` and arithmetic."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = terms
        self._hash = hash(frozenset(terms.items()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and (self is other or self.terms == other.terms)

    def __add__(self, other: Size) -> Size:
        if type(other) is int and other == 0:
            return self
        return _sum(self.terms, _terms(other), 1)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return _sum(self.terms, _terms(other), -1)

    def __rsub__(self, other: Size) -> Size:
        return _sum(_terms(other), self.terms, -1)

    def __mul__(self, other: Size) -> Size:
        if type(other) is int:
            return self if other == 1 else _made({name: factor * other for name, factor in self.terms.items()})
        found: dict[Monomial, int] = {}
        for left, factor in self.terms.items():
            for right, other_factor in _terms(other).items():
                name = tuple(sorted(left + right))
                found[name] = found.get(name, 0) + factor * other_factor
        return _made(found)

    __rmul__ = __mul__

    def _compared(self, other: object) -> bool:
        raise OracleError(f"which of {self} and {other} is larger depends on the sizes")

    __lt__ = __le__ = __gt__ = __ge__ = _compared

    def __repr__(self) -> str:
        return " + ".join("*".join((str(factor), *name)) for name, factor in self.terms.items())


Size: TypeAlias = "int | Poly"


class Peak:
    """The largest of some sizes, none of which is the largest for all values."""

    __slots__ = ("sizes",)

    def __init__(self, sizes: tuple[Size, ...]) -> None:
        self.sizes = sizes


def symbol(name: str) -> Poly:
    """One of a cell's integers."""
    return Poly({(name,): 1})


def polynomial(terms: Mapping[Monomial, int]) -> Size:
    """A size from its monomials and their factors; an int where it has none but ()."""
    return _made(dict(terms))


def plain(size: Size) -> list[Any] | int:
    """A size as plain data: its monomials with their factors, in a fixed order."""
    return size if isinstance(size, int) else sorted([factor, *name] for name, factor in size.terms.items())


def value_at(size: Size, values: Mapping[str, int]) -> int:
    """The value of a size."""
    if not isinstance(size, Poly):
        return size
    return sum(factor * prod([values[name] for name in names]) for names, factor in size.terms.items())


def largest(a: Any, b: Any) -> Any:
    """The larger of two sizes (or peaks), for all values at once: a size where one never is smaller, or a peak."""
    kept: list[Size] = []
    for size in (*_members(a), *_members(b)):
        if not any(_never_smaller(other, size) for other in kept):
            kept = [*(other for other in kept if not _never_smaller(size, other)), size]
    return kept[0] if len(kept) == 1 else Peak(tuple(kept))


def _members(size: Any) -> tuple[Size, ...]:
    return size.sizes if isinstance(size, Peak) else (size,)


def _never_smaller(a: Size, b: Size) -> bool:
    difference = _sum(_terms(a), _terms(b), -1)
    return difference >= 0 if isinstance(difference, int) else min(difference.terms.values()) >= 0


def _terms(size: Size) -> Mapping[Monomial, int]:
    return size.terms if isinstance(size, Poly) else {(): int(size)}


def _sum(a: Mapping[Monomial, int], b: Mapping[Monomial, int], sign: int) -> Size:
    found = dict(a)
    for name, factor in b.items():
        found[name] = found.get(name, 0) + sign * factor
    return _made(found)


def _made(terms: Mapping[Monomial, int]) -> Size:
    kept = {name: factor for name, factor in terms.items() if factor}
    if not kept:
        return 0
    return kept[()] if len(kept) == 1 and () in kept else Poly(kept)
