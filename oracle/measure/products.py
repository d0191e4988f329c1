"""Matrix products as single calls, float8 and int8 among them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from oracle.errors import WorkloadError
from oracle.measure.steps import first_line
from oracle.measure.timers import Step


def product_step(m: int, n: int, k: int, dtype: str, device: str) -> Step:
    """A call of (m x k) (k x n), the second factor stored as weights of a linear layer are, n x k.

    float8 is e4m3 with one scale per tensor and a bfloat16 result, by `torch._scaled_mm` with fast accumulation; tf32
    is float32, for a caller that allows TF32. int8 is, on a CPU, oneDNN's quantised linear layer (activations in uint8,
    weights in int8 with one scale per row, result in uint8), or where there is none, as elsewhere, `torch._int_mm`,
    whose result is int32.

    Raises:
        WorkloadError: torch has no such product here.
    """
    try:
        if dtype == "float8":
            step = _float8(m, n, k, device)
        elif dtype == "int8":
            step = _int8(m, n, k, device)
        else:
            kind = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
            a, b = (torch.rand(rows, k, device=device).sub_(0.5).to(kind) for rows in (m, n))
            step = partial(torch.mm, a, b.t(), out=torch.empty(m, n, dtype=kind, device=device))
        step()
    except (AttributeError, RuntimeError, NotImplementedError) as error:
        raise WorkloadError(
            f"dtype={dtype!r}: torch has no matrix product of it on {device}: {first_line(error)}"
        ) from error
    return step


def _int8(m: int, n: int, k: int, device: str) -> Step:
    a = torch.randint(0, 127, (m, k), dtype=torch.uint8, device=device)
    b = torch.randint(-127, 127, (n, k), dtype=torch.int8, device=device)
    if device == "cpu":
        try:
            quantised = torch.ops.onednn
            weights = quantised.qlinear_prepack(b, [m, k])
            scales, zeros = torch.ones(n), torch.zeros(n, dtype=torch.int64)
            after: tuple[Any, ...] = (
                None,
                float(k),
                0,
                torch.uint8,
                "none",
                [],
                "",
            )  # bias, output's scale, zero and type, epilogue
            step = partial(quantised.qlinear_pointwise, a, 1.0, 0, weights, scales, zeros, *after)
            step()
        except (AttributeError, RuntimeError, NotImplementedError):  # torch was built without oneDNN
            pass
        else:
            return step
    return partial(torch._int_mm, a.to(torch.int8), b.t())  # noqa: SLF001 - torch has no public name for it


def _float8(m: int, n: int, k: int, device: str) -> Step:
    a, b = (torch.rand(rows, k, device=device).sub_(0.5).to(torch.float8_e4m3fn) for rows in (m, n))
    scale = torch.ones((), device=device)
    scaled = torch._scaled_mm  # noqa: SLF001 - torch has no public name for it
    return partial(scaled, a, b.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16, use_fast_accum=True)
