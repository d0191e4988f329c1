"""The roofline: time per kernel on a device, and what bounds it.

    t = max(matrix FLOPs / (e_c P_matrix), vector FLOPs / (e_c P_vector), bytes / (m_c B), t_floor) + t_launch
    latency = sum over kernels of t + t_call, where bytes of weights may count more than others

after Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (CACM 2009). With all
efficiencies 1 and no launch time, the default, it is a lower bound: peaks are dense datasheet peaks, bytes are
the least a kernel can move, and the two units work at the same time. Weights that are laid out anew at every call are
moved once more as far as the last-level cache does not hold both copies. Where the kernel's working set fits the
last-level cache, and the device states that cache's bandwidth or a calibration knows it, B is the cache's. Where flash
has a port of its own, weights come through it, at its bandwidth, while all else moves at B.

`time_kernels` times the kernels of one network; `total_seconds` sums over the kernels of many at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._frozen import Frozen
from oracle.blocking import Blocking
from oracle.cutting import Cut, Cutting, cut_to_tiles, cutting_of
from oracle.devices import Device
from oracle.packing import packed_bytes, rooms_bytes
from oracle.products import Products
from oracle.tiling import CLOCK_HZ, AttentionTiling, Cache, CachedAttention, Tiling

Array = NDArray[Any]

_LAUNCH, _WEIGHTS, _CACHE, _FLASH, _ON_VECTOR, _ROOM = range(3, 9)  # where they stand among the rows of `Roofs`
_HALF = 2.0**-51
_ROUNDING = 6.0  # 1.5 * 2^52 quanta of 2^-50 s: what is added to it is rounded to whole ones

BOUNDS = ("compute", "memory", "launch")


@dataclass(frozen=True)
class Efficiency:
    """What share of its peaks a device reaches, by operator class, and what a launch and a call cost.

    Attributes:
        compute: class -> share of the peak, in (0, 1]; 1 where absent.
        memory: class -> share of the bandwidth, in (0, 1]; 1 where absent.
        launch_s: seconds per kernel of a class that `launches` does not name.
        call_s: seconds per call of the network.
        floor_s: seconds below which no kernel comes, however small: where launches are asynchronous, their cost
            hides behind kernels that take longer.
        dispatch_s: seconds per kernel that the host takes to launch it, while the device works: no call takes less than
            that of all its kernels.
        weights: class -> share of the bandwidth at which its weights come; that of `memory` where absent. Libraries
            of processors lay the weights of a convolution out anew at every call.
        launches: class -> seconds per kernel: what a library does around its kernel, such as to choose it or to lay
            its operands out, differs by class.
        tiling: how a GPU cuts matrix products into tiles, or a processor into blocks: they take as long as these, at
            the share of the matrix unit's peak that `compute` says; None where they take as long as their FLOPs.
        attention_tiling: the same of attention.
        cached_attention: the same of attention over a cache of keys and values, with the shares that it reaches.
        cache: when products and attention find their operands in the last-level cache, and how fast.
        savings: class -> how many times fewer multiplications an engine needs than the FLOPs counted: Winograd's
            convolutions. The roof is that much higher; 1 where absent.
        overlap: the share of the shorter of computing and memory traffic that does not hide behind the longer, of
            kernels that are not cut to tiles: 1 where a library packs operands, computes, and writes one after the
            other.
        packing: classes whose weights are laid out anew at every call, see `oracle.packing`.
    """

    compute: Mapping[str, float] = field(default_factory=Frozen)
    memory: Mapping[str, float] = field(default_factory=Frozen)
    launch_s: float = 0.0
    call_s: float = 0.0
    floor_s: float = 0.0
    dispatch_s: float = 0.0
    launches: Mapping[str, float] = field(default_factory=Frozen)
    weights: Mapping[str, float] = field(default_factory=Frozen)
    tiling: Blocking | Tiling | None = None
    attention_tiling: AttentionTiling | None = None
    cached_attention: CachedAttention | None = None
    cache: Cache | None = None
    savings: Mapping[str, float] = field(default_factory=Frozen)
    overlap: float = 0.0
    packing: frozenset[str] = frozenset()

    @property
    def tiled(self) -> bool:
        """Whether the time of products depends on their sizes."""
        return bool(self.tiling or self.attention_tiling or self.cached_attention)

    @property
    def blocking(self) -> Blocking | None:
        """How a processor cuts products."""
        return self.tiling if isinstance(self.tiling, Blocking) else None

    def reach_of(self, op_classes: Sequence[str]) -> list[float]:
        """Shares of the peaks that kernels of these classes reach, in FLOPs as they are counted."""
        return [self.compute.get(name, 1.0) * self.savings.get(name, 1.0) for name in op_classes]

    def launch_of(self, op_classes: Sequence[str]) -> list[float]:
        """Seconds per launch of kernels of these classes."""
        return [self.launches.get(name, self.launch_s) for name in op_classes]


TEXTBOOK = Efficiency()
"""All peaks reached, launches free: a lower bound on time."""

_WINOGRAD = Efficiency(savings=Frozen({"winograd": 36 * 9 / 64}))


def textbook_of(engine: str) -> Efficiency:
    """The lower bound's shares under an engine.

    ncnn runs 3 x 3 convolutions of stride 1 by Winograd's algorithm where it is faster, in tiles of up to 6 x 6
    outputs, F(6x6, 3x3): 64 multiplications in place of 324 (Lavin and Gray, "Fast algorithms for convolutional neural
    networks", CVPR 2016).
    """
    return _WINOGRAD if engine == "ncnn" else TEXTBOOK


@dataclass(frozen=True, slots=True)
class KernelKinds:
    """What the time of kernels depends on besides their numbers; one entry per kernel."""

    op_classes: tuple[str, ...]
    matrix_dtypes: tuple[str, ...]
    vector_dtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per kernel.

    Attributes:
        total_s: compute, memory or the floor, whichever is longest, plus the launch.
        compute_s, memory_s: time at the roof of each.
        launch_s: the launch of each.
        call_s: seconds per call, to be added once to the sum over kernels.
        floor_s: seconds below which no kernel comes.
    """

    total_s: Array
    compute_s: Array
    memory_s: Array
    launch_s: Array
    call_s: float
    floor_s: float | Array = 0.0

    @property
    def sum_s(self) -> float:
        """Seconds per call, in which shares add up to one."""
        return float(self.total_s.sum()) + self.call_s

    @property
    def latency_s(self) -> float:
        """The same, `steady`."""
        return float(steady(self.sum_s))

    @property
    def bound(self) -> Array:
        """Index into `BOUNDS`: the largest of compute, memory and launch (or floor)."""
        longer = np.where(self.compute_s >= self.memory_s, 0, 1)
        least = np.maximum(self.launch_s, self.floor_s)
        return np.where(np.maximum(self.compute_s, self.memory_s) <= least, 2, longer)


@dataclass(frozen=True, slots=True, eq=False)
class Roofs:
    """What each kernel of a network can reach on a device, or on each of several.

    Attributes:
        rows: (9, kernels), or (9, devices, kernels): FLOP/s on the matrix and on the vector unit, infinite where the
            kernel has no work for it; byte/s from memory; seconds per launch; how many times more than other bytes
            those of weights count, less 1; byte/s from the last-level cache (or memory, where the device states no
            cache); byte/s of weights from a flash with a port of its own, infinite where they come with the rest;
            whether vector units multiply, for want of matrix units for the dtype; bytes of weights, two copies of which
            that cache holds, infinite where these are not laid out anew. Of a whole network the last of them may be
            missing, where no device looks at them.
        cache_bytes: size of that cache, (devices, 1) where there are several; None where no device states one.
        copies: how many times their size weights take there; as `cache_bytes`.
        floor_s: seconds below which no kernel comes; as `cache_bytes`.
        weighs: whether weights count more than other bytes anywhere.
        cuttings: of each device, how it cuts products; None where nobody says.
        flashes: whether weights have a port of their own anywhere.
        overlap: see `Efficiency.overlap`; as `cache_bytes`.
        packs: whether weights are laid out anew anywhere.
    """

    rows: Array
    cache_bytes: Array | None
    copies: Array | None
    floor_s: Array | None
    weighs: bool
    cuttings: tuple[Cutting | None, ...] = (None,)
    flashes: bool = False
    overlap: Array | None = None
    packs: bool = False

    @property
    def tiled(self) -> bool:
        """Whether the time of products depends on their sizes on any device."""
        return any(self.cuttings)

    @classmethod
    def of(
        cls,
        kinds: KernelKinds,
        uses_matrix: Sequence[bool],
        uses_vector: Sequence[bool],
        device: Device,
        efficiency: Efficiency = TEXTBOOK,
    ) -> Roofs:
        """Roofs of kernels; `uses_matrix` and `uses_vector` say on which units each has work.

        Raises:
            DeviceError: the device states no peak for a dtype that a kernel computes in.
        """
        classes = kinds.op_classes
        compute = efficiency.reach_of(classes)
        flow = [efficiency.memory.get(name, 1.0) for name in classes]
        weights = [efficiency.weights.get(name, share) for name, share in zip(classes, flow, strict=True)]
        memory_bps = device.peak_bandwidth()
        bandwidth = [share * memory_bps for share in flow]
        near, copies = _near(device, efficiency, classes, flow, bandwidth)
        flash_bps = np.inf if device.flash_bandwidth is None else device.flash_bandwidth.value
        rows = np.array(
            (
                _peaks(device, "matrix", kinds.matrix_dtypes, uses_matrix, compute),
                _peaks(device, "vector", kinds.vector_dtypes, uses_vector, compute),
                bandwidth,
                efficiency.launch_of(classes),
                [share / own - 1.0 for share, own in zip(flow, weights, strict=True)],
                near,
                [flash_bps] * len(classes),
                [dtype not in device.matrix for dtype in kinds.matrix_dtypes],
                rooms_bytes(device, efficiency.packing, classes),
            ),
            dtype=np.float64,
        )
        whole_quanta(rows[_LAUNCH])
        return cls(
            rows,
            np.array([device.llc.value]) if copies and device.llc else None,
            np.array([copies]) if copies > 1.0 else None,
            np.array([efficiency.floor_s]) if efficiency.floor_s else None,
            bool(efficiency.weights),
            (cutting_of(device, efficiency),),
            device.flash_bandwidth is not None,
            np.array([efficiency.overlap]) if efficiency.overlap else None,
            bool(efficiency.packing),
        )

    @classmethod
    def stacked(cls, devices: Sequence[Roofs]) -> Roofs:
        """The roofs of the same kernels on several devices, given those on each."""

        def column(values: Sequence[Array | None]) -> Array | None:
            if all(value is None for value in values):
                return None
            return np.stack([np.zeros(1) if value is None else value for value in values])

        return cls(
            np.stack([roofs.rows for roofs in devices], axis=1),
            column([roofs.cache_bytes for roofs in devices]),
            column([roofs.copies for roofs in devices]),
            column([roofs.floor_s for roofs in devices]),
            any(roofs.weighs for roofs in devices),
            tuple(cutting for roofs in devices for cutting in roofs.cuttings),
            any(roofs.flashes for roofs in devices),
            column([roofs.overlap for roofs in devices]),
            any(roofs.packs for roofs in devices),
        )

    @classmethod
    def joined(cls, parts: Sequence[Roofs]) -> Roofs:
        """The roofs of a network's kernels, given in parts, all of them on the same devices."""
        first = parts[0]
        caches = first.cache_bytes is not None
        seen = (first.weighs, _WEIGHTS), (caches, _CACHE), (first.flashes, _FLASH), (first.tiled, _ON_VECTOR)
        stop = 1 + max([_LAUNCH, *(row for looks, row in (*seen, (first.packs, _ROOM)) if looks)])
        rows = np.concatenate([part.rows[:stop] for part in parts], axis=-1)
        return replace(first, rows=rows)

    def of_kernels(self, which: Sequence[int]) -> Roofs:
        """The roofs of some of the kernels."""
        return replace(self, rows=self.rows[..., list(which)])


def time_kernels(
    kinds: KernelKinds,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    device: Device,
    efficiency: Efficiency = TEXTBOOK,
    weight_bytes: Array | None = None,
    *,
    products: Products | None = None,
) -> Timing:
    """Time the kernels of one network on a device.

    Args:
        kinds: class and dtypes of each kernel.
        matrix_flops, vector_flops, traffic_bytes: one entry per kernel.
        device: whose roofs count.
        efficiency: shares of the roofs that are reached.
        weight_bytes: the part of the traffic that is weights; None for none.
        products: of the kernels, for a device that cuts them.

    Raises:
        DeviceError: the device states no peak for a dtype that kernels compute in.
    """
    roofs = Roofs.of(kinds, list(matrix_flops != 0), list(vector_flops != 0), device, efficiency)
    timing = _timed(roofs, matrix_flops, vector_flops, traffic_bytes, weight_bytes, products=products)
    return replace(timing, call_s=efficiency.call_s)


def time_at(roofs: Roofs, numbers: Array, products: Products | None = None) -> Timing:
    """Time the kernels of one network on several devices.

    Args:
        roofs: (devices, kernels), see `Roofs.stacked`.
        numbers: (4, kernels) matrix FLOPs, vector FLOPs, bytes moved, and the part of them that is weights.
        products: of the kernels, for devices that cut them.

    Returns:
        Seconds, (devices, kernels); calls cost nothing.
    """
    return _timed(roofs, *numbers, products=products)


def _timed(
    roofs: Roofs,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    weight_bytes: Array | None,
    *,
    products: Products | None,
) -> Timing:
    compute_s, memory_s, busy_s = _roof_times(roofs, matrix_flops, vector_flops, traffic_bytes, weight_bytes, products)
    launch_s = roofs.rows[_LAUNCH]
    return Timing(
        *(whole_quanta(busy_s) + launch_s, compute_s, memory_s, launch_s),
        call_s=0.0,
        floor_s=0.0 if roofs.floor_s is None else roofs.floor_s,
    )


def whole_quanta(seconds: Array) -> Array:
    """Seconds per kernel up to the next multiple of 2^-50 s, a femtosecond; an array is changed in place.

    Sums of multiples are exact up to 8 s, and so the same in whatever order kernels are added up: alone, in a
    population, run by run. Up, as no kernel is faster than its roofs.
    """
    if isinstance(seconds, np.ndarray) and seconds.ndim:
        seconds += _HALF
        seconds += _ROUNDING
        seconds -= _ROUNDING
        return seconds
    return np.asarray((seconds + _HALF + _ROUNDING) - _ROUNDING)


def steady(seconds: Any) -> Any:
    """Seconds to 33 bits, ten digits.

    Beyond them lies, in calls of more than 8 s, the order in which kernels were added up, which must not tell equal
    networks apart where they are ranked. The split is Veltkamp's (Dekker: A floating-point technique for extending the
    available precision, 1971).
    """
    large = seconds * (2.0**20 + 1)
    return large - (large - seconds)


def total_seconds(
    roofs: Roofs,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    weight_bytes: Array | None = None,
    *,
    products: Products | None = None,
) -> Any:
    """Seconds of one network, or of many that have the same kernels; launches included, the call's constant not.

    Args:
        roofs: of the kernels.
        matrix_flops, vector_flops, traffic_bytes: (kernels,) of one network, or (kernels, networks).
        weight_bytes: the part of the traffic that is weights; None for none.
        products: of the kernels, for a device that cuts them.

    Returns:
        A number, or (networks,).
    """
    *_, busy_s = _roof_times(roofs, matrix_flops, vector_flops, traffic_bytes, weight_bytes, products)
    return whole_quanta(busy_s).sum(axis=0) + roofs.rows[_LAUNCH].sum()


def _roof_times(
    roofs: Roofs,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    weight_bytes: Array | None,
    products: Products | None,
) -> tuple[Array, Array, Array]:
    """Seconds of each kernel at the compute roof (0 without work), at the memory roof, and in all but its launch."""
    rows = roofs.rows
    if np.ndim(traffic_bytes) > 1:  # networks side by side
        rows = rows.reshape(*rows.shape, *(1,) * (np.ndim(traffic_bytes) - 1))
    matrix, vector, bandwidth = rows[:_LAUNCH]
    matrix_s, cuts = matrix_flops / matrix, list[Cut]()
    if roofs.tiled and products is not None:
        on_vector = roofs.rows[_ON_VECTOR] > 0.0
        cuts = cut_to_tiles(matrix_s, roofs.rows[0], on_vector, roofs.cuttings, matrix_flops, products)
    compute_s = np.maximum(matrix_s, vector_flops / vector)
    if roofs.packs and weight_bytes is not None:
        others_bytes = traffic_bytes - weight_bytes
        weight_bytes = packed_bytes(weight_bytes, rows[_ROOM])
        traffic_bytes = others_bytes + weight_bytes
    held = _held(roofs, traffic_bytes, weight_bytes)
    if held is not None:
        bandwidth = np.where(held, rows[_CACHE], bandwidth)
    if roofs.weighs and weight_bytes is not None:
        traffic_bytes = traffic_bytes + weight_bytes * rows[_WEIGHTS]
    if roofs.flashes and weight_bytes is not None:
        flash = rows[_FLASH]
        own = np.where(np.isinf(flash), 0.0, weight_bytes)  # through a port of their own, at the same time
        memory_s = np.maximum((traffic_bytes - own) / bandwidth, own / flash)
    else:
        memory_s = traffic_bytes / bandwidth
    busy_s = _overlapped(compute_s, memory_s, cuts, held, roofs.overlap)
    if roofs.floor_s is not None:
        busy_s = np.maximum(busy_s, roofs.floor_s)
    return compute_s, memory_s, busy_s


def _held(roofs: Roofs, traffic_bytes: Array, weight_bytes: Array | None) -> Array | None:
    """Which kernels' working sets fit the last-level cache, and see its roof instead of the memory's."""
    if roofs.cache_bytes is None:
        return None
    if roofs.copies is not None and weight_bytes is not None:
        traffic_bytes = traffic_bytes + np.maximum(roofs.copies - 1.0, 0.0) * weight_bytes
    return np.asarray(traffic_bytes <= roofs.cache_bytes)


def _overlapped(
    compute_s: Array, memory_s: Array, cuts: Sequence[Cut], held: Array | None, uncut: Array | None
) -> Array:
    """Seconds of kernels in all but their launch; those at the memory roof are corrected in place."""
    for where, known, _, longer in cuts:
        if np.any(longer != 1.0):
            memory_s[where] *= np.where(known if held is None else known & ~held[where], longer, 1.0)
    busy_s = np.maximum(compute_s, memory_s)
    if uncut is not None:
        busy_s += uncut * np.minimum(compute_s, memory_s)
    for where, known, overlap, _ in cuts:
        if np.any(overlap):
            busy_s[where] += np.where(known, overlap * np.minimum(compute_s[where], memory_s[where]), 0.0)
    return busy_s


_NEAR = ("matmul", "attention")  # classes whose kernels were measured with operands in a cache


def _near(
    device: Device, efficiency: Efficiency, op_classes: Sequence[str], flow: Sequence[float], bandwidth: list[float]
) -> tuple[list[float], float]:
    """Byte/s from the last-level cache, and how many times their size weights take there; 0 for no cache."""
    if device.llc is None:
        return bandwidth, 0.0
    if device.llc_bandwidth is not None:
        cache_bps = device.llc_bandwidth.value
        return [share * cache_bps for share in flow], 1.0
    if efficiency.cache is None or device.compute_units is None:
        return bandwidth, 0.0
    clock_hz = device.clock.value if device.clock else CLOCK_HZ
    cache = float(efficiency.cache.bandwidth(device.compute_units.value, clock_hz))
    own = [max(bps, cache) if name in _NEAR else bps for name, bps in zip(op_classes, bandwidth, strict=True)]
    return own, efficiency.cache.copies


def _peaks(
    device: Device, unit: str, dtypes: Sequence[str], used: Sequence[bool], shares: Sequence[float]
) -> list[float]:
    known: dict[str, float] = {}
    peaks = []
    for dtype, share, uses in zip(dtypes, shares, used, strict=True):
        if uses and dtype not in known:
            known[dtype] = device.peak_flops(unit, dtype)
        peaks.append(known[dtype] * share if uses else np.inf)
    return peaks
