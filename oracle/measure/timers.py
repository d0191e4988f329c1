"""How long calls take: by a clock of the host, or by events on a CUDA stream."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

import torch
from torch.utils import benchmark

Step = Callable[[], Any]

_UNKNOWN_CACHE = 64 * 2**20  # bytes, where neither the system nor torch states the last level's


class Timer(Protocol):
    """Times calls; both ways wait until what runs asynchronously has ended."""

    def block(self, step: Step, number: int) -> float:
        """Seconds per call of a number of calls one after the other."""

    def alone(self, step: Step, before: Step, number: int) -> float:
        """Seconds per call, median of a number of calls that each follow an untimed call of `before`."""


class HostTimer:
    """By a clock of the host.

    Args:
        threads: CPU threads.
        now: seconds, once all that was started has ended; torch's own waits for CUDA.
    """

    def __init__(self, threads: int, now: Callable[[], float] = benchmark.timer) -> None:
        self._threads, self._now = threads, now

    def block(self, step: Step, number: int) -> float:
        """See `Timer`."""
        timer = benchmark.Timer("step()", globals={"step": step}, num_threads=self._threads, timer=self._now)
        return float(timer.timeit(number).median)

    def alone(self, step: Step, before: Step, number: int) -> float:
        """See `Timer`."""
        found = []
        for _ in range(number):
            before()
            start = self._now()
            step()
            found.append(self._now() - start)
        return median(found)


class EventTimer:
    """By events on the current CUDA stream: from when the GPU reaches the first to when it reaches the second.

    What the host needs to launch a call counts where the GPU waits for it, as it does in eager mode at small batches.

    Args:
        cuda: `torch.cuda`, or what stands for it in a test.
    """

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda

    def block(self, step: Step, number: int) -> float:
        """See `Timer`."""

        def calls() -> None:
            for _ in range(number):
                step()

        return self._milliseconds([self._between(calls)])[0] * 1e-3 / number

    def alone(self, step: Step, before: Step, number: int) -> float:
        """See `Timer`."""
        pairs = []
        for _ in range(number):
            before()
            pairs.append(self._between(step))
        return median(self._milliseconds(pairs)) * 1e-3

    def _between(self, step: Step) -> tuple[Any, Any]:
        start, end = (self._cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        return start, end

    def _milliseconds(self, pairs: list[tuple[Any, Any]]) -> list[float]:
        self._cuda.synchronize()
        return [float(start.elapsed_time(end)) for start, end in pairs]


def last_level_bytes(device: str) -> int:
    """Bytes of the last-level cache of a device as torch or the system states it; 0 where neither does."""
    if device == "cpu":
        from oracle.measure.host import caches

        return caches().last
    if not device.startswith("cuda"):
        return 0
    return int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0))


def sweeper(device: str) -> Step:
    """A call that leaves nothing of ours in the last-level cache: it writes a buffer of twice its size."""
    buffer = torch.empty(2 * (last_level_bytes(device) or _UNKNOWN_CACHE), dtype=torch.int8, device=device)
    return buffer.zero_
