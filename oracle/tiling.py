"""Seconds that matrix products and attention need at the compute roof of a GPU, which works in tiles.

A GPU cuts the result of a product into tiles and gives each to one compute unit, so a product takes as many rounds
over its units (waves) as its tiles fill, the last one perhaps half empty; where tiles are fewer than units, the inner
dimension is split among several units, which then add up what they have (split-K). Libraries choose among a list of
tiles; here the best is taken. What results are cut into is a matter of the library, how many units and how fast a
clock there are stands on a data sheet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLOCK_HZ", "Tiling"]

Array = NDArray[Any]

CLOCK_HZ = 1.83e9
"""The clock at which latencies are stated, and that of devices which state none: an H100 SXM's."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a library cuts matrix products for GPUs.

    Attributes:
        tiles: rows and columns of a result's tile, each a choice.
        split_limit: units that may share one tile at most.
        split_k: the least inner dimension worth a unit.
        step_k: the inner dimension is worked through in whole steps of so many.
        width: elements of the inner dimension that a unit loads for a tile in the time of 1 multiply-add per element
            of a result's tile as wide as this: a tile smaller than `width` in the harmonic mean of its sides, halved,
            waits for its operands.
        wave_s: seconds that a wave takes besides, at `CLOCK_HZ`.
        split_s: seconds to add up split products, at `CLOCK_HZ`.
    """

    tiles: tuple[tuple[int, int], ...]
    split_limit: float
    split_k: float
    step_k: int
    width: float
    wave_s: float
    split_s: float

    def compute_s(self, dims: Any, peak_flops: Any, units: Any, clock_hz: Any = CLOCK_HZ) -> Array:
        """Seconds of products at the compute roof; launches and memory not included.

        Args:
            dims: (4, ...): batch, m, n, k of each product (batch, m, k) x (batch, k, n); positive.
            peak_flops: FLOP/s of the whole device that its matrix units reach in products.
            units: compute units of the device (SMs).
            clock_hz: of the device.

        Returns:
            Seconds; the shape that `dims[0]`, `peak_flops`, `units` and `clock_hz` broadcast to.
        """
        batch, m, n, k = np.asarray(dims, dtype=np.float64)
        per_unit = np.asarray(peak_flops, dtype=np.float64) / units
        slower = CLOCK_HZ / np.asarray(clock_hz, dtype=np.float64)
        most = np.clip(np.floor(k / self.split_k), 1.0, self.split_limit)
        best: Any = np.inf
        for rows, columns in self.tiles:
            tiles = batch * np.ceil(m / rows) * np.ceil(n / columns)
            split = np.clip(np.floor(units / tiles), 1.0, most)
            waves = np.ceil(tiles * split / units)
            depth = np.ceil(k / (split * self.step_k)) * self.step_k
            area = max(rows * columns, self.width * (rows + columns) / 2.0)
            seconds = waves * (2.0 * area / per_unit * depth + self.wave_s * slower)
            best = np.minimum(best, seconds + np.where(split > 1.0, self.split_s * slower, 0.0))
        return np.asarray(best)
