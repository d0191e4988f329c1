"""Seconds that NCCL's collectives take, by operation, message, number of GPUs and link.

Every rank sends and receives `factor * message` bytes, whatever the algorithm: 2 (n - 1) / n of an all-reduce's, which
is a reduce-scatter and an all-gather, and (n - 1) / n of the others' (NCCL tests, PERFORMANCE.md: "bus bandwidth").
Small messages go by a protocol that waits for nothing and wastes bandwidth on flags (LL), large ones by one that
shakes hands first (Simple), and NCCL takes whichever is faster:

    t = latency + hop * hops + min(bytes / (small_share * bandwidth), handshake + bytes / (large_share * bandwidth))

hops are 2 (n - 1) of an all-reduce's ring, n - 1 of the others'; one GPU sends all of its bytes to one other in a hop.
Latencies are cycles of the GPU, stated at 1.83 GHz.
GPUs without NVLink send through the host, where they share what it moves: their bandwidth falls as (2 / n)^contention.

Values are data, `configs/serving/nvlink.yaml` and `pcie.yaml`. Nobody measured collectives over a network of nodes for
us: across nodes the network's bandwidth takes the place of the link's, all of it reached, which is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.devices import Device
from oracle.errors import DeviceError, WorkloadError
from oracle.fitted import Origin, numbers_in, read_serving, shared_keys
from oracle.tiling import CLOCK_HZ

Array = NDArray[Any]

OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send")


@dataclass(frozen=True, slots=True)
class Link:
    """What a collective over a kind of link takes; see the module.

    Attributes:
        latency_s, hop_s, direct_hop_s: at the clock `CLOCK_HZ`; the last per peer of an all-to-all.
        handshake_s: that large messages wait for.
        small_share, large_share: of the link's bandwidth that each protocol reaches.
        contention: exponent of 2 / n.
    """

    latency_s: float
    hop_s: float
    direct_hop_s: float
    handshake_s: float
    small_share: float
    large_share: float
    contention: float = 0.0

    def seconds(
        self, operation: str, message_bytes: Any, ranks: Any, bandwidth: Any, clock_hz: Any = CLOCK_HZ
    ) -> Array:
        """Seconds of a collective; arguments broadcast.

        Args:
            operation: one of `OPERATIONS`.
            message_bytes: of what each rank has before an all-reduce, a reduce-scatter and an all-to-all, and of what
                it has after an all-gather; of what one sends.
            ranks: GPUs, two of a send; one has nothing to do.
            bandwidth: byte/s of a GPU in one direction.
            clock_hz: of the GPUs.
        """
        if operation not in OPERATIONS:
            raise WorkloadError(f"collective={operation!r}: expected one of {', '.join(OPERATIONS)}")
        ranks = np.asarray(ranks, dtype=np.float64)
        peers, twice = ranks - 1.0, 2.0 if operation == "all_reduce" else 1.0
        sent = np.asarray(message_bytes, dtype=np.float64) * (1.0 if operation == "send" else twice * peers / ranks)
        hop_s = self.direct_hop_s if operation == "all_to_all" else self.hop_s * twice
        reached = bandwidth * (2.0 / np.maximum(ranks, 2.0)) ** self.contention
        slower = CLOCK_HZ / np.asarray(clock_hz, dtype=np.float64)
        large_s = self.handshake_s * slower + sent / (self.large_share * reached)
        moving_s = np.minimum(sent / (self.small_share * reached), large_s)
        return np.where(ranks > 1.0, (self.latency_s + hop_s * peers) * slower + moving_s, 0.0)


_KEYS = {
    "LATENCY_US": ("latency_s", 1e-6),
    "HOP_US": ("hop_s", 1e-6),
    "DIRECT_HOP_US": ("direct_hop_s", 1e-6),
    "HANDSHAKE_US": ("handshake_s", 1e-6),
    "SMALL_SHARE": ("small_share", 1.0),
    "LARGE_SHARE": ("large_share", 1.0),
    "CONTENTION": ("contention", 1.0),
}


@lru_cache(maxsize=8)
def link_values(kind: str) -> tuple[Link, Origin]:
    """What was fitted of a kind of link, nvlink or pcie, and on what."""
    content, place = read_serving(kind)
    origin = shared_keys(content, place, tuple(_KEYS))
    return Link(**numbers_in(content, place, _KEYS, ("SMALL_SHARE", "LARGE_SHARE"))), origin


def link_between(device: Device, ranks: int) -> tuple[Link, float]:
    """How this many GPUs reach one another, and byte/s of one in one direction.

    Raises:
        DeviceError: the device states no link that joins so many.
    """
    links = device.links
    if links.nvlink is not None and links.nvlink_gpus is not None:
        nvlink, _ = link_values("nvlink")
        if ranks <= links.nvlink_gpus.value:
            return nvlink, links.nvlink.value
        if links.network is not None:
            across = {field.name: getattr(nvlink, field.name) for field in fields(nvlink)}
            return Link(**{**across, "small_share": 1.0, "large_share": 1.0}), links.network.value
        limit = int(links.nvlink_gpus.value)
        raise DeviceError(
            f"device={device.name!r}: {ranks} GPUs are more than NVLink joins ({limit}), and it states no"
            " LINK.NETWORK_GBPS"
        )
    if links.pcie is None:
        raise DeviceError(
            f"device={device.name!r} states no link to others of its kind; add LINK to a device file of your own"
        )
    return link_values("pcie")[0], links.pcie.value


PERFECT = Link(0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
"""All of a link's bandwidth reached, and no latency: a lower bound."""


def split_s(
    operation: str, message_bytes: Any, ranks: int, device: Device, gpus: int, *, bound: bool = False
) -> tuple[Array, Array]:
    """Seconds of a collective as a kernel: of its latency, which is as a launch, and of moving its bytes.

    Args:
        operation, message_bytes, ranks: as in `Link.seconds`.
        device: the kind of GPU.
        gpus: all that share a network: where NVLink does not join so many, every collective goes by the network.
        bound: for a lower bound, as in the textbook's roofline.

    Raises:
        DeviceError: the device states no link.
    """
    link, bandwidth = link_between(device, gpus)
    link = PERFECT if bound else link
    clock_hz = device.clock.value if device.clock else CLOCK_HZ
    latency_s = link.seconds(operation, 0.0, ranks, bandwidth, clock_hz)
    return latency_s, link.seconds(operation, message_bytes, ranks, bandwidth, clock_hz) - latency_s


def collective_s(operation: str, message_bytes: Any, ranks: int, device: Device) -> Array:
    """Seconds of a collective among GPUs of a kind.

    Args:
        operation: all_reduce, all_gather, reduce_scatter or all_to_all.
        message_bytes: bytes of the whole message: what every GPU holds before an all-reduce, a reduce-scatter or an
            all-to-all, and after an all-gather; a number or an array.
        ranks: number of GPUs.
        device: their kind.

    Returns:
        Seconds, in the shape of `message_bytes`.

    Raises:
        DeviceError: the device states no link.
        WorkloadError: no such operation.

    Examples:
        >>> import oracle
        >>> h100 = oracle.load_device("h100-sxm")
        >>> eight, two = (float(oracle.collective_s("all_reduce", 2**27, ranks, h100)) for ranks in (8, 2))
        >>> 0 < two < eight < 1e-3
        True
    """
    if ranks == 1:
        return np.zeros_like(np.asarray(message_bytes, dtype=np.float64))
    link, bandwidth = link_between(device, ranks)
    return link.seconds(operation, message_bytes, ranks, bandwidth, device.clock.value if device.clock else CLOCK_HZ)
