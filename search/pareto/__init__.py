"""Which candidates are worth a look: fronts over any objectives, and how far devices agree about them."""

from __future__ import annotations

from oracle._fronts import layers, non_dominated

from .agreement import Agreement, agreement, device_ranks, on_every_front
from .fronts import Fronts, fronts_of
from .hypervolume import hypervolume
from .objectives import Objective, objectives_of

__all__ = [
    "Agreement",
    "Fronts",
    "Objective",
    "agreement",
    "device_ranks",
    "fronts_of",
    "hypervolume",
    "layers",
    "non_dominated",
    "objectives_of",
    "on_every_front",
]
