"""Operators that a file names: which of them may be called, and how. A file is data, so that this decides.

An operator is called if what it does is known from its schema: it takes tensors and numbers and returns some. All its
tensors are on meta, so that nothing is computed, and no memory is taken. A name of a file, a stream, a storage or an
object of somebody's class is no number, and what takes one is refused: `aten::save` and `aten::from_file` are such.
"""

from __future__ import annotations

import math
import operator
import re
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch

from oracle.errors import TraceError

_OVERLOAD = re.compile(r"torch\.ops\.([a-z_]\w*)\.([A-Za-z_]\w*)\.([A-Za-z_]\w*)", re.ASCII)
_PLAIN = re.compile(r"(?:Optional|List)\[(.*)\]", re.ASCII)
_TAKEN = frozenset({"Tensor", "int", "SymInt", "number", "float", "bool", "complex", "str", "Device", "Generator"})
_RETURNED = frozenset({"Tensor", "int", "SymInt", "number", "float", "bool", "complex"})
_WORDS = frozenset(
    "approximate mode padding_mode padding padding_side reduce rounding_mode equation side UPLO uplo ord indexing"
    " interpolation norm driver pad_mode activation p".split()
)
"""Arguments whose text is a word of the operator: `gelu(x, approximate="tanh")`."""

_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in "eq ne le ge lt gt neg pos mul add sub floordiv truediv mod pow and_ or_ lshift rshift".split()
    },
    **{f"math.{name}": getattr(math, name) for name in ("trunc", "ceil", "floor", "sqrt")},
    **{
        f"torch.{name}": getattr(torch, name)
        for name in "sym_not sym_int sym_float sym_ite sym_max sym_min sym_sqrt sym_sum".split()
        if hasattr(torch, name)
    },
}
_LARGEST = 2**63  # what a dimension can be
_LARGEST_POWER = 63

_PIECES = frozenset(
    "split split_copy split_with_sizes split_with_sizes_copy unsafe_split unsafe_split_with_sizes chunk unsafe_chunk"
    " unbind unbind_copy tensor_split hsplit vsplit dsplit lstm gru rnn_tanh rnn_relu quantized_lstm".split()
)
_MOST_PIECES = 4096  # entries or time steps; each costs some operators


def overload_named(target: str) -> Any:
    """The operator of a target such as `torch.ops.aten.add.Tensor`; None where nobody has registered it.

    Raises:
        TraceError: what it does is not known from its schema; or a name of another form.
    """
    match = _OVERLOAD.fullmatch(target)
    if match is None:
        raise TraceError(
            f"operator {target[:80]!r}: expected torch.ops.NAMESPACE.NAME.OVERLOAD; nothing else is called"
        )
    namespace, name, overload = match.groups()
    full = f"{namespace}::{name}" + ("" if overload == "default" else f".{overload}")
    if not torch._C._dispatch_has_kernel(full):  # noqa: SLF001 - the dispatcher's list, which nothing public shows
        return None
    found = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    if not is_pure(found):
        raise TraceError(f"operator {target!r}: does more than compute tensors, and is not called for a file")
    return found


@cache
def is_pure(overload: Any) -> bool:
    """Whether an operator takes tensors, numbers and known words, and returns tensors or numbers."""
    schema = overload._schema  # noqa: SLF001 - torch has no public way
    kinds = [(argument.name, _plain(str(argument.type))) for argument in schema.arguments]
    if not all(kind in _TAKEN and (kind != "str" or name in _WORDS) for name, kind in kinds):
        return False
    # what takes no tensor makes one, on a device that it must be told
    placed = any(kind == "Tensor" for _, kind in kinds) or any(kind == "Device" for _, kind in kinds)
    returned = [_plain(str(item.type)) for item in schema.returns]
    return bool(returned) and all(kind in _RETURNED for kind in returned) and (placed or "Tensor" not in returned)


def arithmetic_named(target: str) -> Callable[..., Any] | None:
    """What computes with sizes: `_operator.floordiv` and the like, on numbers no larger than a size can be."""
    function = _ARITHMETIC.get(target)
    if function is None:
        return None

    def compute(*given: Any) -> Any:
        numbers = [number for item in given for number in (item if isinstance(item, (list, tuple)) else (item,))]
        if not all(isinstance(number, (int, float)) and abs(number) < _LARGEST for number in numbers):
            raise TraceError(f"{target} of {numbers!r:.80}: expected numbers that a size can be")
        if target in ("_operator.pow", "_operator.lshift") and abs(numbers[1]) > _LARGEST_POWER:
            raise TraceError(f"{target} of {numbers!r:.80}: too large for a size")
        return function(*given)

    return compute


def check_results(name: str, given: Iterable[Any]) -> None:
    """Complain of a call that makes a tensor for each of very many entries of another; `name` is without overload.

    Raises:
        TraceError: it does.
    """
    if name in _PIECES:
        sizes = [size for item in given if isinstance(item, torch.Tensor) for size in item.shape]
        if any(isinstance(size, int) and size > _MOST_PIECES for size in sizes):
            raise TraceError(f"{name} of a tensor of {max(sizes)} entries: expected at most {_MOST_PIECES} for a file")


def makes_from_nothing(overload: Any) -> bool:
    """Whether an operator takes no tensor, and so has to be told that its result is on meta."""
    arguments = overload._schema.arguments  # noqa: SLF001 - torch has no public way
    return any(item.name == "device" for item in arguments) and not any(
        "Tensor" in str(item.type) for item in arguments
    )


@cache
def function_of(overload: Any) -> Callable[..., Any]:
    """The function of torch that runs an operator, which modules call and autocast knows; else the operator itself."""
    name = str(overload._schema.name).removeprefix("aten::")  # noqa: SLF001 - torch has no public way
    for namespace in (torch._C._nn, torch, torch.Tensor):  # noqa: SLF001 - where torch keeps F.linear, F.gelu and the like
        found = getattr(namespace, name, None)
        if isinstance(found, (types.BuiltinFunctionType, types.MethodDescriptorType)):
            return found
    return overload  # type: ignore[no-any-return]


def _plain(kind: str) -> str:
    """The type inside of lists and options."""
    while match := _PLAIN.fullmatch(kind):
        kind = match[1]
    return kind
