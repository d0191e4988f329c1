"""Where tensors live while a module is traced: on meta, whatever device its forward asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils._device import _device_constructors

__all__ = ["META", "placed"]

META = torch.device("meta")

_LENGTHS = {"dtype": torch.int64, "device": "cpu"}  # how torch makes the lengths of packed sequences, to look at them
_MOVES = frozenset({"cuda", "cpu", "xpu", "npu", "hpu", "mps", "mtia", "ipu", "pin_memory"})


def placed(
    func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The call with every device replaced by meta; moving a tensor leaves it where it is.

    The network already is where it runs, and this machine may not have the device that its forward names.
    """
    if name == "as_tensor" and kwargs == _LENGTHS and not isinstance(args[0], torch.Tensor):
        return func, args, kwargs
    if kwargs.get("device") is not None or func in _constructors():
        kwargs = {**kwargs, "device": META}
    if name in _MOVES and args and isinstance(args[0], torch.Tensor):
        return _itself, args[:1], {}
    if name == "to" and len(args) > 1 and _is_device(args[1]):
        args = (args[0], META, *args[2:])
    return func, args, kwargs


@cache
def _constructors() -> frozenset[Any]:
    """Functions that make a tensor from nothing; torch's own device context changes the same ones."""
    return frozenset(_device_constructors())


def _itself(tensor: Any) -> Any:
    return tensor


def _is_device(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) or (isinstance(value, int) and not isinstance(value, bool))
