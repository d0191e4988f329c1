"""The time of a thread, which other processes disturb least."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["best"]


def best(work: Callable[[], object], repeat: int = 5) -> float:
    """Seconds of this thread, the best of some runs."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)
