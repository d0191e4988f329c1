from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.cells.blocks import SqueezeExcite
from oracle.cells.ofa import OFABlock
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "hardswish", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def real(**change: Any) -> OFABlock:
    params = {"w_in": 8, "w_exp": 24, "kernel": 3, "stride": 1, "w_se": 8, "w_out": 8} | TAIL | change
    cell = initialise(make_cell(CellSpec.make("ofa_block", **params)), seed=0).eval()
    assert isinstance(cell, OFABlock)
    return cell


def image(width: int = 8) -> torch.Tensor:
    return torch.randn(2, width, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(("stride", "size"), [(1, 9), (2, 5)])
@pytest.mark.parametrize("w_out", [8, 12])
def test_skips_exactly_where_shapes_allow(kernel: int, stride: int, size: int, w_out: int) -> None:
    cell, x = real(kernel=kernel, stride=stride, w_out=w_out), image()
    out, f = cell(x), cell.f(x)
    assert out.shape == (2, w_out, size, size)
    torch.testing.assert_close(out, x + f if (stride, w_out) == (1, 8) else f)


def test_layers_and_parameters_by_hand() -> None:
    cell = real(kernel=7, w_out=12)
    assert [name for name, _ in cell.f.named_children()] == ["expand", "depthwise", "se", "project"]
    expand, depthwise = 8 * 24 + 2 * 24, 49 * 24 + 2 * 24
    se, project = 24 * 8 + 8 + 8 * 24 + 24, 24 * 12 + 2 * 12
    assert sum(p.numel() for p in cell.parameters()) == expand + depthwise + se + project
    acts = [type(part).__name__ for part in cell.modules() if not list(part.children())]
    assert [name for name in acts if name not in ("Conv2d", "BatchNorm2d", "AdaptiveAvgPool2d")] == [
        "Hardswish", "Hardswish", "ReLU", "Hardsigmoid",
    ]  # fmt: skip


def test_without_expansion_and_squeeze() -> None:
    cell = real(w_exp=8, w_se=0, activation="relu")
    assert [name for name, _ in cell.f.named_children()] == ["depthwise", "project"]
    assert sum(p.numel() for p in cell.parameters()) == 9 * 8 + 16 + 8 * 8 + 16
    assert type(cell.f.get_submodule("depthwise.act")) is nn.ReLU


def test_gates_are_a_hard_sigmoid_of_the_mean() -> None:
    gates = initialise(SqueezeExcite(4, 8, nn.ReLU(), nn.Hardsigmoid()), seed=0)
    for name, value in (("squeeze", 0.0), ("excite", 0.0)):
        nn.init.constant_(gates.gate.get_submodule(name).weight, value)  # type: ignore[arg-type]
    nn.init.constant_(gates.gate.get_submodule("excite").bias, 1.5)  # type: ignore[arg-type]
    torch.testing.assert_close(gates(image(4)), image(4) * 0.75)  # (1.5 + 3) / 6


def test_the_head_mixes_behind_the_pool_without_norm_or_bias() -> None:
    head = make_cell(CellSpec.make("ofa_head", w_in=8, w_exp=16, head_w=32, num_classes=10, **TAIL))
    assert [name for name, _ in head.named_children()] == ["expand", "pool", "mix", "act", "flatten", "fc"]
    assert sum(p.numel() for p in head.parameters()) == 8 * 16 + 32 + 16 * 32 + 32 * 10 + 10
    assert head(torch.empty(2, 8, 7, 7, device="meta")).shape == (2, 10)
