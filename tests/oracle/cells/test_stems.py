from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


@pytest.mark.parametrize(
    ("spec", "size", "params"),
    [
        (CellSpec.make("simple_stem_in", w_in=3, w_out=8, **TAIL), 8, 3 * 3 * 3 * 8 + 16),
        (CellSpec.make("res_stem_cifar", w_in=3, w_out=8, **TAIL), 16, 3 * 3 * 3 * 8 + 16),
        (CellSpec.make("res_stem_in", w_in=3, w_out=8, **TAIL), 4, 7 * 7 * 3 * 8 + 16),
        (CellSpec.make("conv_bn_act", w_in=3, w_out=8, kernel=5, stride=2, **TAIL), 8, 5 * 5 * 3 * 8 + 16),
        (CellSpec.make("conv_bn_act", w_in=3, w_out=8, kernel=1, stride=1, **TAIL), 16, 3 * 8 + 16),
    ],
    ids=lambda value: value.kind if isinstance(value, CellSpec) else None,
)
@pytest.mark.parametrize("train", [False, True])
def test_shape_and_parameters(spec: CellSpec, size: int, params: int, train: bool) -> None:
    stem = initialise(make_cell(spec), seed=0).train(train)
    out = stem(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert out.shape == (2, 8, size, size)
    assert out.min() >= 0
    assert sum(p.numel() for p in stem.parameters()) == params


def test_res_stem_in_pools_last() -> None:
    stem = initialise(make_cell(CellSpec.make("res_stem_in", w_in=3, w_out=4, **TAIL)), seed=0).eval()
    x = torch.randn(1, 3, 15, 17, generator=torch.Generator().manual_seed(0))
    weight = dict(stem.named_parameters())["conv.weight"]
    scaled = F.conv2d(x, weight, stride=2, padding=3) / (1 + 1e-5) ** 0.5  # a fresh batch norm divides by sqrt(1 + eps)
    torch.testing.assert_close(stem(x), F.max_pool2d(scaled.relu(), 3, 2, 1))
