"""ONNX's numbers for element types, as torch's types."""

from __future__ import annotations

import torch

from oracle.errors import OracleError

__all__ = ["dtype_of"]

_DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64, 14: torch.complex64, 15: torch.complex128, 16: torch.bfloat16,
    17: torch.float8_e4m3fn, 19: torch.float8_e5m2, 21: torch.uint4, 22: torch.int4,
}  # fmt: skip


def dtype_of(number: int) -> torch.dtype:
    """The type of `TensorProto.DataType` (onnx/onnx.proto).

    Raises:
        OracleError: one that torch lacks, such as a string.
    """
    if number not in _DTYPES:
        raise OracleError(f"elem_type={number} of the ONNX file: torch has no such type")
    return _DTYPES[number]
