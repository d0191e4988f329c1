from __future__ import annotations

from typing import Any

import pytest
import torch

from oracle.trace.placement import META, placed

X = torch.empty(2, 3, device="meta")


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("to", (X, "cuda"), {}, (X, META)),
        ("to", (X, torch.device("cuda", 1), torch.float16), {}, (X, META, torch.float16)),
        ("to", (X, 0), {}, (X, META)),
        ("to", (X, torch.float16), {}, (X, torch.float16)),
        ("to", (X, X), {}, (X, X)),
        ("exp", (X,), {}, (X,)),
    ],
    ids=["name", "device", "index", "type", "tensor", "other"],
)
def test_a_device_becomes_meta(name: str, args: Any, kwargs: dict[str, Any], expected: Any) -> None:
    func, found, options = placed(torch.Tensor.to, name, args, kwargs)
    assert func is torch.Tensor.to
    assert len(found) == len(expected)
    assert all(a is b or a == b for a, b in zip(found, expected, strict=True))
    assert options == kwargs


def test_a_device_keyword_becomes_meta() -> None:
    _, _, options = placed(torch.zeros, "zeros", (3,), {"device": "cuda", "dtype": torch.float16})
    assert options == {"device": META, "dtype": torch.float16}


def test_what_makes_a_tensor_from_nothing_makes_it_on_meta() -> None:
    for func in (torch.zeros, torch.arange, torch.tensor, torch.full, torch.rand):
        assert placed(func, func.__name__, (3,), {})[2] == {"device": META}
    assert placed(torch.zeros_like, "zeros_like", (X,), {})[2] == {}


@pytest.mark.parametrize("name", ["cuda", "cpu", "xpu", "pin_memory"])
def test_a_move_returns_the_tensor_itself(name: str) -> None:
    func, args, kwargs = placed(torch.Tensor.cuda, name, (X,), {"non_blocking": True})
    assert func(*args, **kwargs) is X
