from __future__ import annotations

from typing import Any

import pytest
import torch

from oracle.errors import OracleError
from oracle.measure.products import product_step


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "tf32"])
def test_a_product_has_its_shape_and_type(dtype: str) -> None:
    out = product_step(4, 6, 8, dtype, "cpu")()
    assert out.shape == (4, 6)
    assert out.dtype == (torch.float32 if dtype == "tf32" else getattr(torch, dtype))


def test_float8_is_scaled_and_gives_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(a: torch.Tensor, b: torch.Tensor, *, out_dtype: torch.dtype, **scales: torch.Tensor) -> torch.Tensor:
        assert (a.dtype, b.dtype) == (torch.float8_e4m3fn, torch.float8_e4m3fn)
        assert set(scales) == {"scale_a", "scale_b", "use_fast_accum"}
        assert (b.shape, b.stride()) == ((32, 16), (1, 32))  # column-major, as the kernels want it
        return (a.float() @ b.float()).to(out_dtype)

    monkeypatch.setattr(torch, "_scaled_mm", scaled)
    out = product_step(48, 16, 32, "float8", "cpu")()
    assert (out.shape, out.dtype) == ((48, 16), torch.bfloat16)


def test_int8_is_a_quantised_linear_layer_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (m, n, k), given = (8, 32, 64), []
    randint = torch.randint

    def drawn(*args: Any, **words: Any) -> torch.Tensor:
        given.append(randint(*args, **words))
        return given[-1]

    monkeypatch.setattr(torch, "randint", drawn)
    out = product_step(m, n, k, "int8", "cpu")()
    monkeypatch.setattr(torch.ops, "onednn", object())  # a torch that was built without
    exact = product_step(m, n, k, "int8", "cpu")()
    a, b = (factor.int() for factor in given[2:])
    assert exact.dtype == torch.int32
    assert torch.equal(exact, a @ b.T)
    a, b = (factor.float() for factor in given[:2])
    assert out.shape == (m, n)
    assert out.dtype == torch.uint8 or torch.equal(out, (a @ b.T).int())
    if out.dtype == torch.uint8:
        assert (out.float() - (a @ b.T / k).clamp(0, 255)).abs().max() <= 0.5 + 1e-3


def test_what_torch_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "_scaled_mm")
    with pytest.raises(OracleError, match="dtype='float8': torch has no matrix product of it on cpu"):
        product_step(16, 16, 16, "float8", "cpu")
