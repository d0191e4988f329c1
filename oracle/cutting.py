"""Kernels that a device cuts into tiles or blocks: their seconds at the compute roof.

Of one network on several devices, or of several networks on one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.blocking import Blocking
from oracle.products import ATTENTION, CACHED, PLAIN, Products
from oracle.tiling import CLOCK_HZ, AttentionTiling, CachedAttention, Tiling

if TYPE_CHECKING:
    from oracle.devices import Device
    from oracle.roofline import Efficiency

Array = NDArray[Any]
_Way = Blocking | Tiling | AttentionTiling | CachedAttention


class Cutting(NamedTuple):
    """How a device cuts products.

    Attributes:
        products, attention: into which tiles or blocks; None where nobody says.
        cached: the same of attention over a cache; as other attention where nobody says.
        shares: of the peak and of the bandwidth, that all attention is taken to reach.
        units: compute units that share the tiles; of no account for blocks.
        clock_hz: of these.
    """

    products: Blocking | Tiling | None
    attention: AttentionTiling | None
    cached: CachedAttention | None
    shares: tuple[float, float]
    units: float
    clock_hz: float

    def way(self, kind: int) -> tuple[_Way, tuple[float, float]] | None:
        """How it cuts one kind of products, and the shares that these are taken to reach; None where nobody says."""
        if kind == PLAIN:
            return None if self.products is None else (self.products, (1.0, 1.0))
        found = self.cached if kind == CACHED and self.cached is not None else self.attention
        return None if found is None else (found, self.shares)


def cutting_of(device: Device, efficiency: Efficiency) -> Cutting | None:
    """How a device cuts products; one that states no compute units cuts none into tiles."""
    if not efficiency.tiled or (device.compute_units is None and efficiency.blocking is None):
        return None
    units = 1.0 if device.compute_units is None else device.compute_units.value
    clock_hz = device.clock.value if device.clock else CLOCK_HZ
    ways = efficiency.tiling, efficiency.attention_tiling, efficiency.cached_attention
    shares = efficiency.compute.get("attention", 1.0), efficiency.memory.get("attention", 1.0)
    return Cutting(*ways, shares, units, clock_hz)


class Cut(NamedTuple):
    """Kernels that were cut alike.

    Attributes:
        where: index of their seconds among those of all kernels.
        known: which of them were cut indeed.
        overlap: the share of the shorter of computing and memory traffic that does not hide behind the longer.
        memory: how many times longer memory traffic takes than at the bandwidth that their class reaches.
    """

    where: Any
    known: NDArray[np.bool_]
    overlap: Any
    memory: Any


def cut_to_tiles(
    matrix_s: Array,
    peaks: Array,
    on_vector: Array,
    cuttings: Sequence[Cutting | None],
    matrix_flops: Array,
    products: Products,
) -> list[Cut]:
    """Put the seconds of their tiles in the place of those that products need at the roof of the matrix unit.

    Products that do not explain the FLOPs of their kernel stay as they are.

    Args:
        matrix_s: seconds of every kernel, (kernels,) or (kernels, networks), or (devices, kernels); changed in place.
        peaks: FLOP/s that each reaches, (kernels,), or (devices, kernels).
        on_vector: which of them vector units multiply, for want of matrix units for their type; as `peaks`.
        cuttings: of each device.
        matrix_flops: (kernels,) or (kernels, networks).
        products: of the kernels.
    """
    known, causal, windows = products.explained(matrix_flops[products.kernels])
    dims = np.where(known, products.dims, 1.0)
    several = peaks.ndim == 2
    found = []
    for kind in (PLAIN, ATTENTION, CACHED):
        own = products.kinds == kind
        if not own.any():
            continue
        ways = [cutting and cutting.way(kind) for cutting in cuttings]
        for way in dict.fromkeys(ways):
            if way is None:
                continue
            alike = [number for number, other in enumerate(ways) if other == way]
            kernels = products.kernels[own]
            where: Any = (np.array(alike)[:, None], kernels) if several else kernels
            # Devices first, then products, then perhaps networks.
            rest = (1,) * (dims.ndim - 2)
            peak, vector = (each[where].reshape(len(alike), len(kernels), *rest) for each in (peaks, on_vector))
            units, clocks = (
                np.array([getattr(cuttings[number], name) for number in alike]).reshape(-1, 1, *rest)
                for name in ("units", "clock_hz")
            )
            seen = causal[None, own], np.maximum(windows[None, own], 1.0)
            seconds, overlap, memory = _cut(*way, dims[:, None, own], (peak, units, clocks), vector, seen)
            if not several:
                seconds, overlap, memory = seconds[0], overlap[0], memory[0]
            matrix_s[where] = np.where(known[own], seconds, matrix_s[where])
            found.append(Cut(where, known[own], overlap, memory))
    return found


def _cut(
    way: _Way,
    shares: tuple[float, float],
    dims: Array,
    figures: tuple[Array, Array, Array],
    on_vector: Array,
    seen: tuple[Array, Array],
) -> tuple[Array, Array, Array]:
    """Seconds at the compute roof, and the overlap and memory of `Cut`.

    Figures are peak, units and clock; `seen` says which attention is causal, and what windows it has.
    """
    causal, windows = seen
    if isinstance(way, CachedAttention):
        return way.reached(dims, *figures, shares, windows, on_vector)
    if isinstance(way, AttentionTiling):
        seconds = way.compute_s(dims[:4], *figures, causal=causal, window=windows, on_vector=on_vector)
    else:
        seconds = way.compute_s(dims[:4], *figures, on_vector)
    return seconds, np.array([way.overlap]), np.ones(1)
