"""Who evaluates what, and is he still alive?

A worker on this machine is looked up in the kernel: it is dead as soon as no process has its number and start
time. One on another machine shows a sign of life every so often; it counts as dead once its sign has not
changed for several intervals of our own clock, so that clocks need not agree.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from optuna import Study

WorkerId = str
SIGN = "alive:"
_INTERVAL_S = 30.0
_MISSED = 4


def this_worker() -> WorkerId:
    """`host:namespace:pid:start`; a process that inherits the number of a dead one has another start."""
    return f"{platform.node() or 'host'}:{_namespace()}:{os.getpid()}:{_start(os.getpid())}"


def _namespace() -> str:
    """The same for processes that can see each other: of one boot and one table of processes; "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        table = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return blake2b(f"{boot}{table}".encode(), digest_size=6).hexdigest()


def _start(pid: int) -> str:
    """When a process began, in clock ticks since boot; "" where there is none, or it is only waiting to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()  # a name may hold spaces and brackets
    return "" if state in "ZX" else rest[18]


def is_alive(worker: WorkerId) -> bool | None:
    """Whether a worker's process runs; None where that is not known here."""
    try:
        _, namespace, pid, start = worker.rsplit(":", 3)
        number = int(pid)
    except ValueError:
        return None
    return _start(number) == start if start and namespace and namespace == _namespace() else None


def others(study: Study) -> list[WorkerId]:
    """The workers that have ever shown a sign of life to a study, but for us."""
    names = (name.removeprefix(SIGN) for name in study.user_attrs if name.startswith(SIGN))
    return [name for name in names if name != this_worker()]


class Watch:
    """Signs of life: ours go to the study from a thread, those of others are watched.

    Use as a context manager around the work.
    """

    def __init__(
        self, study: Study, interval_s: float = _INTERVAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.worker = this_worker()
        self._study, self._interval, self._clock = study, interval_s, clock
        self._seen: dict[WorkerId, tuple[Any, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Watch:  # noqa: PYI034 - Self is Python 3.11's
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        beat = 0
        while not self._stop.wait(self._interval if beat else 0):
            beat += 1
            try:
                self._study.set_user_attr(f"{SIGN}{self.worker}", beat)
            except Exception:  # noqa: BLE001, S112 - the storage is away for a moment; the next beat may reach it
                continue

    def is_dead(self, worker: WorkerId) -> bool:
        """Whether a worker is known to be dead."""
        alive = is_alive(worker)
        if alive is not None:
            return not alive
        sign = self._study.user_attrs.get(f"{SIGN}{worker}")
        last, since = self._seen.get(worker, (object(), 0.0))
        now = self._clock()
        if sign != last:
            self._seen[worker] = (sign, now)
            return False
        return now - since > _MISSED * self._interval
