"""Members beside a member: one knob by one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ..study.params import Parameter, Parameters

_SHARES = (0.02, 0.1)  # of a range: the small and the large step of a number


def neighbours(parameters: Parameters, suggestions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A trial's `params` with one moved: a number up or down by a step or a tenth of its range, a word to any other.

    Args:
        parameters: of the space.
        suggestions: the `params` to start from.
    """
    for parameter in parameters:
        own = suggestions[parameter.name]
        for value in dict.fromkeys(map(parameter.rounded, _moves(parameter, own))):
            if value != own:
                yield {**suggestions, parameter.name: value}


def _moves(parameter: Parameter, value: Any) -> Iterator[Any]:
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        yield from (choice for choice in distribution.choices if choice != value or type(choice) is not type(value))
    elif isinstance(distribution, (IntDistribution, FloatDistribution)):
        step = parameter.step or (distribution.step if isinstance(distribution, IntDistribution) else 0)
        yield from sorted(set((_stepped if step else _real)(distribution, value, step)) - {value})


def _stepped(distribution: IntDistribution | FloatDistribution, value: float, step: float) -> Iterator[float]:
    low, high = distribution.low, distribution.high
    far = max(1, round(_SHARES[1] * (high - low) / step)) * step
    for sign in (-1, 1):
        for length in (step, far):
            yield min(max(value + sign * length, low), high)


def _real(distribution: IntDistribution | FloatDistribution, value: float, _: float) -> Iterator[float]:
    low, high = distribution.low, distribution.high
    for sign in (-1, 1):
        for share in _SHARES:
            moved = value * (high / low) ** (sign * share) if distribution.log else value + sign * share * (high - low)
            yield min(max(moved, low), high)
