"""The tensor arena of TensorFlow Lite for Microcontrollers: one block of SRAM where a planner gives tensors offsets.

TFLM's GreedyMemoryPlanner places the largest tensor first, and each next one at the lowest offset where it overlaps
none that lives at the same time; of equal ones the later made comes first. Sizes are multiples of 16 bytes. It needs
at least what is alive at once, and more where gaps remain between tensors. Inputs live from the start, outputs to the
end.

Not in it is what TFLM keeps at the other end of the arena: a record per tensor and per operator, and what kernels
prepare, such as a multiplier and a shift per output channel (7 to 292 kB for networks of 10 to 240 operators on a
64-bit host, whose pointers are twice those of a microcontroller); and scratch that optimised kernels (CMSIS-NN) ask
for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ALIGNMENT = 16
"""Bytes that sizes are multiples of (MicroArenaBufferAlignment)."""


class Lifetime(NamedTuple):
    """A tensor: its size in bytes, and the first and the last step at which it is alive."""

    size: int
    first: int
    last: int


def greedy_arena(tensors: Iterable[Lifetime]) -> int:
    """Bytes of the arena that the greedy planner needs; 0 without tensors."""
    waiting = [tensor._replace(size=_aligned(tensor.size)) for tensor in tensors]
    order = sorted(range(len(waiting)), key=lambda index: (-waiting[index].size, -waiting[index].first, -index))
    placed: list[tuple[int, Lifetime]] = []
    top = 0
    for tensor in (waiting[index] for index in order):
        offset = 0
        for taken, other in sorted(item for item in placed if _meet(item[1], tensor)):
            if taken - offset >= tensor.size:
                break
            offset = max(offset, taken + other.size)
        placed.append((offset, tensor))
        top = max(top, offset + tensor.size)
    return top


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _meet(one: Lifetime, other: Lifetime) -> bool:
    return one.first <= other.last and other.first <= one.last
