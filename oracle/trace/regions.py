"""`torch.autocast` regions inside a forward pass, honoured while it is traced on meta.

torch's autocast knows real devices only: a region for a tensor's own device fails on meta, and one for CUDA turns
itself off on a machine without it. So a region that is entered under a trace is noted here instead, whatever device
it names. Other threads, and this one outside of a trace, keep torch's own regions; the last trace to end puts them
back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, NamedTuple

import torch

__all__ = ["region_dtype", "regions"]


class Region(NamedTuple):
    """What autocast does in a region: whether it is on, in which dtype (None: as outside), and the device it names."""

    enabled: bool
    dtype: torch.dtype | None
    device: str


_OPEN: ContextVar[tuple[Region | None, ...] | None] = ContextVar("autocast regions of the running trace", default=None)
_OUTSIDE: ContextVar[str | None] = ContextVar("autocast dtype outside of regions", default=None)
_LOCK = Lock()
_USERS: list[object] = []
_OWN: dict[str, Callable[..., Any]] = {}


def region_dtype(outside: str | None) -> str | None:
    """What autocast casts to where the traced code is; None where it is off.

    Args:
        outside: the same outside of all regions.
    """
    opened = _OPEN.get()
    return _dtype_in(opened[-1] if opened else None, outside)


def _dtype_in(inner: Region | None, outside: str | None) -> str | None:
    if inner is None:
        return outside
    if not inner.enabled:
        return None
    if inner.dtype is not None:
        return str(inner.dtype).removeprefix("torch.")
    return outside or ("bfloat16" if inner.device == "cpu" else "float16")  # torch's defaults


@contextmanager
def regions(outside: str | None) -> Iterator[None]:
    """Note the regions that are entered in this thread, from none.

    Meanwhile torch's state for CUDA says what applies, for modules ask it (RNNs do, before they take inputs of
    another type than their weights); tensors on meta do not care.
    """
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    _install()
    token = _OPEN.set(())
    outside_token = _OUTSIDE.set(outside)
    _say()
    try:
        yield
    finally:
        _OUTSIDE.reset(outside_token)
        _OPEN.reset(token)
        _remove()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def _say() -> None:
    dtype = region_dtype(_OUTSIDE.get())
    torch.set_autocast_enabled("cuda", dtype is not None)
    if dtype is not None:
        torch.set_autocast_dtype("cuda", getattr(torch, dtype))


def _install() -> None:
    with _LOCK:
        if not _USERS:
            for name, stand_in in (("__init__", _init), ("__enter__", _enter), ("__exit__", _exit)):
                _OWN[name] = getattr(torch.autocast, name)
                setattr(torch.autocast, name, stand_in)
        _USERS.append(None)


def _remove() -> None:
    with _LOCK:
        _USERS.pop()
        if not _USERS:
            for name, own in _OWN.items():
                setattr(torch.autocast, name, own)


def _init(
    self: Any,
    device_type: str,
    dtype: torch.dtype | None = None,
    enabled: bool = True,
    cache_enabled: bool | None = None,
) -> None:
    if _OPEN.get() is None:
        _OWN["__init__"](self, device_type, dtype, enabled, cache_enabled)
        return
    self.device, self.fast_dtype, self._enabled, self._cache_enabled = device_type, dtype, enabled, cache_enabled


def _enter(self: Any) -> Any:
    opened = _OPEN.get()
    if opened is None:
        return _OWN["__enter__"](self)
    outer = opened[-1] if opened else None
    # A checkpoint enters what torch's own state said when its forward ran, which on meta is nothing.
    repeated = sys._getframe(1).f_globals.get("__name__") == "torch.utils.checkpoint"
    inner = Region(self._enabled, self.fast_dtype or (outer.dtype if outer else None), self.device)
    _OPEN.set((*opened, outer if repeated else inner))
    _say()
    return self


def _exit(self: Any, *error: Any) -> Any:
    opened = _OPEN.get()
    if opened is None:
        return _OWN["__exit__"](self, *error)
    _OPEN.set(opened[:-1])
    _say()
    return False
