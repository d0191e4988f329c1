"""numpy's matrix products on one thread, for as long as a choice takes.

A choice multiplies matrices of a few hundred rows. More threads gain little there and wait for each other by spinning:
where several workers share the cores, a choice took 20 times the processor time (docs/howto/pool-sampler.md).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib import import_module

_PREFIXES = (("scipy_", "64_"), ("", "64_"), ("", ""))  # of OpenBLAS in numpy's wheels, and in distributions


def one_thread() -> AbstractContextManager[None]:
    """Keep OpenBLAS to one thread within a block, as long as any thread of the process is in one.

    The number is the process's: a product that another thread computes meanwhile has one thread, too. Where numpy uses
    another library, nothing is changed.
    """
    return _openblas() or nullcontext()


class _Limit(AbstractContextManager[None]):
    """How many threads OpenBLAS has: one while anybody is inside, else as many as before."""

    def __init__(self, count: Callable[[], int], change: Callable[[int], None]) -> None:
        self.count, self._change = count, change
        self._lock = threading.Lock()
        self._inside, self._before = 0, 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = self.count()
                self._change(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._change(self._before)


@lru_cache(maxsize=1)
def _openblas() -> _Limit | None:
    """That of numpy, found through the symbols of its own extension; None where it uses another library."""
    try:
        library = ctypes.CDLL(import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError):
        return None
    for first, last in _PREFIXES:
        try:
            count = getattr(library, f"{first}openblas_get_num_threads{last}")
            change = getattr(library, f"{first}openblas_set_num_threads{last}")
        except AttributeError:
            continue
        return _Limit(count, change)
    return None
