from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "silu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def real(**params: Any) -> nn.Module:
    return initialise(make_cell(CellSpec.make("head", **params, **TAIL)), seed=0).eval()


def image() -> torch.Tensor:
    return torch.randn(2, 6, 5, 3, generator=torch.Generator().manual_seed(0))


def test_plain_head_is_pool_and_linear() -> None:
    cell, x = real(w_in=6, head_w=0, num_classes=4, dropout=0.0), image()
    assert [name for name, _ in cell.named_children()] == ["pool", "flatten", "fc"]
    assert sum(p.numel() for p in cell.parameters()) == 6 * 4 + 4
    w = dict(cell.named_parameters())
    torch.testing.assert_close(cell(x), x.mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"])


def test_wide_head_has_a_convolution_before_and_dropout_behind_the_pool() -> None:
    cell, x = real(w_in=6, head_w=10, num_classes=4, dropout=0.5), image()
    assert [name for name, _ in cell.named_children()] == [
        "conv", "bn", "act", "pool", "flatten", "dropout", "fc",
    ]  # fmt: skip
    assert sum(p.numel() for p in cell.parameters()) == 6 * 10 + 2 * 10 + 10 * 4 + 4
    w = dict(cell.named_parameters())
    # a fresh batch norm divides by sqrt(1 + eps); dropout does nothing in evaluation
    features = F.silu(F.conv2d(x, w["conv.weight"]) / (1 + 1e-5) ** 0.5).mean((2, 3))
    torch.testing.assert_close(cell(x), features @ w["fc.weight"].T + w["fc.bias"])
    assert not torch.equal(cell.train()(x), cell.eval()(x))
