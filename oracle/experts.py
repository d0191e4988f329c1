"""How many of the experts of a layer the tokens of a call reach: what of their weights moves.

Each token chooses `chosen` of `experts`; where tokens choose apart and every expert is as likely as another, an expert
is left out by all of them with probability (1 - chosen / experts)^tokens, so that

    reached = experts * (1 - (1 - chosen / experts) ^ tokens)

experts are expected to be reached, rounded half up to whole ones. One token reaches exactly `chosen`. Real routers are
not even: they reach fewer, and a batch of like tokens much fewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.optable import Dim

__all__ = ["PACK", "reached", "reached_of"]

PACK = 2**16
"""What a number of experts is multiplied by where it and the number of those chosen are one integer."""


def reached(experts: Dim, chosen: Dim, tokens: Dim) -> Dim:
    """The number of distinct experts that `tokens` are expected to reach; sizes may be ints, arrays or expressions.

    Example:
        >>> reached(8, 2, 1), reached(8, 2, 4), reached(8, 2, 64)
        (2, 5, 8)
    """
    if all(isinstance(size, (int, np.integer, np.ndarray)) for size in (experts, chosen, tokens)):
        return reached_of(experts * PACK + chosen, tokens)
    import sympy  # whoever has expressions has it

    return sympy.Function("reached", integer=True, nonnegative=True)(experts, chosen, tokens)


def reached_of(pair: Any, tokens: Any) -> Any:
    """`reached`, experts and those chosen as one integer, experts * PACK + chosen; ints in, int out, or arrays.

    The power is taken by squaring, so that floats round alike for an int and in an array.
    """
    if not isinstance(pair, np.ndarray) and not isinstance(tokens, np.ndarray):
        experts, chosen = divmod(int(pair), PACK)
        if not experts:
            return 0
        return int(experts * (1.0 - _power(max(1.0 - chosen / experts, 0.0), int(tokens))) + 0.5)
    experts, chosen = np.divmod(pair, PACK)
    missed, exponent = np.broadcast_arrays(np.maximum(1.0 - chosen / np.maximum(experts, 1), 0.0), tokens)
    power, left, square = np.ones(missed.shape), exponent.copy(), missed.copy()
    while left.any():
        power = np.where(left & 1, power * square, power)
        square, left = square * square, left >> 1
    return (experts * (1.0 - power) + 0.5).astype(np.int64)


def _power(base: float, exponent: int) -> float:
    power = 1.0
    while exponent > 0:
        if exponent & 1:
            power *= base
        base, exponent = base * base, exponent >> 1
    return power
