"""Shapes and types of inputs as people write them: `1x3x224x224`, `1x128:int64`, `mask=1x128:bool`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from oracle.errors import WorkloadError

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
)  # fmt: skip
_MOST_ENTRIES = 2**58  # their bytes, and those of what follows mostly, are below the 2**63 that torch can say
_INPUT = re.compile(r"(?:(?P<name>[^\W\d]\w*)=)?(?P<shape>\d+(?:x\d+)*|scalar)(?::(?P<dtype>\w+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input: its dimensions, its type, and its name where it is passed by keyword.

    Attributes:
        shape: positive integers; none for a scalar tensor.
        dtype: one of `DTYPES`.
        name: "" for a positional input.

    Raises:
        WorkloadError: more entries than a tensor may have whose bytes, and those of what follows, are counted.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str = ""

    def __post_init__(self) -> None:
        if math.prod(self.shape) > _MOST_ENTRIES:
            raise WorkloadError(f"input={str(self)!r:.80}: expected at most {_MOST_ENTRIES:,} entries")

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape)) or "scalar"
        return (f"{self.name}=" if self.name else "") + f"{shape}:{self.dtype}"

    def empty(self) -> Any:
        """A tensor of this kind on meta."""
        import torch

        return torch.empty(self.shape, dtype=getattr(torch, self.dtype), device="meta")


def parse_input(text: str) -> InputSpec:
    """`[NAME=]1x3x224x224[:DTYPE]`, or `scalar` for no dimensions.

    Raises:
        WorkloadError: anything else.
    """
    match = _INPUT.fullmatch(str(text).strip())
    dtype = (match and match["dtype"]) or "float32"
    if match is None or dtype not in DTYPES:
        raise WorkloadError(
            f"input={text!r}: expected [NAME=]SHAPE[:DTYPE] such as 1x3x224x224 or 1x128:int64, with DTYPE one of "
            f"{', '.join(DTYPES)}"
        )
    sizes = [] if match["shape"] == "scalar" else match["shape"].split("x")
    if any(len(size) > 18 or int(size) == 0 for size in sizes):
        raise WorkloadError(f"input={text!r}: expected dimensions of at least 1, and of 18 digits at most")
    shape = tuple(map(int, sizes))
    return InputSpec(shape, dtype, match["name"] or "")


def with_batch(inputs: Sequence[InputSpec], batch_size: int | None) -> tuple[InputSpec, ...]:
    """The inputs with their first dimension replaced by the batch size; as they are for None.

    All of them have to agree on that dimension, for it would be a guess which of them have a batch.

    Raises:
        WorkloadError: they do not agree, or one is a scalar.
    """
    if batch_size is None or not inputs:
        return tuple(inputs)
    first = {item.shape[:1] for item in inputs}
    if len(first) > 1 or () in first:
        shown = ", ".join(map(str, inputs))
        raise WorkloadError(
            f"batch_size={batch_size}: which of the inputs {shown} have a batch is not clear, as their first "
            "dimensions differ; write the batch into --input and leave --batch out"
        )
    return tuple(replace(item, shape=(batch_size, *item.shape[1:])) for item in inputs)


def batch_of(inputs: Sequence[InputSpec]) -> int:
    """The batch size that inputs have: the first dimension of the first that has any."""
    return next((item.shape[0] for item in inputs if item.shape), 1)
