"""The real roofs of a device, by small benchmarks; each is the best of many short runs.

matrix     torch.mm of square matrices, per dtype, and on processors convolutions in float32
vector     pointwise operators on tensors that fit a cache, and depthwise convolutions
bandwidth  the triad a = b + s c of STREAM (McCalpin 1995), 12 byte per float32 element, on a ladder of sizes
launch     what an operator costs that has nothing to do, called through modules as a network calls it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from oracle.counting.flops import POINTWISE_FLOPS
from oracle.errors import WorkloadError
from oracle.measure.products import product_step
from oracle.measure.steps import tf32_allowed
from oracle.measure.stopwatch import Place

_CONVOLUTIONS = ((64, 56), (128, 28), (256, 14))  # channels and side of the images: those of a ResNet
_PRODUCTS = {"float8": "torch._scaled_mm", "int8": "an int8 product"}


class Roof(NamedTuple):
    """The best rate, in SI units per second, and by what it was reached."""

    rate: float
    by: str


class Cache(NamedTuple):
    """What a ladder of bandwidths shows: the cache's size and bandwidth, byte and byte/s."""

    size: float
    bandwidth: float


def matrix_roof(place: Place, dtype: str, sizes: tuple[int, ...], budget_s: float) -> Roof | None:
    """FLOP/s of matrix products; None where torch has none in this dtype here.

    A size is left out if the one before it shows that one product would take longer than its share of the
    budget.
    """
    roof: Roof | None = None
    for size in sizes:
        flops = 2 * size**3
        if roof is not None and flops / roof.rate > budget_s / len(sizes) / 3:
            break
        try:
            step = product_step(size, size, size, dtype, place.device)
        except WorkloadError:  # not implemented for this type
            return roof
        with tf32_allowed(dtype == "tf32"):
            seconds = min(place.samples(step, budget_s / len(sizes)))
        roof = _better(roof, Roof(flops / seconds, f"{_PRODUCTS.get(dtype, 'torch.mm')} {size}"))
    return roof


def convolution_roof(place: Place, budget_s: float) -> Roof:
    """float32 FLOP/s of a processor in 3 x 3 convolutions, which oneDNN keeps busier than matrix products do.

    Large products wait for operands to be packed, while a convolution's output fills registers from a cache: on Zen 4
    the best of these convolutions reaches 8 % more than the best product.
    """
    roofs = []
    for channels, side in _CONVOLUTIONS:
        image, weight = torch.rand(1, channels, side, side), torch.rand(channels, channels, 3, 3)
        for layout in (torch.contiguous_format, torch.channels_last):
            step = partial(
                F.conv2d, image.contiguous(memory_format=layout), weight.contiguous(memory_format=layout), padding=1
            )
            seconds = min(place.samples(step, budget_s / len(_CONVOLUTIONS) / 2))
            roofs.append(Roof(2 * image.numel() * channels * 9 / seconds, f"a convolution 3x3 of {channels} channels"))
    return max(roofs)


def vector_roof(place: Place, budget_s: float) -> Roof:
    """float32 FLOP/s of operators that do not use the matrix unit, counted by our own formulas."""
    steps = list(_vector_steps(place.device))
    roofs = [Roof(flops / min(place.samples(step, budget_s / len(steps))), name) for name, flops, step in steps]
    return max(roofs)


def _vector_steps(device: str) -> Iterator[tuple[str, float, Callable[[], Any]]]:
    elements = 1 << (16 if device == "cpu" else 22)
    x, y, z, out = (torch.rand(elements, device=device) for _ in range(4))
    pointwise: dict[str, Callable[[], Any]] = {
        "addcmul": partial(torch.addcmul, x, y, z, out=out),
        "tanh": partial(torch.tanh, x, out=out),
        "gelu": partial(F.gelu, x),
    }
    for name, step in pointwise.items():
        yield name, POINTWISE_FLOPS[name] * elements, step
    for kernel in (3, 7):
        image = torch.rand(1, 64, 28, 28, device=device).contiguous(memory_format=torch.channels_last)
        weight = torch.rand(64, 1, kernel, kernel, device=device).contiguous(memory_format=torch.channels_last)
        step = partial(F.conv2d, image, weight, padding=kernel // 2, groups=64)
        yield f"a depthwise convolution {kernel}x{kernel}", 2 * image.numel() * kernel**2, step


def triad_ladder(place: Place, smallest: int, largest: int, budget_s: float) -> list[tuple[int, float]]:
    """(bytes in three arrays, byte/s) from `smallest` bytes to `largest`, doubling."""
    steps = max(1, round(math.log2(largest / smallest)))
    found = []
    for exponent in range(steps + 1):
        elements = (smallest << exponent) // 12
        a, b, c = (torch.ones(elements, device=place.device) for _ in range(3))
        seconds = min(place.samples(partial(torch.add, b, c, alpha=3.0, out=a), budget_s / (steps + 1)))
        found.append((12 * elements, 12 * elements / seconds))
    return found


def split_ladder(ladder: list[tuple[int, float]], private: float, shared: float) -> tuple[float, Cache | None]:
    """Memory bandwidth and last-level cache, from a ladder of (bytes, byte/s), ascending.

    The memory's bandwidth is that of the largest size. The cache's is the best beyond the private caches; it
    reaches up to the last size that is nearer to it than to the memory's (by ratio): a virtual machine has a
    share of what the system reports, and neighbours in it.

    Args:
        ladder: as measured.
        private: bytes of all private caches together.
        shared: bytes of the last-level cache as the system reports it; 0 if it does not.
    """
    memory = ladder[-1][1]
    beyond = [(size, rate) for size, rate in ladder[:-1] if size > private and (not shared or size <= shared)]
    if not beyond:
        return memory, None
    bandwidth = max(rate for _, rate in beyond)
    if bandwidth < 1.25 * memory:
        return memory, None
    border = math.sqrt(bandwidth * memory)
    return memory, Cache(max(size for size, rate in beyond if rate >= border), bandwidth)


def launch_seconds(place: Place, budget_s: float) -> float:
    """Seconds per operator of a chain of modules on an image of one pixel."""
    block = [nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
    chain = nn.Sequential(*block * 8).eval().to(place.device)
    x = torch.rand(1, 8, 1, 1, device=place.device)

    def step() -> Any:
        with torch.inference_mode():
            return chain(x)

    return min(place.samples(step, budget_s)) / len(chain)


def _better(best: Roof | None, other: Roof) -> Roof:
    return other if best is None or other.rate > best.rate else best
