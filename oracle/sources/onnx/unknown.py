"""Operators without a known meaning: a row with its bytes, and no formula."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import torch

from oracle.sources.onnx.dtypes import dtype_of

_DEFINING = Lock()


def run_unknown(op: str, inputs: Sequence[Any], shapes: Sequence[Sequence[int]], dtypes: Sequence[int]) -> list[Any]:
    """Outputs of the given shapes and ONNX types, by an operator `onnx.<op>` that a trace records.

    Args:
        op: its name, with its domain.
        inputs: tensors.
        shapes, dtypes: of each output.
    """
    with _DEFINING:
        run = _defined(re.sub(r"\W", "_", op))
    found: list[Any] = run(list(inputs), [size for shape in shapes for size in shape], list(map(len, shapes)), dtypes)
    return found


@cache
def _library() -> torch.library.Library:
    return torch.library.Library("onnx", "FRAGMENT")


@cache
def _defined(name: str) -> Any:
    _library().define(f"{name}(Tensor[] inputs, int[] sizes, int[] ranks, int[] dtypes) -> Tensor[]")
    _library().impl(name, _results, "CompositeExplicitAutograd")
    return getattr(torch.ops.onnx, name)


def _results(inputs: Any, sizes: list[int], ranks: list[int], dtypes: list[int]) -> list[Any]:
    found, start = [], 0
    for rank, dtype in zip(ranks, dtypes, strict=True):
        shape = sizes[start : start + rank]
        found.append(torch.empty(shape, dtype=dtype_of(dtype), device="meta"))
        start += rank
    return found
