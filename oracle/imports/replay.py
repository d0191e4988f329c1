"""From an operator call in a profiler's trace to our own count of it: the call is made again, on meta.

A trace is data, and names what it likes: only operators of ATen that take and return tensors and numbers are called
(see `oracle.sources.operators`), on tensors without memory, and only what we have formulas for is counted.
FLOPs and bytes then follow from the same formulas as a prediction's. What a profiler does not record (the
strides of tensors in old traces, the types of tensors in lists) is taken to be contiguous float32.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn

from oracle.counting import KernelCount, count
from oracle.errors import TraceError
from oracle.sources.operators import check_results, function_of, makes_from_nothing, overload_named
from oracle.spec import Workload
from oracle.trace import trace
from oracle.trace.placement import META

_SCALAR_TYPES = {
    # c10::ScalarType, as which a trace has an argument that is a dtype
    0: torch.uint8,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.int64,
    5: torch.float16,
    6: torch.float32,
    7: torch.float64,
    11: torch.bool,
    15: torch.bfloat16,
}
_LONGEST = 10_000  # characters of a value
_PLACEMENT = frozenset({"layout", "device", "pin_memory", "memory_format"})
_DTYPES = {
    "float": torch.float32,
    "double": torch.float64,
    "c10::half": torch.float16,
    "c10::bfloat16": torch.bfloat16,
    "long": torch.int64,
    "long int": torch.int64,
    "int": torch.int32,
    "short": torch.int16,
    "signed char": torch.int8,
    "unsigned char": torch.uint8,
    "bool": torch.bool,
}


class OperatorCall(NamedTuple):
    """An operator that no other operator called, as a profiler saw it.

    Attributes:
        name: such as `aten::conv2d`.
        dims, types, strides, values: of each argument: shape, type, strides, and value of what is no tensor
            (text); empty where the profiler did not record shapes.
        seconds: time of all its kernels on the device; on a CPU its own time with all it called.
        source: file and event.
        kernels: names of the kernels it launched.
    """

    name: str
    dims: tuple[Any, ...] = ()
    types: tuple[str, ...] = ()
    strides: tuple[Any, ...] = ()
    values: tuple[str, ...] = ()
    seconds: float = 0.0
    source: str = ""
    kernels: tuple[str, ...] = ()

    def signature(self) -> OperatorCall:
        """The call without what differs from run to run."""
        return self._replace(seconds=0.0, source="", kernels=())


def replay(call: OperatorCall, workload: Workload | None = None) -> tuple[KernelCount, ...] | None:
    """What the call computes and moves, one entry per operator it consists of; () for a view.

    Args:
        call: as read from a trace.
        workload: whose autocast dtype and causal rule apply; eager float32 if None.

    Returns:
        None where the trace does not say enough (no shapes, an operator that torch does not know), and for an operator
        that does more than compute tensors, or that nobody has a formula for.
    """
    return _replayed(call.signature(), (workload or Workload()).with_(batch_size=1, runtime="eager", mode="inference"))


@lru_cache(maxsize=4096)
def _replayed(call: OperatorCall, workload: Workload) -> tuple[KernelCount, ...] | None:
    name = call.name.removeprefix("aten::")
    if "::" in name or not (call.dims or call.types):
        return None
    for overload in _overloads(name, len(call.types)):
        try:
            return _counted(call, overload, workload)
        except Exception:  # noqa: BLE001, PERF203, S112 - what torch says of arguments that another overload takes, or none
            continue
    return None


def _counted(call: OperatorCall, overload: Any, workload: Workload) -> tuple[KernelCount, ...] | None:
    schema = overload._schema.arguments  # noqa: SLF001 - torch has no public way
    tensors: list[Any] = []
    pairs = [(argument, _argument(call, index, argument, tensors)) for index, argument in enumerate(schema)]
    plain = [value for argument, value in pairs if not argument.kwarg_only]
    named = {argument.name: value for argument, value in pairs if argument.kwarg_only and value is not None}
    if makes_from_nothing(overload):
        named["device"] = META
    check_results(call.name.removeprefix("aten::"), tensors)
    found = count(trace(_Call(function_of(overload), plain, named), tuple(tensors), {}, workload).table, workload)
    return None if found.unknown else found.kernels


class _Call(nn.Module):
    """Calls a function."""

    def __init__(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self._function, self._args, self._kwargs = function, args, kwargs

    def forward(self, *_: Any) -> Any:
        return self._function(*self._args, **self._kwargs)


def _overloads(name: str, arguments: int) -> Iterator[Any]:
    """Every overload that takes so many arguments and does no more than compute tensors."""
    packet = getattr(torch.ops.aten, name, None) if name.isidentifier() else None
    words: Iterable[str] = getattr(packet, "overloads", tuple)()
    for word in words:
        try:
            overload = overload_named(f"torch.ops.aten.{name}.{word}")
        except TraceError:
            continue
        if overload is None or word.endswith("out"):
            continue
        if len(overload._schema.arguments) == arguments:  # noqa: SLF001
            yield overload


def _argument(call: OperatorCall, index: int, argument: Any, tensors: list[Any]) -> Any:
    dims, kind, wanted = call.dims[index], call.types[index], str(argument.type)
    value = call.values[index] if index < len(call.values) else ""
    if wanted.startswith("List[Tensor"):
        found = [_tensor(item, (), "float") for item in dims]
        tensors.extend(found)
        return found
    if not kind or argument.name in _PLACEMENT or (value == "" and wanted.startswith("Optional[int")):
        return None
    if wanted.startswith(("Tensor", "Optional[Tensor")):
        tensors.append(_tensor(dims, _strides(call, index), kind))
        return tensors[-1]
    if value == "":
        raise ValueError("a value that was not recorded")
    if argument.name.endswith("dtype"):
        return _SCALAR_TYPES.get(int(value)) if value.isdigit() else None
    return _literal(value)


def _strides(call: OperatorCall, index: int) -> Any:
    return call.strides[index] if index < len(call.strides) else ()


def _tensor(dims: Iterable[int], strides: Iterable[int], kind: str) -> Any:
    dtype = _DTYPES.get(kind.lower())
    if dtype is None:
        raise ValueError(f"a tensor of type {kind!r}")
    shape, steps = tuple(dims), tuple(strides)
    if steps and len(steps) == len(shape):
        return torch.empty_strided(shape, steps, dtype=dtype, device="meta")
    return torch.empty(shape, dtype=dtype, device="meta")


def _literal(text: str) -> Any:
    """A number, a list of some, or the text itself: a mode such as gelu's "tanh"."""
    if len(text) > _LONGEST:
        raise ValueError("a value of more characters than one has")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
