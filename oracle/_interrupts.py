"""Moments in which nobody may interrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What Ctrl-C and SIGTERM do, they do at the end.

    For moments only. Threads but the main one have no handlers, and are not disturbed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: dict[int, None] = {}

    def catch(number: int, _: Any) -> None:
        caught[number] = None

    before = {number: handler for number in _ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, catch)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in caught:
            signal.raise_signal(late)
