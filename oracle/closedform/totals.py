"""What the cells of candidates add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.evaluate import CellCosts
from oracle.closedform.memory import ChainMemory
from oracle.closedform.template import SUMS
from oracle.families.population import index_of

Ints = NDArray[np.int64]

# Sums that most cells have in common with another: added up by what they have beyond it.
_BEYOND = {"pycls_macs": "macs", "pycls_activations": "activations"}


@dataclass(frozen=True, slots=True, eq=False)
class PopulationCosts:
    """One entry per candidate, `kernels` how many each runs; `latency_s` has a row per device, in their order."""

    macs: Ints
    flops: Ints
    masked_flops: Ints
    traffic_bytes: Ints
    params: Ints
    activations: Ints
    pycls_macs: Ints
    pycls_activations: Ints
    peak_memory_bytes: Ints
    flash_bytes: Ints
    kernels: Ints
    latency_s: NDArray[np.float64]
    unknown: tuple[str, ...]


class Segment(NamedTuple):
    """Equal cells of some candidates: `rows` ascending within a piece, `counts` how often each."""

    rows: Ints
    counts: Ints
    costs: CellCosts


class Totals:
    """Sums over the cells of each candidate, and the peak of their chain."""

    def __init__(self, size: int, devices: int, training: bool, held_bytes: int | Ints = 0) -> None:
        self._sums: dict[str, Ints] = {name: np.zeros(size, dtype=np.int64) for name in SUMS}
        self._kernels: Ints = np.zeros(size, dtype=np.int64)
        self._latency = np.zeros((devices, size))
        self._memory = ChainMemory(size, training, held_bytes)

    def add(self, segment: Segment) -> None:
        """Add a segment; segments come from the first cell to the last."""
        rows, counts, costs = segment
        index = index_of(rows, self._latency.shape[1])
        once = counts.min(initial=1) == counts.max(initial=1) == 1
        shares: dict[str, Any] = dict(zip(SUMS, costs.sums, strict=True))
        for name, base in _BEYOND.items():
            shares[name] = None if shares[name] is shares[base] else shares[name] - shares[base]
        if isinstance(shares["masked_flops"], int) and not shares["masked_flops"]:  # of nearly all cells
            shares["masked_flops"] = None
        totals = [*self._sums.values(), self._kernels, *self._latency]
        for total, found in zip(totals, [*shares.values(), costs.kernels, *costs.latency_s], strict=True):
            if found is not None:
                total[index] += found if once else counts * found
        self._memory.add(index, counts, costs.memory)

    def result(self) -> PopulationCosts:
        """The costs."""
        fields: dict[str, Any] = dict(self._sums)
        for name, base in _BEYOND.items():
            fields[name] = fields[name] + fields[base]
        return PopulationCosts(
            **fields,
            peak_memory_bytes=self._memory.peak_bytes(),
            flash_bytes=self._memory.flash_bytes(),
            kernels=self._kernels,
            latency_s=self._latency,
            unknown=(),
        )
