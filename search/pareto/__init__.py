"""Which candidates are worth a look: fronts over any objectives, and how far devices agree about them."""

from __future__ import annotations

from search.pareto.agreement import Agreement, Flip, agreement, device_fronts, device_ranks, on_every_front
from search.pareto.front import layers, non_dominated
from search.pareto.hypervolume import hypervolume

__all__ = [
    "Agreement",
    "Flip",
    "agreement",
    "device_fronts",
    "device_ranks",
    "hypervolume",
    "layers",
    "non_dominated",
    "on_every_front",
]
