"""Ranking candidates per device, and how far devices agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._fronts import non_dominated
from oracle._ranks import kendall_tau_b, spearman_rho
from oracle._shown import Shown
from oracle.query.cost import Cost


@dataclass(frozen=True, slots=True)
class Ranking(Shown):
    """Candidates ordered on every device.

    Attributes:
        costs: as they were given.
        devices: names, in the order requested.
        order: device -> candidates' positions in `costs`, fastest first.
        kendall_tau, spearman_rho: (device, device) -> agreement of the two orders, -1 to 1; nan for one candidate.
        dominated: device -> for each candidate, whether another one has at least its value at no more latency, and
            is better in one of the two.
        value: what a candidate is worth: the qualities given, or its MACs, the usual proxy before training.
        value_name: "quality" or "macs".
    """

    costs: tuple[Cost, ...]
    devices: tuple[str, ...]
    order: Mapping[str, tuple[int, ...]]
    kendall_tau: Mapping[tuple[str, str], float]
    spearman_rho: Mapping[tuple[str, str], float]
    dominated: Mapping[str, tuple[bool, ...]]
    value: tuple[float, ...]
    value_name: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "networks": [cost.to_dict() for cost in self.costs],
            "value": self.value_name,
            "order": {device: [self.costs[i].name for i in self.order[device]] for device in self.devices},
            "dominated": {device: list(self.dominated[device]) for device in self.devices},
            "agreement": [
                {"devices": list(pair), "kendall_tau": tau, "spearman_rho": self.spearman_rho[pair]}
                for pair, tau in self.kendall_tau.items()
            ],
        }


def ranking_of(costs: Sequence[Cost], devices: Sequence[str], quality: Sequence[float] | None = None) -> Ranking:
    """Order costs on devices they were scored for."""
    latency = {device: np.array([cost.latency_ms[device] for cost in costs]) for device in devices}
    macs = np.array([cost.macs or 0 for cost in costs], dtype=float)
    value = macs if quality is None else np.array(quality, dtype=float)
    pairs = [(a, b) for i, a in enumerate(devices) for b in devices[i + 1 :]]
    return Ranking(
        tuple(costs),
        tuple(devices),
        {device: tuple(int(i) for i in np.argsort(latency[device], kind="stable")) for device in devices},
        {(a, b): kendall_tau_b(latency[a], latency[b]) for a, b in pairs},
        {(a, b): spearman_rho(latency[a], latency[b]) for a, b in pairs},
        {device: tuple(bool(flag) for flag in is_dominated(latency[device], value)) for device in devices},
        tuple(float(v) for v in value),
        "macs" if quality is None else "quality",
    )


def is_dominated(latency: NDArray[Any], value: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) whether another candidate is no slower and worth no less, and better in one; nan is neither."""
    known = ~(np.isnan(latency) | np.isnan(value))
    return np.asarray(known & ~non_dominated([latency, value], [False, True]))
