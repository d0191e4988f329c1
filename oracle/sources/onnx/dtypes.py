"""ONNX's numbers for element types, as torch's types."""

from __future__ import annotations

from typing import Any

import torch

from oracle.errors import OracleError

_DTYPES: dict[int, Any] = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 4: torch.uint16, 5: torch.int16, 6: torch.int32, 7: torch.int64,
    9: torch.bool, 10: torch.float16, 11: torch.float64, 12: torch.uint32, 13: torch.uint64, 14: torch.complex64,
    15: torch.complex128, 16: torch.bfloat16, 17: torch.float8_e4m3fn, 19: torch.float8_e5m2,
}  # fmt: skip
_DTYPES |= {number: getattr(torch, name) for number, name in ((21, "uint4"), (22, "int4"))}  # made at import


def dtype_of(number: int) -> torch.dtype:
    """The type of `TensorProto.DataType` (onnx/onnx.proto).

    Raises:
        OracleError: one that torch lacks, such as a string.
    """
    if number not in _DTYPES:
        raise OracleError(f"elem_type={number} of the ONNX file: torch has no such type")
    found: torch.dtype = _DTYPES[number]
    return found
