"""The words of a study file: what to optimise and what to obey, parsed without evaluating anything.

maximise quality        minimise latency_ms@t4      (also maximize, max, minimize, min)
params <= 6e6           latency_ms@t4 <= 2 at 90%   see `search.space.expressions`
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import ConfigError

from ..pareto.objectives import WAYS
from ..space.expressions import QUALITY, SCORES, score_of, texts_of

__all__ = ["QUALITY", "SCORES", "STRUCTURE", "Objective", "objectives_of"]

STRUCTURE = "structure"  # the constraint to be a network, and such a one as the space requires


@dataclass(frozen=True, slots=True)
class Objective:
    """What to optimise.

    Attributes:
        score: one of `SCORES`, or `QUALITY`.
        maximise: the direction.
        device: what latency_ms is on, else "".
    """

    score: str
    maximise: bool
    device: str = ""

    @property
    def name(self) -> str:
        """`quality`, `params`, `latency_ms@t4`."""
        return f"{self.score}@{self.device}" if self.device else self.score

    def column(self, scores: Any) -> NDArray[np.float64]:
        """Its values, from `oracle.score_many`."""
        column = getattr(scores, self.score)
        return np.asarray(column[self.device] if self.device else column, dtype=np.float64)

    @property
    def worst(self) -> float:
        """What no value is worse than."""
        return -inf if self.maximise else inf

    def __str__(self) -> str:
        return f"{'maximise' if self.maximise else 'minimise'} {self.name}"


def objectives_of(texts: Any, devices: Collection[str] = (), key: str = "OBJECTIVES") -> tuple[Objective, ...]:
    """The objectives of a list of texts.

    Args:
        texts: each `maximise SCORE` or `minimise SCORE`.
        devices: names that are known beside those of the shipped devices.
        key: dotted key, for complaints.

    Raises:
        ConfigError: no list, no objective, an unknown word, score or device, or one objective twice.
    """
    found = [_objective(text, devices, f"{key}[{i}]") for i, text in enumerate(texts_of(texts, key))]
    if not found:
        raise ConfigError("expected at least one objective, such as `maximise quality`", key=key)
    names = [objective.name for objective in found]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"value {name!r} is an objective twice", key=f"{key}[{i}]")
    return tuple(found)


def _objective(text: str, devices: Collection[str], key: str) -> Objective:
    words = text.split()
    if len(words) != 2 or words[0].lower() not in WAYS:
        raise ConfigError(f"value {text!r}: expected `maximise SCORE` or `minimise SCORE`", key=key)
    score, device = score_of(words[1], devices, key, (*SCORES, QUALITY))
    return Objective(score, WAYS[words[0].lower()], device)
