"""Tracing as if nobody had changed torch's state around us."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import _pop_mode_temporarily
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["isolated", "undisturbed"]

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def isolated() -> Iterator[None]:
    """Outside of inference mode, and with the caller's function and dispatch modes off until it ends."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(_disable_current_modes())
        for _ in range(torch._C._len_torch_function_stack()):
            stack.enter_context(_pop_mode_temporarily())
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """What Ctrl-C and SIGTERM do, they do at the end: an exception inside torch's dispatch aborts the process.

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
