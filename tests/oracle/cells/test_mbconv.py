from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.cells.mbconv import DropConnect, MBConv
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "silu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def real(**change: Any) -> MBConv:
    params = {
        "w_in": 8, "w_exp": 16, "kernel": 3, "stride": 1, "w_se": 2, "w_out": 8, "drop_connect": 0.0,
    } | change  # fmt: skip
    cell = initialise(make_cell(CellSpec.make("mbconv", **params, **TAIL)), seed=0).eval()
    assert isinstance(cell, MBConv)
    return cell


def image(samples: int = 2) -> torch.Tensor:
    return torch.randn(samples, 8, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(("stride", "size"), [(1, 9), (2, 5)])
@pytest.mark.parametrize("w_out", [8, 12])
def test_skips_exactly_where_shapes_allow(kernel: int, stride: int, size: int, w_out: int) -> None:
    cell, x = real(kernel=kernel, stride=stride, w_out=w_out), image()
    out, f = cell(x), cell.f(x)
    assert out.shape == (2, w_out, size, size)
    torch.testing.assert_close(out, x + f if (stride, w_out) == (1, 8) else f)


def test_layers_and_parameters_by_hand() -> None:
    expand = 8 * 16 + 2 * 16
    depthwise = 5 * 5 * 16 + 2 * 16
    se = 16 * 2 + 2 + 2 * 16 + 16
    project = 16 * 12 + 2 * 12
    full = real(kernel=5, w_out=12)
    assert [name for name, _ in full.f.named_children()] == ["expand", "depthwise", "se", "project"]
    assert sum(p.numel() for p in full.parameters()) == expand + depthwise + se + project
    conv = full.f.get_submodule("depthwise.conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.groups == conv.in_channels == conv.out_channels == 16
    assert isinstance(full.f.get_submodule("se.gate.act"), nn.SiLU)


def test_without_expansion_and_squeeze() -> None:
    cell = real(w_exp=8, w_se=0)
    assert [name for name, _ in cell.f.named_children()] == ["depthwise", "project"]
    assert sum(p.numel() for p in cell.parameters()) == 9 * 8 + 16 + 8 * 8 + 16


def test_no_activation_after_the_projection() -> None:
    assert real().f(image()).min() < 0


def test_drop_connect_exists_only_on_a_skip() -> None:
    drop = real(drop_connect=0.2).f.get_submodule("drop")
    assert isinstance(drop, DropConnect)
    assert drop.ratio == 0.2
    assert not hasattr(real(drop_connect=0.2, stride=2).f, "drop")
    assert not hasattr(real(drop_connect=0.0).f, "drop")


def test_drop_connect_keeps_the_network_of_evaluation() -> None:
    torch.testing.assert_close(real(drop_connect=0.9)(image()), real()(image()))


def test_drop_connect_drops_whole_samples_and_keeps_the_mean() -> None:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        out = DropConnect(0.25)(torch.ones(20_000, 2, 1, 2)).flatten(1)
    assert torch.equal(out.amin(1), out.amax(1))
    assert out.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
    # mean of 20,000 draws of standard deviation sqrt(0.25 / 0.75) = 0.577: three sigma are 0.0122
    assert out.mean().item() == pytest.approx(1.0, abs=0.0122)


def test_training_drops_the_residual_branch() -> None:
    cell, x = real(drop_connect=0.5), image(32)
    cell.f.get_submodule("drop").train()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        out = cell(x)
    dropped = (out == x).flatten(1).all(1)
    assert 0 < dropped.sum() < 32
    f = real()(x) - x
    torch.testing.assert_close(out[~dropped], (x + 2 * f)[~dropped])
