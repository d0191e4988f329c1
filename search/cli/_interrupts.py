"""Commands that can be interrupted, and say how to go on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end in one line that says how to go on, after everything that is open was closed.

    Args:
        command: that goes on with what is finished.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after SIGTERM, with the exit code that shells give to who ended by it.
    """
    try:
        with _orderly():
            yield
    except KeyboardInterrupt as interrupt:
        if sys.stderr is not None:
            sys.stderr.write(f"oracle-search: interrupted; what is finished is kept; go on with: {command}\n")
            sys.stderr.flush()
        if isinstance(interrupt, _Terminated):
            raise SystemExit(_TERMINATED) from None
        raise


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which unasked would end a process without closing anything; whoever cleans up after Ctrl-C does so."""


@contextmanager
def _orderly() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: Any) -> NoReturn:
    raise _Terminated
