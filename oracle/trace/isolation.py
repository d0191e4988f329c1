"""Tracing as if nobody had changed torch's state around us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.overrides import _pop_mode_temporarily
from torch.utils._python_dispatch import _disable_current_modes

from oracle._interrupts import undisturbed

__all__ = ["isolated", "undisturbed"]


@contextmanager
def isolated() -> Iterator[None]:
    """Outside of inference mode, and with the caller's function and dispatch modes off until it ends."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(_disable_current_modes())
        for _ in range(torch._C._len_torch_function_stack()):
            stack.enter_context(_pop_mode_temporarily())
        yield
