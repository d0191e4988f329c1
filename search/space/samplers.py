"""What a key of a network may be, as data: to be drawn by columns, enumerated, or put to a search library."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import laws

Ints = NDArray[np.int64]
Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Number:
    """A number from a closed range, distributed by a law and rounded to a multiple of a step.

    Attributes:
        law: one of `search.space.laws.LAWS`.
        low, high: the range.
        step: every value is a multiple of it, or, under power2_or_log_uniform, a power of two below; 0: any.
        integer: whether the key holds integers.
    """

    law: str
    low: float
    high: float
    step: float
    integer: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, each as likely as the others. A value may be a list (a tuple here)."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A list, entry by entry."""

    items: tuple[Number | Choice, ...]


Sampler = Number | Choice | Entries


@lru_cache(maxsize=1024)
def multiples(number: Number) -> tuple[int, int]:
    """The first and the last multiple of a positive step in the range, in steps; none if first > last.

    The decimals of the numbers count, not their binary roundings: 0.3 is three steps of 0.1.
    """
    step = Fraction(str(number.step))
    return ceil(Fraction(str(number.low)) / step), floor(Fraction(str(number.high)) / step)


@lru_cache(maxsize=1024)
def powers(number: Number) -> tuple[int, ...]:
    """Exponents of the powers of two that a law draws: multiples of the step, or those up to the step."""
    low, high, step = (Fraction(str(value)) for value in (number.low, number.high, number.step))
    inside = [e for e in range(-60, 61) if low <= Fraction(2) ** e <= high and (e >= 0 or not number.integer)]
    if number.law == "power2_uniform":
        return tuple(e for e in inside if not step or (Fraction(2) ** e / step).denominator == 1)
    return tuple(e for e in inside if Fraction(2) ** e <= step)


def draw(sampler: Sampler, rng: np.random.Generator, count: int) -> Column:
    """(count,) independent values, (count, length) lists, or objects for lists that differ in length."""
    if isinstance(sampler, Entries):
        return np.stack([draw(item, rng, count) for item in sampler.items], axis=1)
    if isinstance(sampler, Choice):
        return as_column(sampler.values)[laws.index(rng, count, len(sampler.values))]
    return _numbers(sampler, rng, count)


def _numbers(number: Number, rng: np.random.Generator, count: int) -> Column:
    low, high, step = number.low, number.high, number.step
    values: NDArray[Any]
    if low == high:
        values = np.full(count, float(low))
    elif number.law == "power2_uniform":
        exponents = np.array(powers(number))
        values = np.ldexp(1.0, exponents[laws.index(rng, count, len(exponents))])
    elif not step:
        values = laws.LAWS[number.law](rng, count, low, high)
    elif number.law == "uniform":
        first, last = multiples(number)
        values = _in_steps(laws.index(rng, count, last - first + 1) + float(first), step)
    else:
        real = laws.LAWS[number.law](rng, count, low, high)
        counts = real / step
        np.rint(counts, out=counts)
        values = _in_steps(np.clip(counts, *multiples(number), out=counts), step)
        if number.law == "power2_or_log_uniform" and low < step:
            _to_powers(values, real, number)
    return values.astype(np.int64) if number.integer else values


def _to_powers(values: NDArray[np.float64], real: NDArray[np.float64], number: Number) -> None:
    """Replace values below the step by the nearest powers of two, on a logarithmic scale."""
    exponents = powers(number)
    small = np.flatnonzero(real < number.step)
    if exponents:
        nearest = np.clip(np.rint(np.log2(real[small])), exponents[0], exponents[-1])
        values[small] = np.ldexp(1.0, nearest.astype(np.int64))


def _in_steps(counts: NDArray[Any], step: float) -> NDArray[Any]:
    """Multiples of a step, each the float nearest to the decimal number: 3 steps of 0.1 are 0.3. Changes `counts`."""
    exact = Fraction(str(step))
    if exact.numerator != 1:
        counts *= exact.numerator
    if exact.denominator != 1:
        counts /= exact.denominator
    return counts


def as_column(values: tuple[Any, ...]) -> Column:
    """Values as an array: (n,), (n, length) for lists, or of objects where lengths or types differ."""
    kinds = {(type(value), len(value) if isinstance(value, tuple) else 0) for value in values}
    if len(kinds) == 1:
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        column[position] = list(value) if isinstance(value, tuple) else value
    return column


def cardinality(sampler: Sampler) -> int | None:
    """How many values there are; None for numbers, which are drawn and not enumerated."""
    if isinstance(sampler, Choice):
        return len(sampler.values)
    if isinstance(sampler, Number):
        return None
    sizes = [len(item.values) for item in sampler.items if isinstance(item, Choice)]
    return prod(sizes) if len(sizes) == len(sampler.items) else None


def member(sampler: Choice | Entries, index: Ints) -> Column:
    """The values at some positions of the enumeration; the last entry of a list changes fastest."""
    if isinstance(sampler, Choice):
        return as_column(sampler.values)[index]
    columns = []
    for item in reversed([item for item in sampler.items if isinstance(item, Choice)]):
        index, digit = np.divmod(index, len(item.values))
        columns.append(member(item, digit))
    return np.stack(columns[::-1], axis=1)
