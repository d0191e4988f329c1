"""Seconds that matrix products and attention need at the compute roof of a GPU, which works in tiles.

A GPU cuts the result of a product into tiles and gives each to one compute unit, so a product takes as many rounds
over its units (waves) as its tiles fill, the last one perhaps half empty; where tiles are fewer than units, the inner
dimension is split among several units, which then add up what they have (split-K). Libraries choose among a list of
tiles; here the best is taken. Attention cuts its queries the same way, walks along the keys and keeps the scores to
itself (Dao: FlashAttention-2, 2023, arXiv 2307.08691); with few queries it splits the keys (flash decoding). Where
matrix units do not compute a type, a single row or query is not padded to a tile: libraries multiply a vector there
(GEMV). Two rows and more they pad: of 313 float32 products with 2 to 16 rows or columns that NeuSight timed on P4, T4
and V100, every one ran in tiles of at least 32.

What results are cut into is a matter of the library; how many units there are and how fast their clock is stands on a
data sheet. Latencies are stated at one clock and last as many cycles at any other: left out, GPUs that were not fitted
come out 2 to 4 points worse. Whoever times a kernel takes

    max(compute, memory) + overlap * min(compute, memory) + launch

where memory is the traffic over the bandwidth, or over the last-level cache's where the kernel finds its operands there
(see `Cache`), and the launch, like every latency, is in cycles.

The values below are fitted to A100 SXM, H100 SXM and L40S at once by tests/benchmarks/products.py, on kernel times that
ai-dynamo/aiconfigurator publishes (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CLOCK_HZ = 1.83e9
"""The clock at which latencies are stated, and that of devices which state none: an H100 SXM's."""

_FEW = 1024
_NONE_S = 1e-18


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a library cuts matrix products for GPUs.

    Attributes:
        tiles: rows and columns of a result's tile, each a choice.
        split_limit: units that may share one tile at most.
        split_k: the least inner dimension worth a unit.
        step_k: the inner dimension counts in whole steps of so many.
        width: side of the square tile whose operands arrive just as fast as they are multiplied; a smaller one (by the
            harmonic mean of its sides) waits for those of them that the product has.
        wave_s: seconds that a wave takes besides, at `CLOCK_HZ`.
        split_s: seconds to add up split products, at `CLOCK_HZ`.
        gather: bytes of split products (float32) that a unit adds up per cycle.
        overlap: the share of the shorter of computing and memory traffic that does not hide behind the longer.
        store_s: seconds of a unit per element of a result, after all else, at `CLOCK_HZ`.
        rows: the most rows of a product that each tile is for, where a library chooses by these; otherwise the best
            tile is taken.
    """

    tiles: tuple[tuple[int, int], ...]
    split_limit: float
    split_k: float
    step_k: int
    width: float
    wave_s: float
    split_s: float
    gather: float = float("inf")
    overlap: float = 0.0
    store_s: float = 0.0
    rows: tuple[float, ...] = ()

    def compute_s(
        self, dims: Any, peak_flops: Any, units: Any, clock_hz: Any = CLOCK_HZ, on_vector: Any = False
    ) -> Array:
        """Seconds of products at the compute roof; launches and memory not included.

        Args:
            dims: (4, ...): batch, m, n, k of each product (batch, m, k) x (batch, k, n); positive.
            peak_flops: FLOP/s of the whole device that it reaches in products.
            units: compute units of the device (SMs).
            clock_hz: of the device.
            on_vector: whether vector units multiply, for which a single row is not padded.

        Returns:
            Seconds; the shape that `dims[0]` and all other arguments broadcast to.
        """
        batch, m, n, k = np.asarray(dims, dtype=np.float64)
        units = np.asarray(units, dtype=np.float64)
        slower = CLOCK_HZ / np.asarray(clock_hz, dtype=np.float64)
        deep_s = 2.0 * units / peak_flops * (np.ceil(k / self.step_k) * self.step_k)  # of a unit, per element of a tile
        most = np.minimum(np.maximum(np.floor(k / self.split_k), 1.0), self.split_limit)
        split_s, wave_s, store_s = self.split_s * slower, self.wave_s * slower, self.store_s * slower
        gather_s = np.maximum(4.0 * batch * m * n / (self.gather * units * clock_hz), _NONE_S)
        single = np.logical_and(on_vector, m == 1.0)

        def of(rows: Any, columns: Any) -> Array:
            fill = batch * np.ceil(m / rows) * np.ceil(n / columns) / units
            limit = np.maximum(np.minimum(np.floor(1.0 / fill), most), 1.0)  # more than 1 only within one wave
            high, wide = np.minimum(rows, m), np.minimum(columns, n)
            area = np.maximum(rows * columns, self.width * (high + wide) / 2.0)
            area_s = np.where(single, columns, area) * deep_s
            other_s = high * wide * store_s + wave_s
            # The best there is up to a limit that falls as a product grows, so that no larger one takes less time.
            split = np.clip(np.sqrt(area_s / gather_s), 1.0, limit)
            together_s = area_s / split + other_s + split * gather_s + split_s
            alone_s = np.ceil(fill) * (area_s + other_s)
            return np.asarray(np.where(limit > 1.0, np.minimum(alone_s, together_s), alone_s))

        if self.rows:
            chosen = np.array(self.tiles, dtype=np.float64)[np.searchsorted(self.rows, m)]
            return np.asarray(of(chosen[..., 0], chosen[..., 1]))
        if m.size <= _FEW:  # all tiles in one array: what numpy does per call costs more than what it does per number
            shape = (2, -1, *(1,) * np.broadcast(single, deep_s, slower).ndim)
            return np.asarray(of(*np.array(self.tiles, dtype=np.float64).T.reshape(shape)).min(axis=0))
        best = of(*self.tiles[0])
        for rows, columns in self.tiles[1:]:
            np.minimum(best, of(rows, columns), out=best)
        return best


@dataclass(frozen=True, slots=True)
class AttentionTiling:
    """How a library cuts attention for GPUs.

    Attributes:
        queries: that one unit works on at a time.
        keys: the keys are worked through in whole steps of so many.
        step_width: heads are as wide as whole steps of so many.
        softmax_s: seconds of a unit per score, beside its products, at `CLOCK_HZ`.
        split_limit: units that may share the keys of one query at most, a step for each; 1 for none.
        wave_s: seconds that a wave takes besides, at `CLOCK_HZ`.
        split_s: seconds to add up split keys (a kernel of its own), at `CLOCK_HZ`; taken wherever there is more than
            one step: libraries split keys even where sequences alone fill the units, so more never take less time.
        overlap: as in `Tiling`.
    """

    queries: int
    keys: int
    step_width: int
    softmax_s: float
    split_limit: float
    wave_s: float
    split_s: float
    overlap: float = 0.0

    def compute_s(
        self,
        dims: Any,
        peak_flops: Any,
        units: Any,
        clock_hz: Any = CLOCK_HZ,
        *,
        causal: Any = False,
        window: Any = np.inf,
        group: Any = 1.0,
        splits: Any = True,
        packs: Any = False,
        on_vector: Any = False,
    ) -> Array:
        """Seconds of attention at the compute roof; launches and memory not included.

        Args:
            dims: (4, ...): batch times heads of the queries, queries, keys, width of a head; positive.
            peak_flops: FLOP/s of the whole device that it reaches in attention.
            units: compute units of the device (SMs).
            clock_hz: of the device.
            causal: whether a query sees no later key; the last query sees the last key.
            window: the latest keys that a query sees at most.
            group: heads of queries that share one of keys and values; a single query's work together where `splits`.
            packs: whether those of several queries do, too: FlashAttention-3 packs groups, 2 does not.
            splits: whether the library may split keys and let groups work together: FlashAttention-2 over sequences of
                unequal length does not for windows nor for groups of one, FlashAttention-3 always does.
            on_vector: whether vector units multiply, for which a single query, or its group, is not padded.

        Returns:
            Seconds; the shape that all arguments broadcast to.
        """
        heads, query, key, width = np.asarray(dims, dtype=np.float64)
        units = np.asarray(units, dtype=np.float64)
        slower = CLOCK_HZ / np.asarray(clock_hz, dtype=np.float64)
        together = np.where(np.where(query == 1.0, splits, packs), group, 1.0)
        blocks = heads / together * np.ceil(query * together / self.queries)
        seen = np.minimum(key, window)
        halves = np.logical_and(causal, query > 1.0)
        growing = np.clip(seen - (key - query), 0.0, query)  # queries that see fewer keys than `seen`
        longest = np.where(halves, np.minimum(seen + self.queries, key), seen)
        mean = seen - growing * growing / (2.0 * query) + self.queries / 2.0
        mean = np.where(halves, np.minimum(mean, longest), seen)
        # As many as are free, however few the keys: with a limit that grows with them, more would take less time.
        split = np.where(splits, np.clip(np.floor(units / blocks), 1.0, self.split_limit), 1.0)
        scores = 4.0 * self.step_width * np.ceil(width / self.step_width) * units / peak_flops + self.softmax_s * slower
        adds_up = np.logical_and(splits, longest > self.keys) & (self.split_limit > 1.0)
        waves = np.ceil(blocks * split / units)
        single = np.logical_and(on_vector, query == 1.0)
        rows = np.where(single, np.minimum(together, self.queries), self.queries)
        steps_s = np.maximum(waves * self._steps(mean, split), self._steps(longest, split)) * rows * scores
        return np.asarray(steps_s + slower * (waves * self.wave_s + adds_up * self.split_s))

    def _steps(self, keys: Array, split: Array) -> Array:
        """Keys that a unit works through."""
        return np.asarray(np.ceil(keys / (split * self.keys)) * self.keys)


@dataclass(frozen=True, slots=True)
class CachedAttention:
    """Causal attention over a cache of keys and values: of many queries, or of one (a decoding step).

    Many queries take no less time than one of them would with the keys of the last, at either roof.

    Attributes:
        prefill, decode: how each is cut.
        prefill_shares, decode_shares: of the peak and of the bandwidth, that each reaches.
        splits_alone: whether keys that one head alone reads are split among units; FlashAttention-3 does, 2 does not.
        packs: whether heads of a group share tiles of queries; FlashAttention-3 does, 2 does not.
    """

    prefill: AttentionTiling
    decode: AttentionTiling
    prefill_shares: tuple[float, float]
    decode_shares: tuple[float, float]
    splits_alone: bool = True
    packs: bool = True

    def reached(
        self,
        dims: Any,
        peak_flops: Any,
        units: Any,
        clock_hz: Any,
        shares: tuple[float, float],
        windows: Any = np.inf,
        on_vector: Any = False,
    ) -> tuple[Array, Array, Array]:
        """Seconds at the compute roof; the share of the shorter roof that does not hide; how much longer memory takes.

        Args:
            dims: (5, ...): as in `oracle.products.Product`.
            peak_flops: FLOP/s, of which `shares[0]` was taken.
            units, clock_hz: of the device.
            shares: of peak and bandwidth, in place of which these are.
            windows: the latest keys that a query sees at most.
            on_vector: whether vector units multiply.
        """
        group, single = dims[4], dims[1] == 1.0
        one = np.array(dims[:4])
        one[1] = 1.0
        prefill, decode = (
            tiling.compute_s(
                sizes,
                peak_flops * (own[0] / shares[0]),
                units,
                clock_hz,
                causal=True,
                window=windows,
                group=group,
                splits=splits,
                packs=self.packs,
                on_vector=on_vector,
            )
            for sizes, tiling, own, splits in (
                (dims[:4], self.prefill, self.prefill_shares, False),
                (one, self.decode, self.decode_shares, self.splits_alone or group > 1.0),
            )
        )
        overlap = np.where(single, self.decode.overlap, max(self.prefill.overlap, self.decode.overlap))
        share = np.where(single, self.decode_shares[1], min(self.prefill_shares[1], self.decode_shares[1]))
        return np.where(single, decode, np.maximum(prefill, decode)), overlap, shares[1] / share


@dataclass(frozen=True, slots=True)
class Quantising:
    """The kernel that makes float8 of a product's left operand, row by row, before the product; traffic apart.

    Attributes:
        row_s, element_s: seconds of a unit per row and per element, at `CLOCK_HZ`.
        reads: bytes read and written per element of the operand.
    """

    row_s: float
    element_s: float
    reads: float

    def compute_s(self, rows: Any, width: Any, units: Any, clock_hz: Any = CLOCK_HZ) -> Array:
        """Seconds to quantise (rows, width), without the launch."""
        return np.asarray(rows / units * (self.row_s + width * self.element_s) * (CLOCK_HZ / clock_hz))


@dataclass(frozen=True, slots=True)
class Cache:
    """When a kernel's operands come from the last-level cache, and how fast.

    Attributes:
        copies: how many times their size weights take there: they are used again only after others of their size.
        cycle_bytes: bytes per cycle and compute unit.
    """

    copies: float
    cycle_bytes: float

    def holds(self, weight_bytes: Any, other_bytes: Any, cache_bytes: Any) -> Array:
        """Whether a kernel finds its operands in a cache of this size."""
        return np.asarray(self.copies * weight_bytes + other_bytes <= cache_bytes)

    def bandwidth(self, units: Any, clock_hz: Any) -> Array:
        """Byte/s that all units get from the cache."""
        return np.asarray(self.cycle_bytes * units * clock_hz)


_TILES = ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (32, 32))

PRODUCTS = Tiling(_TILES, 16.0, 400.0, 16, 87.46, 0.4161e-6, 1.965e-6, 10.26, 0.3085)
"""Of torch's linear layers in bfloat16; launches take 2.43 us at `CLOCK_HZ`."""

HIDING_PRODUCTS = replace(PRODUCTS, overlap=0.0)
"""The same where the shares were fitted to whole networks, as if the shorter of computing and moving hid behind the
longer: counted again, an RTX 4090 would be off by 10.6 % in place of 6.5 on 170 of its networks under `torch.compile`
(without tiles by 6.0, to which the shares were fitted)."""

_CUTLASS = ((16, 64), (32, 64), (64, 64), (64, 128), (128, 128))
_ROWS = (16.0, 32.0, 64.0, 256.0, float("inf"))

FLOAT8_PRODUCTS = Tiling(_CUTLASS, 1.0, 1.0, 16, 76.58, 0.4314e-6, 0.0, overlap=0.3063, rows=_ROWS)
"""Of CUTLASS in float8 on an H100; launches take 2.69 us at `CLOCK_HZ`."""

FLOAT8_PRODUCTS_ADA = replace(FLOAT8_PRODUCTS, store_s=0.7661e-9)
"""The same on an L40S, whose results do not leave while the next tile is computed."""

QUANTISING = Quantising(0.8399e-6, 0.1284e-9, 5.0)
"""Before them; launches take 1.985 us at `CLOCK_HZ`."""

CACHE = Cache(5.482, 5.397)
"""Of the products in bfloat16, which were timed on several sets of weights in turn."""

ENCODER = AttentionTiling(64, 64, 16, 5.833e-12, 1.0, 1.872e-6, 0.0)
"""Bidirectional flash attention; launches take 7.456 us at `CLOCK_HZ`."""

DECODE = AttentionTiling(64, 64, 16, 0.6284e-12, 32.0, 2.662e-6, 2.625e-6, 0.2891)
"""One query against cached keys and values; launches as in `ENCODER`.

Fitted when a unit had 72.64 keys at least; without that limit the same values are as close to what was measured."""

PREFILL = AttentionTiling(64, 64, 16, 9.187e-12, 1.0, 1.367e-6, 0.0, DECODE.overlap)
"""Causal flash attention; launches take 9.18 us at `CLOCK_HZ`, with that of the write to the cache.

Where many queries take no less than one (`CachedAttention`), `DECODE`'s overlap is closer to what was measured than the
.4317 of a fit to prompts alone: 14, 14 and 20 % in place of 14, 13 and 21 on an A100, an H100 and an L40S.
"""
