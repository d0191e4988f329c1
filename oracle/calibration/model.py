"""The time model with its parameters as one vector: seconds of many networks, and how each parameter changes them.

    latency = max(sum over kernels of (max(busy, t_floor) + t_launch), n t_dispatch) + t_call
    busy = max(c / e_c, b / e_m + w / e_w) + overlap min(c / e_c, b / e_m + w / e_w)

n is the number of kernels, t_dispatch what the host takes to launch one while the device works on others. c, b and w
are the seconds that a kernel's arithmetic, its bytes but for weights, and its weights (what is moved once more where
they are laid out anew counts twice) need at the textbook's roofs, e the shares of these roofs that its class reaches,
t_launch what a kernel of its class costs beside, overlap what of computing and moving does not hide behind the other: 0
or 1 of a library as a whole, and not fitted. The vector holds the logits of all shares and the logarithms of all times,
so no value of it beats a roof. It is the formula of `oracle.roofline`, for many networks and with derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._frozen import Frozen
from oracle.calibration.classes import CLASSES
from oracle.devices import Device
from oracle.packing import packed_bytes, rooms_bytes
from oracle.products import Products
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds, Timing, textbook_of, time_kernels
from oracle.spec import GENERIC

Floats = NDArray[np.float64]
Array = NDArray[Any]

_COUNT = len(CLASSES)
_KINDS = ("compute", "memory", "weights", "launch")
WEIGHTS, LAUNCH, CALL, FLOOR, DISPATCH = 2 * _COUNT, 3 * _COUNT, 4 * _COUNT, 4 * _COUNT + 1, 4 * _COUNT + 2
NAMES = (*(f"{kind}.{name}" for kind in _KINDS for name in CLASSES), "call", "floor", "dispatch")
"""What each entry of the vector is; `WEIGHTS` and `LAUNCH` are where theirs begin."""

_NO_TIME_S = 1e-10
_LIMIT = 12.0  # logits beyond are 1 to five digits


@dataclass(frozen=True, slots=True)
class RoofTimes:
    """A network's kernels at a device's roofs, equal ones once.

    Attributes:
        classes: index into `CLASSES`.
        compute_s, memory_s: seconds at each roof; 0 where there is nothing to do.
        count: how many such kernels the network has.
        weights_s: the part of `memory_s` that is for weights.
        overlap: the share of the shorter of computing and moving that does not hide behind the longer, of kernels that
            are cut to tiles, beside that of the library.
    """

    classes: NDArray[np.intp]
    compute_s: Floats
    memory_s: Floats
    count: Floats
    weights_s: Floats
    overlap: Floats | float = 0.0

    @property
    def roofline_s(self) -> float:
        """The textbook's lower bound, where nothing is cut or laid out anew."""
        return float((self.count * np.maximum(self.compute_s, self.memory_s)).sum())


def roof_times(
    kinds: KernelKinds,
    matrix_flops: Array,
    vector_flops: Array,
    traffic_bytes: Array,
    device: Device,
    weight_bytes: Array | None = None,
    engine: str = GENERIC,
    *,
    cut: Efficiency = TEXTBOOK,
    products: Products | None = None,
) -> RoofTimes:
    """Put a network's kernels, one entry each, to a device's roofs.

    What is cut to tiles needs its time at the shares that `cut` says, times these shares: with them it takes exactly as
    long as its tiles do, and with others nearly, for latencies of tiles do not scale.

    Args:
        kinds: their classes are those of `kernel_class`; unknown ones count as `other`.
        matrix_flops, vector_flops, traffic_bytes: as in `oracle.roofline.time_kernels`.
        device: whose roofs count.
        weight_bytes: the part of the traffic that is weights; None for none.
        engine: which runs them: some need fewer multiplications, see `oracle.roofline.textbook_of`.
        cut: how products are cut to tiles or blocks, and the shares that they reach, and whether weights are laid out
            anew; by default they take as long as their FLOPs and bytes.
        products: of the kernels, which tiles and blocks need.

    Raises:
        DeviceError: the device states no peak for a dtype that a kernel computes in.
    """
    bound, names = replace(textbook_of(engine), **_cuts(cut)), kinds.op_classes
    compute, memory = np.ones(len(names)), np.ones(len(names))
    if cut.tiled:
        bound = replace(bound, compute=cut.compute, memory=cut.memory)
        compute, memory = (np.array([_share(own, name) for name in names]) for own in (cut.compute, cut.memory))
    held_bytes = weight_bytes if cut.cache or cut.packing else None
    timing = time_kernels(
        kinds, matrix_flops, vector_flops, traffic_bytes, device, bound, held_bytes, products=products
    )
    compute_s, memory_s = timing.compute_s * compute, timing.memory_s * memory
    index = {name: number for number, name in enumerate(CLASSES)}
    classes = np.array([index.get(name, index["other"]) for name in names], dtype=np.float64)
    weights_s = np.zeros(len(classes))
    if weight_bytes is not None:
        others_bytes = traffic_bytes - weight_bytes
        weight_bytes = packed_bytes(weight_bytes, rooms_bytes(device, cut.packing, names))
        weights_s = memory_s * (weight_bytes / np.maximum(others_bytes + weight_bytes, 1))
    rows = np.stack([classes, compute_s, memory_s, weights_s, _overlap_of(timing)], axis=1)
    distinct, count = np.unique(rows.reshape(-1, 5), axis=0, return_counts=True)
    kind, *columns = (distinct[:, place].copy() for place in range(5))
    compute_s, memory_s, weights_s, overlap = columns
    return RoofTimes(kind.astype(np.intp), compute_s, memory_s, count.astype(np.float64), weights_s, overlap)


def _overlap_of(timing: Timing) -> Floats:
    """The share of the shorter roof's time that does not hide behind the longer's, of kernels without launches."""
    longer, shorter = (take(timing.compute_s, timing.memory_s) for take in (np.maximum, np.minimum))
    seen = shorter > _NO_TIME_S
    return np.where(seen, np.round((timing.total_s - longer) / np.where(seen, shorter, 1.0), 4), 0.0)


class Stack:
    """Networks one after the other in flat arrays, ready to be timed for any parameters.

    Args:
        networks: at least one, each with at least one kernel.
        overlap: see `oracle.roofline.Efficiency`.
    """

    def __init__(self, networks: Sequence[RoofTimes], overlap: float = 0.0) -> None:
        own = [np.broadcast_to(network.overlap, network.count.shape) for network in networks]
        self._overlap = overlap + np.concatenate(own)
        sizes = [len(network.count) for network in networks]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._owner = np.repeat(np.arange(len(networks)), sizes)
        self._classes = np.concatenate([network.classes for network in networks])
        self._compute_s = np.concatenate([network.compute_s for network in networks])
        self._weights_s = np.concatenate([network.weights_s for network in networks])
        self._memory_s = np.concatenate([network.memory_s for network in networks]) - self._weights_s
        self._count = np.concatenate([network.count for network in networks])
        cells = np.bincount(self._owner * _COUNT + self._classes, self._count, len(networks) * _COUNT)
        self._kernels = cells.reshape(-1, _COUNT)  # of each network and class
        self._launches = self._kernels.sum(axis=1)

    def seconds(self, vector: Floats) -> Floats:
        """Latency of each network."""
        compute_s, memory_s, weights_s = self._at_shares(_shares(vector))
        device_s = self._device_s(self._busy_s(compute_s, memory_s + weights_s), vector)
        return np.asarray(np.maximum(device_s, self._host_s(vector)) + np.exp(vector[CALL]))

    def slopes(self, vector: Floats) -> tuple[Floats, Floats]:
        """Latency of each network, and its derivative by each parameter, networks by parameters."""
        seconds, parts = self.parts(vector)
        parts[:, :LAUNCH] *= _shares(vector) - 1.0  # d(c / e)/dx = -(c / e) (1 - e): the less, the nearer e is to 1
        return seconds, parts

    def parts(self, vector: Floats) -> tuple[Floats, Floats]:
        """Latency of each network, and the part of it that each parameter says, networks by parameters.

        The part grows as the parameter's own time does: it is the derivative by that time's logarithm.
        """
        networks = len(self._starts)
        compute_s, memory_s, weights_s = self._at_shares(_shares(vector))
        bytes_s = memory_s + weights_s
        busy_s = self._busy_s(compute_s, bytes_s)
        tiny = busy_s < np.exp(vector[FLOOR])
        computes = compute_s >= bytes_s
        computing, moving = (
            np.where(tiny, 0.0, np.where(longer, 1.0, self._overlap)) for longer in (computes, ~computes)
        )
        parts = np.empty((networks, len(vector)))
        for first, bound_s, seen in (
            (0, compute_s, computing),
            (_COUNT, memory_s, moving),
            (WEIGHTS, weights_s, moving),
        ):
            cells = np.bincount(self._owner * _COUNT + self._classes, self._count * seen * bound_s, networks * _COUNT)
            parts[:, first : first + _COUNT] = cells.reshape(-1, _COUNT)
        parts[:, LAUNCH:CALL] = self._kernels * np.exp(vector[LAUNCH:CALL])
        parts[:, FLOOR] = np.add.reduceat(self._count * tiny, self._starts) * np.exp(vector[FLOOR])
        device_s, host_s = self._device_s(busy_s, vector), self._host_s(vector)
        waits = device_s < host_s  # the host is what takes longer, whatever the device does
        parts[waits] = 0.0
        parts[:, DISPATCH] = np.where(waits, host_s, 0.0)
        parts[:, CALL] = np.exp(vector[CALL])
        return np.maximum(device_s, host_s) + np.exp(vector[CALL]), parts

    def _at_shares(self, shares: Floats) -> tuple[Floats, Floats, Floats]:
        """Seconds of each kernel at the share of each roof that its class reaches."""
        compute, memory, weights = shares.reshape(3, _COUNT)[:, self._classes]
        return self._compute_s / compute, self._memory_s / memory, self._weights_s / weights

    def _busy_s(self, compute_s: Floats, bytes_s: Floats) -> Floats:
        """What each kernel takes to compute and to move."""
        return np.maximum(compute_s, bytes_s) + self._overlap * np.minimum(compute_s, bytes_s)

    def _device_s(self, busy_s: Floats, vector: Floats) -> Floats:
        """What the device takes for the kernels of each network."""
        sums = np.add.reduceat(self._count * np.maximum(busy_s, np.exp(vector[FLOOR])), self._starts)
        return np.asarray(sums + self._kernels @ np.exp(vector[LAUNCH:CALL]))

    def _host_s(self, vector: Floats) -> Floats:
        """What the host takes to launch them."""
        return np.asarray(self._launches * np.exp(vector[DISPATCH]))


def efficiency_of(vector: Floats) -> Efficiency:
    """The parameters as `oracle.roofline` takes them."""
    shares = [float(share) for share in _shares(vector)]
    return Efficiency(
        compute=Frozen(dict(zip(CLASSES, shares[:_COUNT], strict=True))),
        memory=Frozen(dict(zip(CLASSES, shares[_COUNT:WEIGHTS], strict=True))),
        call_s=float(np.exp(vector[CALL])),
        floor_s=float(np.exp(vector[FLOOR])),
        dispatch_s=float(np.exp(vector[DISPATCH])),
        weights=Frozen(dict(zip(CLASSES, shares[WEIGHTS:], strict=True))),
        launches=Frozen(dict(zip(CLASSES, np.exp(vector[LAUNCH:CALL]).tolist(), strict=True))),
    )


def refitted(before: Efficiency, vector: Floats) -> Efficiency:
    """The parameters with what a library does alike whatever it reaches: how it cuts products, what it saves and hides.

    Attention over a cache, whose shares are its own, reaches so much more or less as other attention does.
    """
    found = efficiency_of(vector)
    kept = replace(found, savings=before.savings, overlap=before.overlap, **_cuts(before))
    if before.cached_attention is None:
        return kept
    more = [
        _share(own, "attention") / _share(old, "attention")
        for own, old in ((found.compute, before.compute), (found.memory, before.memory))
    ]

    def scaled(shares: tuple[float, float]) -> tuple[float, float]:
        return min(1.0, shares[0] * more[0]), min(1.0, shares[1] * more[1])

    cached = before.cached_attention
    cached = replace(cached, prefill_shares=scaled(cached.prefill_shares), decode_shares=scaled(cached.decode_shares))
    return replace(kept, cached_attention=cached)


def _cuts(efficiency: Efficiency) -> dict[str, Any]:
    """How products are cut, where they find their operands, and whether weights are laid out anew."""
    names = "tiling", "attention_tiling", "cached_attention", "cache", "packing"
    return {name: getattr(efficiency, name) for name in names}


def vector_of(efficiency: Efficiency) -> Floats:
    """The inverse of `efficiency_of`; shares of 1 and constants of 0 become the nearest finite numbers."""
    shares = [_share(mapping, name) for mapping in (efficiency.compute, efficiency.memory) for name in CLASSES]
    shares += [efficiency.weights.get(name, _share(efficiency.memory, name)) for name in CLASSES]
    times = *efficiency.launch_of(CLASSES), efficiency.call_s, efficiency.floor_s, efficiency.dispatch_s
    constants = np.maximum(times, 1e-12)
    clipped = np.clip(shares, 1 / (1 + np.exp(_LIMIT)), 1 / (1 + np.exp(-_LIMIT)))
    return np.concatenate([np.log(clipped / (1 - clipped)), np.log(constants)])


def _share(mapping: Mapping[str, float], name: str) -> float:
    return mapping.get(name, 1.0)


def _shares(vector: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(vector[:LAUNCH], -_LIMIT, _LIMIT)))
