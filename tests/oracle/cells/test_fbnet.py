from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.cells.fbnet import FBNetBlock
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def real(**change: Any) -> FBNetBlock:
    params = {"w_in": 8, "w_exp": 24, "kernel": 3, "stride": 1, "groups": 1, "w_out": 8} | change
    cell = initialise(make_cell(CellSpec.make("fbnet_block", **params, **TAIL)), seed=0).eval()
    assert isinstance(cell, FBNetBlock)
    return cell


def image() -> torch.Tensor:
    return torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("stride", "size"), [(1, 9), (2, 5)])
@pytest.mark.parametrize("w_out", [8, 12])
def test_skips_exactly_where_shapes_allow(kernel: int, stride: int, size: int, w_out: int) -> None:
    cell, x = real(kernel=kernel, stride=stride, w_out=w_out), image()
    out, f = cell(x), cell.f(x)
    assert out.shape == (2, w_out, size, size)
    torch.testing.assert_close(out, x + f if (stride, w_out) == (1, 8) else f)


def test_layers_and_parameters_by_hand() -> None:
    cell = real(kernel=5, w_out=12)
    assert [name for name, _ in cell.f.named_children()] == ["expand", "depthwise", "project"]
    expected = 8 * 24 + 2 * 24 + 25 * 24 + 2 * 24 + 24 * 12 + 2 * 12
    assert sum(p.numel() for p in cell.parameters()) == expected
    depthwise = cell.f.get_submodule("depthwise.conv")
    assert isinstance(depthwise, nn.Conv2d)
    assert depthwise.groups == depthwise.in_channels == 24


def test_the_expansion_exists_without_expanding() -> None:
    cell = real(w_exp=8)
    assert [name for name, _ in cell.f.named_children()] == ["expand", "depthwise", "project"]
    assert sum(p.numel() for p in cell.parameters()) == 2 * 8 * 8 + 9 * 8 + 3 * 2 * 8


def test_groups_halve_both_1x1_and_shuffle_between_them() -> None:
    cell = real(w_exp=8, groups=2)
    assert [name for name, _ in cell.f.named_children()] == ["expand", "shuffle", "depthwise", "project"]
    assert sum(p.numel() for p in cell.parameters()) == 2 * 8 * 8 // 2 + 9 * 8 + 3 * 2 * 8
    channels = torch.arange(8.0).reshape(1, 8, 1, 1)
    mixed = cell.f.get_submodule("shuffle")(channels).flatten().tolist()
    assert mixed == [0, 4, 1, 5, 2, 6, 3, 7]  # by turns from either group


def test_no_activation_after_the_projection() -> None:
    assert real().f(image()).min() < 0


def test_a_skip_that_changes_the_shape() -> None:
    cell = make_cell(CellSpec.make("fbnet_skip", w_in=8, w_out=12, stride=2, **TAIL))
    assert [type(part) for part in cell.children()] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert cell(torch.empty(1, 8, 9, 9, device="meta")).shape == (1, 12, 5, 5)
    assert sum(p.numel() for p in cell.parameters()) == 8 * 12 + 2 * 12
