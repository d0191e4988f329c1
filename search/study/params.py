"""A space's samplers as parameters of optuna: `suggest_*` with the values that the space has.

A parameter carries the config key as its name, and its values are those of the config. A range may have a step and a
logarithmic law, which optuna cannot combine: its sampler suggests any number of the range, and the config has the
nearest multiple of the step. Powers of two are suggested by their exponents, `log2 REGNET.BOT_MUL`; an entry of a list
is `FBNET.OPS[3]`. What has one value only is no parameter. Normal laws become their ranges: a sampler that learns
needs to know what is possible, and finds out for itself what is likely.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ..space import Choice, Entries, Number, Space
from ..space.samplers import multiples, powers

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number or word that a sampler suggests.

    Attributes:
        name: what optuna calls it.
        distribution: where it comes from.
        decode: suggestion -> value of the config.
        encode: value of the config -> suggestion.
        step: between the values that a logarithmic range has; 0 where the distribution says it.
    """

    name: str
    distribution: BaseDistribution
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]
    step: float = 0.0

    def rounded(self, suggestion: Any) -> Any:
        """The suggestion that stands for the same value of the config, as `encode` says it."""
        return self.encode(self.decode(suggestion))

    def place(self, suggestion: Any) -> float:
        """Where a suggestion is, from 0 to 1; words in the order of the file."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return found.choices.index(suggestion) / max(1, len(found.choices) - 1)
        if isinstance(found, (IntDistribution, FloatDistribution)):
            low, high, value = float(found.low), float(found.high), float(suggestion)
            if found.log:
                low, high, value = math.log(low), math.log(high), math.log(value)
            return (value - low) / ((high - low) or 1.0)
        return 0.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """All parameters of a space, and the way from suggestions to configs and back.

    Attributes:
        keys: dotted key -> the parameter of its value, those of its entries, or its only value.
    """

    keys: Mapping[str, Parameter | tuple[Any, ...] | Fixed]

    @classmethod
    def of(cls, space: Space) -> Parameters:
        """The parameters of a space."""
        return cls({key: _of(key, sampler) for key, sampler in space.samplers})

    def __iter__(self) -> Any:
        for held in self.keys.values():
            for item in held if isinstance(held, tuple) else (held,):
                if isinstance(item, Parameter):
                    yield item

    @property
    def varying(self) -> tuple[str, ...]:
        """The dotted keys that have more than one value."""

        def varies(held: Parameter | tuple[Any, ...] | Fixed) -> bool:
            return any(map(varies, held)) if isinstance(held, tuple) else isinstance(held, Parameter)

        return tuple(key for key, held in self.keys.items() if varies(held))

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Name -> distribution: what `Study.ask` takes."""
        return {parameter.name: parameter.distribution for parameter in self}

    def config(self, suggestions: Mapping[str, Any]) -> dict[str, Any]:
        """Dotted key -> value, from a trial's `params`."""
        return {key: _decoded(held, suggestions) for key, held in self.keys.items()}

    def suggestions(self, config: Config) -> dict[str, Any]:
        """A trial's `params`, from dotted key -> value."""
        found: dict[str, Any] = {}
        for key, held in self.keys.items():
            pairs = zip(held, config[key], strict=True) if isinstance(held, tuple) else [(held, config[key])]
            found |= {item.name: item.encode(value) for item, value in pairs if isinstance(item, Parameter)}
        return found


@dataclass(frozen=True, slots=True)
class Fixed:
    """The only value that a key has."""

    value: Any


def _decoded(held: Parameter | tuple[Any, ...] | Fixed, suggestions: Mapping[str, Any]) -> Any:
    if isinstance(held, tuple):
        return [_decoded(item, suggestions) for item in held]
    return held.value if isinstance(held, Fixed) else held.decode(suggestions[held.name])


def _of(key: str, sampler: Number | Choice | Entries) -> Parameter | tuple[Any, ...] | Fixed:
    if isinstance(sampler, Entries):
        return tuple(_of(f"{key}[{i}]", item) for i, item in enumerate(sampler.items))
    return _choice(key, sampler) if isinstance(sampler, Choice) else _number(key, sampler)


def _choice(key: str, choice: Choice) -> Parameter | Fixed:
    values = tuple(list(value) if isinstance(value, tuple) else value for value in choice.values)
    if len(values) == 1:
        return Fixed(values[0])
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    steps = {b - a for a, b in pairwise(whole)}
    if len(whole) == len(values) and len(steps) == 1 and (step := steps.pop()) > 0:
        return Parameter(key, IntDistribution(whole[0], whole[-1], step=step), int, int)
    # A word, number or flag is itself; a list is the text that stands for it in YAML and JSON alike.
    words = {value if not isinstance(value, list) else json.dumps(value): value for value in values}
    if len(words) < len(set(map(repr, values))):  # 1, 1.0 and True are one key of a dictionary
        words = {repr(value): value for value in values}
    texts = {repr(value): word for word, value in words.items()}
    return Parameter(key, CategoricalDistribution(list(words)), words.__getitem__, lambda v: texts[repr(v)])


def _number(key: str, number: Number) -> Parameter | Fixed:
    low, high, step = number.low, number.high, number.step
    if low == high:
        return Fixed(int(low) if number.integer else float(low))
    if number.law == "power2_uniform":
        return _powers(key, number)
    if number.law == "power2_or_log_uniform" and low < step:
        return _mixed(key, number)
    log = number.law not in ("uniform", "normal")
    if not step:
        return Parameter(key, FloatDistribution(low, high, log=log), float, float)
    return _counted(key, number, log=log)


def _counted(key: str, number: Number, *, log: bool) -> Parameter | Fixed:
    """Multiples of a step."""
    step = number.step
    first, last = multiples(number)
    if first == last:
        return Fixed(_in_steps(first, number))
    low, high = _in_steps(first, number), _in_steps(last, number)
    if not log or first <= 0:
        if number.integer:
            return Parameter(key, IntDistribution(int(low), int(high), step=int(step)), int, int)
        return Parameter(key, FloatDistribution(low, high), _nearest(number), float, step)
    if number.integer:
        return Parameter(key, IntDistribution(int(low), int(high), log=True), _nearest(number), int, step)
    return Parameter(key, FloatDistribution(low, high, log=True), _nearest(number), float, step)


def _nearest(number: Number) -> Callable[[Any], int | float]:
    """From any number of a range to the nearest value that it has."""
    step, (first, last) = Fraction(str(number.step)), multiples(number)
    return lambda value: _in_steps(min(max(round(Fraction(str(value)) / step), first), last), number)


def _in_steps(count: int, number: Number) -> int | float:
    value = count * Fraction(str(number.step))
    return int(value) if number.integer else float(value)


def _powers(key: str, number: Number) -> Parameter | Fixed:
    exponents = powers(number)

    def decode(exponent: int) -> int | float:
        return 2**exponent if number.integer else 2.0**exponent

    if len(exponents) == 1:
        return Fixed(decode(exponents[0]))
    return Parameter(
        f"log2 {key}",
        IntDistribution(exponents[0], exponents[-1]),
        decode,
        lambda value: round(math.log2(value)),
    )


def _mixed(key: str, number: Number) -> Parameter | Fixed:
    """Powers of two below the step, multiples of it above: ordered values, suggested by their place."""
    first, last = multiples(number)
    values: list[int | float] = [int(2**e) if number.integer else 2.0**e for e in powers(number)]
    values += [_in_steps(count, number) for count in range(first, last + 1)]
    values = sorted(set(values))
    if len(values) == 1:
        return Fixed(values[0])
    place = {value: i for i, value in enumerate(values)}
    return Parameter(
        f"{key}#",
        IntDistribution(0, len(values) - 1),
        values.__getitem__,
        place.__getitem__,
    )
