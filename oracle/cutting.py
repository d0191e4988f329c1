"""Kernels that a GPU cuts into tiles: their seconds at the compute roof, on several devices or of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.products import Products
from oracle.tiling import AttentionTiling, Tiling

__all__ = ["Cut", "Cutting", "cut_to_tiles"]

Array = NDArray[Any]


class Cutting(NamedTuple):
    """How a device cuts products.

    Attributes:
        products, attention: into which tiles; None where nobody says.
        units: compute units that share the tiles.
        clock_hz: of these.
    """

    products: Tiling | None
    attention: AttentionTiling | None
    units: float
    clock_hz: float


class Cut(NamedTuple):
    """Kernels that were cut alike.

    Attributes:
        where: index of their seconds among those of all kernels.
        known: which of them were cut indeed.
        overlap: the share of the shorter of computing and memory traffic that does not hide behind the longer.
    """

    where: Any
    known: NDArray[np.bool_]
    overlap: float


def cut_to_tiles(
    matrix_s: Array, peaks: Array, cuttings: Sequence[Cutting | None], matrix_flops: Array, products: Products
) -> list[Cut]:
    """Put the seconds of their tiles in the place of those that products need at the roof of the matrix unit.

    Products that do not explain the FLOPs of their kernel stay as they are.

    Args:
        matrix_s: seconds of every kernel, (kernels,) or (kernels, networks), or (devices, kernels); changed in place.
        peaks: FLOP/s that each reaches, (kernels,), or (devices, kernels).
        cuttings: of each device.
        matrix_flops: (kernels,) or (kernels, networks).
        products: of the kernels.
    """
    known = products.explain(matrix_flops[products.kernels])
    dims = np.where(known, products.dims, 1.0)
    several = peaks.ndim == 2
    found = []
    for attends in (False, True):
        own = products.attends == attends
        if not own.any():
            continue
        tilings = [cutting and (cutting.attention if attends else cutting.products) for cutting in cuttings]
        for tiling in dict.fromkeys(tilings):
            if tiling is None:
                continue
            alike = [number for number, other in enumerate(tilings) if other == tiling]
            kernels = products.kernels[own]
            where: Any = (np.array(alike)[:, None], kernels) if several else kernels
            # Devices first, then products, then perhaps networks.
            rest = (1,) * (dims.ndim - 2)
            peak = peaks[where].reshape(len(alike), len(kernels), *rest)
            units, clocks = (
                np.array([getattr(cuttings[number], name) for number in alike]).reshape(-1, 1, *rest)
                for name in ("units", "clock_hz")
            )
            seconds = tiling.compute_s(dims[:, None, own], peak, units, clocks)
            matrix_s[where] = np.where(known[own], seconds if several else seconds[0], matrix_s[where])
            found.append(Cut(where, known[own], tiling.overlap))
    return found
