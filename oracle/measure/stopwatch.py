"""Timing on top of torch.utils.benchmark: where, with how many threads, by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import torch
from torch.utils.benchmark import Timer

from oracle.errors import OracleError, WorkloadError
from oracle.measure.host import affinity, cpu_name

__all__ = ["Place", "places", "today"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where code runs and how it is timed.

    Attributes:
        device: cpu, cuda, cuda:1, mps.
        threads: CPU threads.
        clock: wall; or cpu, the time this process really ran: for one thread on a busy host.
    """

    device: str
    threads: int
    clock: str

    @classmethod
    def of(cls, device: str = "cpu", threads: int | None = None, clock: str = "wall") -> Place:
        """Check and complete.

        Args:
            device: one of `places()`.
            threads: torch's own choice, but no more than the CPUs we may use, if None.
            clock: wall or cpu.

        Raises:
            OracleError: a device that is not there, a number of threads or a clock that makes no sense.
        """
        if device.partition(":")[0] not in {name.partition(":")[0] for name in places()}:
            raise OracleError(f"device={device!r} is not on this host; there are {', '.join(places())}")
        if threads is None:
            threads = min(torch.get_num_threads(), len(affinity()))
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
            raise WorkloadError(f"threads={threads!r}: expected an integer from 1 to 1024")
        if clock not in ("wall", "cpu"):
            raise WorkloadError(f"clock={clock!r}: expected wall or cpu")
        if clock == "cpu" and (threads != 1 or device != "cpu"):
            raise WorkloadError(f"clock='cpu' needs device='cpu' and threads=1, got {device!r} and {threads}")
        return cls(device, threads, clock)

    @property
    def title(self) -> str:
        """The name of what computes."""
        return torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else _title(self.device)

    @contextmanager
    def threaded(self) -> Iterator[None]:
        """Set torch's thread count for a while."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def seconds(self, step: Callable[[], Any], number: int = 1) -> float:
        """Seconds per call of `step`, over a number of calls; waits for what runs asynchronously."""
        extra: dict[str, Any] = {"timer": time.process_time} if self.clock == "cpu" else {}
        if self.device == "mps":
            extra["timer"] = _mps_timer
        timer = Timer("step()", globals={"step": step}, num_threads=self.threads, **extra)
        return float(timer.timeit(number).median)

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


def today() -> str:
    """The date, ISO."""
    return datetime.now(timezone.utc).date().isoformat()


def _title(device: str) -> str:
    return f"GPU of {cpu_name()}" if device == "mps" else cpu_name()


def _mps_timer() -> float:
    torch.mps.synchronize()
    return time.perf_counter()
