"""What happens above the dispatcher: framework calls are numbered, autocast, and led to fused operators."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from oracle.optable import FunctionCall
from oracle.trace.autocast import Autocast
from oracle.trace.callers import RECORDED, found_by_name
from oracle.trace.dims import shapes_of
from oracle.trace.fused import fused
from oracle.trace.placement import placed
from oracle.trace.regions import region_dtype

__all__ = ["CallRecorder"]


class CallRecorder(TorchFunctionMode):
    """Numbers the calls that reach the dispatcher from Python, and makes them as a device would.

    Attributes:
        call: number of the running call (the last one, between calls).
        function: its name, such as `linear` or `adaptive_avg_pool2d`.
        functions: the calls of the forward pass that some counter has a rule for.
        truth: says whether a tensor of one boolean is true, None where nobody can.
        made: is told of a tensor that a call has made of numbers, and of these.
    """

    def __init__(self, autocast_dtype: str | None = None) -> None:
        super().__init__()
        self._dtype = autocast_dtype
        self._casting: dict[str, Autocast] = {}
        self.call = 0
        self.function = ""
        self.functions: list[FunctionCall] = []
        self._pending: Any = None
        self.truth: Callable[[Any], bool | None] = lambda _: None
        self.made: Callable[[Any, Any], None] = lambda *_: None

    def __torch_function__(
        self, func: Any, types_: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "__get__":
            return func(*args, **kwargs)  # an attribute, such as x.shape or x.T
        if isinstance(func, types.FunctionType) and func is not self._pending:
            # A function written in Python: look inside it, for what it calls is what the dispatcher is requested.
            before, self._pending = self._pending, func
            call = self.call + 1
            try:
                with self:
                    out = _without_overrides(func)(*args, **kwargs)
            finally:
                self._pending = before
            if func.__name__ in RECORDED["python"]:
                self._record(call, func, "python", args, kwargs, out)
            return out
        name = getattr(func, "__name__", str(func))
        if name in _ASKS_FOR_TRUTH and not kwargs and len(args) == 1 and _is_truth(args[0]):
            answer = self.truth(args[0])
            if answer is not None:
                return answer
        self.call, self.function = self.call + 1, name
        call, out = self.call, self._run(func, args, kwargs)
        if func is torch.tensor and args:
            self.made(out, args[0])
        kind = "method" if isinstance(func, types.MethodDescriptorType) else "function"
        if self.function in RECORDED[kind]:
            self._record(call, func, kind, args, kwargs, out)
        return out

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        func, args, kwargs = placed(fused(func), self.function, args, kwargs)
        dtype = region_dtype(self._dtype)
        if dtype is None or (in_backward() and not torch.is_grad_enabled()):
            return func(*args, **kwargs)  # a checkpoint that runs its forward once more is autocast again
        if dtype not in self._casting:
            self._casting[dtype] = Autocast(dtype)
        return self._casting[dtype].call(self.function, func, args, kwargs)

    def _record(self, call: int, func: Any, kind: str, args: Any, kwargs: Any, out: Any) -> None:
        if in_backward():
            return  # a backward pass written in Python
        name = func.__name__.removesuffix("_with_indices")
        by_name = found_by_name(func, name, sys._getframe(2))
        shapes = {key: shapes_of(value) for key, value in kwargs.items()}
        self.functions.append(FunctionCall(call, name, kind, by_name, shapes_of(args), shapes, shapes_of(out)))


_ASKS_FOR_TRUTH = frozenset({"__bool__", "item", "is_nonzero"})


def _is_truth(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.is_meta and tensor.dtype == torch.bool and tensor.dim() == 0


def in_backward() -> bool:
    """Whether autograd has called us."""
    return torch._C._current_autograd_node() is not None


@cache
def _globals_without_overrides(module: str) -> dict[str, Any]:
    namespace = dict(vars(__import__(module, fromlist=["_"])))
    for name in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"):
        if name in namespace:
            namespace[name] = _never
    return namespace


@cache
def _without_overrides(func: types.FunctionType) -> Callable[..., Any]:
    """The same function, but its own check for overrides is off; otherwise it would call us again for ever."""
    if not (func.__module__ or "").startswith(("torch.nn.functional", "torch.autograd")):
        return func
    twin = types.FunctionType(
        func.__code__, _globals_without_overrides(func.__module__), func.__name__, func.__defaults__, func.__closure__
    )
    twin.__kwdefaults__ = func.__kwdefaults__
    return twin


def _never(*_: Any) -> bool:
    return False
