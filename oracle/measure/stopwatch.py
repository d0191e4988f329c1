"""Timing real calls: where, with how many threads, by which clock, with what in the last-level cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from oracle.errors import OracleError, WorkloadError
from oracle.measure.host import affinity, cpu_name
from oracle.measure.timers import EventTimer, HostTimer, Timer, sweeper

CLOCKS = ("wall", "cpu", "events")
CACHES = ("warm", "cold")


@dataclass(frozen=True, slots=True)
class Place:
    """Where code runs and how it is timed.

    Attributes:
        device: cpu, cuda, cuda:1, mps.
        threads: CPU threads.
        clock: wall; cpu, the time this process really ran: for one thread on a busy host; or events, of a CUDA stream.
        cache: warm, calls one after the other, each finding in the last-level cache what the one before left there; or
            cold, every call timed alone after one that swept the cache.
    """

    device: str
    threads: int
    clock: str
    cache: str = "warm"

    @classmethod
    def of(
        cls, device: str = "cpu", threads: int | None = None, clock: str | None = None, cache: str = "warm"
    ) -> Place:
        """Check and complete.

        Args:
            device: one of `places()`.
            threads: torch's own choice, but no more than the CPUs we may use, if None.
            clock: one of `CLOCKS`; events on CUDA and wall elsewhere if None.
            cache: one of `CACHES`.

        Raises:
            OracleError: a device that is not there, a number of threads, a clock or a cache that makes no sense.
        """
        if device.partition(":")[0] not in {name.partition(":")[0] for name in places()}:
            raise OracleError(f"device={device!r} is not on this host; there are {', '.join(places())}")
        if threads is None:
            threads = min(torch.get_num_threads(), len(affinity()))
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
            raise WorkloadError(f"threads={threads!r}: expected an integer from 1 to 1024")
        if clock is None:
            clock = "events" if device.startswith("cuda") else "wall"
        if clock not in CLOCKS:
            raise WorkloadError(f"clock={clock!r}: expected one of {', '.join(CLOCKS)}")
        if cache not in CACHES:
            raise WorkloadError(f"cache={cache!r}: expected one of {', '.join(CACHES)}")
        if clock == "events" and not device.startswith("cuda"):
            raise WorkloadError(f"clock='events' needs a CUDA device, got {device!r}")
        if clock == "cpu" and (threads != 1 or device != "cpu"):
            raise WorkloadError(f"clock='cpu' needs device='cpu' and threads=1, got {device!r} and {threads}")
        return cls(device, threads, clock, cache)

    @property
    def title(self) -> str:
        """The name of what computes."""
        return torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else _title(self.device)

    @property
    def cores(self) -> int:
        """Threads that compute, which are part of the workload: none of ours where another device does."""
        return self.threads if self.device == "cpu" else 0

    @property
    def timer(self) -> Timer:
        """What times calls here."""
        if self.clock == "events":
            return EventTimer()
        if self.clock == "cpu":
            return HostTimer(self.threads, time.process_time)
        return HostTimer(self.threads, _mps_timer) if self.device == "mps" else HostTimer(self.threads)

    @contextmanager
    def threaded(self) -> Iterator[None]:
        """Set torch's thread count, and the current CUDA device, for a while."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.cuda.device(self.device) if self.device.startswith("cuda") else nullcontext():
                yield
        finally:
            torch.set_num_threads(before)

    def seconds(self, step: Callable[[], Any], number: int = 1) -> float:
        """Seconds per call of `step`, over a number of calls; waits for what runs asynchronously."""
        if self.cache == "cold":
            return self.timer.alone(step, sweeper(self.device), number)
        return self.timer.block(step, number)

    def samples(self, step: Callable[[], Any], budget_s: float, block_s: float = 0.002) -> list[float]:
        """Seconds per call of short blocks of calls, until the budget (of wall time) is used; at least three.

        Blocks shorter than a time slice let the best of them show what an undisturbed call takes.
        """
        number = max(1, round(block_s / max(self.seconds(step), 1e-9)))
        found: list[float] = []
        end = time.perf_counter() + budget_s
        while len(found) < 3 or time.perf_counter() < end:
            found.append(self.seconds(step, number))
        return found


def places() -> tuple[str, ...]:
    """The devices torch can use on this host: cpu, and cuda:N and mps where present."""
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return tuple(found)


def _title(device: str) -> str:
    return f"GPU of {cpu_name()}" if device == "mps" else cpu_name()


def _mps_timer() -> float:
    torch.mps.synchronize()
    return time.perf_counter()
