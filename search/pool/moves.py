"""Members beside a member: one knob by one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ..study.params import Parameters

__all__ = ["neighbours"]

_SHARES = (0.02, 0.1)  # of a range: the small and the large step of a number


def neighbours(parameters: Parameters, suggestions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A trial's `params` with one moved: a number up or down by a step or a tenth of its range, a word to any other.

    Args:
        parameters: of the space.
        suggestions: the `params` to start from.
    """
    for parameter in parameters:
        for value in _moves(parameter.distribution, suggestions[parameter.name]):
            yield {**suggestions, parameter.name: value}


def _moves(distribution: Any, value: Any) -> Iterator[Any]:
    if isinstance(distribution, CategoricalDistribution):
        yield from (choice for choice in distribution.choices if choice != value or type(choice) is not type(value))
    elif isinstance(distribution, IntDistribution):
        yield from sorted(set(_whole(distribution, value)) - {value})
    elif isinstance(distribution, FloatDistribution):
        yield from sorted(set(_real(distribution, value)) - {value})


def _whole(distribution: IntDistribution, value: int) -> Iterator[int]:
    low, high, step = distribution.low, distribution.high, distribution.step
    far = max(1, round(_SHARES[1] * (high - low) / step)) * step
    for sign in (-1, 1):
        for length in (step, far):
            yield min(max(value + sign * length, low), high)


def _real(distribution: FloatDistribution, value: float) -> Iterator[float]:
    low, high = distribution.low, distribution.high
    for sign in (-1, 1):
        for share in _SHARES:
            moved = value * (high / low) ** (sign * share) if distribution.log else value + sign * share * (high - low)
            yield min(max(moved, low), high)
