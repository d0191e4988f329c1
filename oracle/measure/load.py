"""What else ran on the processors that we measure on: other work that threads of ours had to wait for.

Linux counts, CPU by CPU, the time that was not idle, of all processes and of other guests of a hypervisor (`steal`; see
proc_stat(5)). What of it this process did not use is others'. As long as others use no more than the CPUs that our
threads leave, everybody has one; what they use more, threads of ours wait for, and all of them wait where one does.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oracle.measure.host import affinity

if TYPE_CHECKING:
    from oracle.measure.stopwatch import Place

_STAT = Path("/proc/stat")
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # guests are part of user and nice
_IDLE = ("idle", "iowait")
_LEAST_S = 0.1  # of what is read: it counts in ticks of 10 ms
_TOLERATED = 0.1  # of what our threads compute on: daemons, and interrupts


class Reading(NamedTuple):
    """Seconds since some time: by a clock on the wall, of the CPUs that we may use, and of this process."""

    wall_s: float
    busy_s: float
    own_s: float


def reading() -> Reading | None:
    """The present one; None where the system does not say."""
    try:
        text, tick_s = _STAT.read_text(encoding="ascii"), 1.0 / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    return Reading(time.monotonic(), busy_s(text, affinity(), tick_s), time.process_time())


def busy_s(stat: str, cpus: Collection[int], tick_s: float) -> float:
    r"""Seconds for which some CPUs were not idle, as `/proc/stat` has it.

    Example:
        >>> busy_s("cpu  9 9 9 9 9\ncpu0 70 0 20 900 5 1 2 7 60 0\ncpu1 50 0 0 9 0 0 0 0 0 0\n", {0}, 0.01)
        1.0
    """
    names, ticks = {f"cpu{index}" for index in cpus}, 0
    for line in stat.splitlines():
        name, *counts = line.split()[: len(_FIELDS) + 1] or [""]
        if name in names:
            ticks += sum(int(count) for field, count in zip(_FIELDS, counts, strict=False) if field not in _IDLE)
    return ticks * tick_s


def crowding(before: Reading, after: Reading, threads: int, cpus: int) -> str:
    """What to say if others used CPUs that threads of ours needed between two readings; "" if not.

    Args:
        before, after: readings.
        threads: that measure.
        cpus: that we may use.

    Example:
        >>> crowding(Reading(0, 0, 0), Reading(10, 20, 8), threads=2, cpus=2)
        'other work used 1.2 of 2 CPUs, on which 2 threads measure'
    """
    wall_s, busy, own_s = (end - start for start, end in zip(before, after, strict=True))
    if wall_s < _LEAST_S:
        return ""
    others, free = (busy - own_s) / wall_s, max(cpus - threads, 0)
    if others - free <= _TOLERATED * min(threads, cpus):
        return ""
    measured = "1 thread measures" if threads == 1 else f"{threads} threads measure"
    return f"other work used {others:.1f} of {cpus} CPU{'s' * (cpus > 1)}, on which {measured}"


@contextmanager
def warned(place: Place) -> Iterator[None]:
    """Say, as a warning of the logger `oracle`, if what is timed meanwhile had to wait for other work.

    The clock `cpu` leaves out such waiting. Where a GPU computes, one thread launches what it computes.
    """
    before = None if place.clock == "cpu" else reading()
    yield
    after = None if before is None else reading()
    if before is None or after is None:
        return
    message = crowding(before, after, place.cores or 1, len(affinity()))
    if message:
        way = "measure on an idle machine" + ", or with --threads 1 --clock cpu" * (place.device == "cpu")
        logging.getLogger(__name__).warning("%s: times are too long, however little they vary; %s", message, way)
