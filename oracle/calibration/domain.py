"""What a calibration was fitted to, and what becomes of its word elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from oracle._frozen import Frozen
from oracle.calibration.model import efficiency_of, vector_of
from oracle.roofline import Efficiency

_HALF = 3.0  # octaves above what was measured at which half of a calibration's word on shares is left
_FASTEST = 0.5  # octaves per octave: no share grows by more, so that a call takes the longer, the more it has to do
_WIDER_PER_OCTAVE = 0.08  # of the logarithm of each end of the interval


class Domain(NamedTuple):
    """Ranges of what was measured; None where nothing limits them.

    Attributes:
        batch_size: images per call.
        image_size: height of a square image, in pixels.
        pixels: of all images of a call.
        threads: of a processor.
    """

    batch_size: tuple[int, int] | None = None
    image_size: tuple[int, int] | None = None
    pixels: tuple[int, int] | None = None
    threads: tuple[int, int] | None = None

    @classmethod
    def of(cls, batch_sizes: Iterable[int], image_sizes: Iterable[int]) -> Domain:
        """The smallest that holds some measurements, of which each has a batch size and an image size."""
        batches, images = list(batch_sizes), list(image_sizes)
        pixels = [batch * side**2 for batch, side in zip(batches, images, strict=True)]
        return cls(*((min(each), max(each)) if each else None for each in (batches, images, pixels)))

    @property
    def ranges(self) -> Mapping[str, tuple[int, int]]:
        """Those that there are, by name."""
        return {name: ends for name, ends in self._asdict().items() if ends is not None}

    def octaves(self, batch_size: int, image_size: float | None) -> float:
        """How far outside a call is: powers of two by which its pixels are more, or (negative) fewer, than measured.

        What a kernel reaches depends on how much it has to do, so that a batch of 64 small images may stand for one
        large image.
        """
        if self.pixels is None or image_size is None:
            return 0.0
        pixels = batch_size * image_size**2
        return max(0.0, math.log2(pixels / self.pixels[1])) - max(0.0, math.log2(self.pixels[0] / pixels))

    def has_threads(self, threads: int) -> bool:
        """Whether so many threads were measured; 0, of a device that has none, always were."""
        return self.nearest_threads(threads) == threads

    def nearest_threads(self, threads: int) -> int:
        """Of the numbers of threads that were measured the one nearest to this."""
        return threads if not threads or self.threads is None else min(max(threads, self.threads[0]), self.threads[1])

    def describe(self, batch_size: int, image_size: float | None, threads: int = 0) -> str:
        """In words, what of a call was not measured: `fitted to 32x32 images, this is 224x224`; "" within."""
        parts = []
        if self.image_size and image_size and not self.image_size[0] <= image_size <= self.image_size[1]:
            low, high = (f"{side}x{side}" for side in self.image_size)
            measured, own = low if low == high else f"{low} to {high}", f"{image_size:.0f}x{image_size:.0f}"
            parts.append(f"{measured} images, this is {own}")
        if self.batch_size and not self.batch_size[0] <= batch_size <= self.batch_size[1]:
            first, last = self.batch_size
            parts.append(f"batches of {first if first == last else f'{first} to {last}'}, this is {batch_size}")
        if self.pixels and not parts and self.octaves(batch_size, image_size):
            least, most = (pixels / 1e6 for pixels in self.pixels)
            requested = batch_size * (image_size or 0.0) ** 2 / 1e6
            parts.append(f"{least:.3g} to {most:.3g} million pixels a call, this is {requested:.3g}")
        if self.threads and not self.has_threads(threads):
            first, last = self.threads
            parts.append(f"{first if first == last else f'{first} to {last}'} threads, this is {threads}")
        return f"fitted to {'; '.join(parts)}" if parts else ""


ANYWHERE = Domain()
"""What sets no limits."""


def beyond(own: Efficiency, general: Efficiency, octaves: float) -> Efficiency:
    """What a device reaches so far outside a calibration's domain.

    Above it, shares of peak and bandwidth move towards general knowledge (averages of logits, of which the calibration
    has half after three octaves), for small calls tell little of roofs. They grow by half an octave per octave at most:
    the time of a kernel, which goes with its work over its share, never falls as the work grows. Launches, the floor
    and weights are what small calls tell best, and stay. Below the domain everything stays: roofs that large calls
    reach, small ones do not see.

    Args:
        own: of the calibration.
        general: of anybody.
        octaves: see `Domain.octaves`.
    """
    if octaves <= 0.0:
        return own
    weight, most = _HALF / (_HALF + octaves), 2.0 ** (_FASTEST * octaves)
    mixed = efficiency_of(weight * vector_of(own) + (1.0 - weight) * vector_of(general))

    def limited(shares: Mapping[str, float], before: Mapping[str, float]) -> Mapping[str, float]:
        return Frozen({name: min(share, before.get(name, 1.0) * most) for name, share in shares.items()})

    return replace(
        own,
        compute=limited(mixed.compute, own.compute),
        memory=limited(mixed.memory, own.memory),
        weights=efficiency_of(vector_of(own)).weights,  # of every class: where `memory` moves, they do not
    )


def widened(interval: tuple[float, float] | None, octaves: float) -> tuple[float, float] | None:
    """An interval of measured over predicted, so far outside the domain."""
    if interval is None or not octaves:
        return interval
    factor = float(np.exp(_WIDER_PER_OCTAVE * abs(octaves)))
    return min(interval[0], 1.0) / factor, max(interval[1], 1.0) * factor
