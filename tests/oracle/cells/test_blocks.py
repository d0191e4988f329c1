from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "silu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
PLAIN = ("vanilla_block", "res_basic_block")
BOTTLENECK = ("res_bottleneck_block", "res_bottleneck_linear_block")


def real(kind: str, **params: Any) -> nn.Module:
    """The cell on the CPU in evaluation, its batch norms far from neutral."""
    cell = initialise(make_cell(CellSpec.make(kind, **params, **TAIL)), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    for part in cell.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            for tensor in (part.weight.data, part.bias.data, part.running_mean, part.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
    return cell


def image(width: int, size: int = 8) -> Tensor:
    return torch.randn(2, width, size, size, generator=torch.Generator().manual_seed(2))


def conv_bn(cell: nn.Module, path: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """What networks.md means by conv and norm, written with functions on the cell's weights."""
    w = dict(cell.named_parameters()) | dict(cell.named_buffers())
    weight = w[f"{path}.conv.weight"]
    y = F.conv2d(x, weight, stride=stride, padding=(weight.shape[-1] - 1) // 2, groups=groups)
    mean, var, gain, bias = (
        w[f"{path}.bn.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (y - mean) / (var + 1e-5).sqrt() * gain + bias


def squeeze_excite(cell: nn.Module, path: str, x: Tensor) -> Tensor:
    w = dict(cell.named_parameters())
    y = x.mean((2, 3)) @ w[f"{path}.gate.squeeze.weight"][:, :, 0, 0].T + w[f"{path}.gate.squeeze.bias"]
    y = F.silu(y) @ w[f"{path}.gate.excite.weight"][:, :, 0, 0].T + w[f"{path}.gate.excite.bias"]
    return x * torch.sigmoid(y)[:, :, None, None]


@pytest.mark.parametrize("stride", [1, 2])
def test_vanilla_block_has_no_skip(stride: int) -> None:
    cell, x = real("vanilla_block", w_in=6, w_out=6, stride=stride), image(6)
    expected = F.silu(conv_bn(cell, "b", F.silu(conv_bn(cell, "a", x, stride))))
    torch.testing.assert_close(cell(x), expected)


@pytest.mark.parametrize(("w_in", "stride"), [(6, 1), (6, 2), (4, 1), (4, 2)])
def test_res_basic_block(w_in: int, stride: int) -> None:
    cell, x = real("res_basic_block", w_in=w_in, w_out=6, stride=stride), image(w_in)
    skip = x if (w_in, stride) == (6, 1) else conv_bn(cell, "shortcut", x, stride)
    f = conv_bn(cell, "b", F.silu(conv_bn(cell, "a", x, stride)))
    torch.testing.assert_close(cell(x), F.silu(skip + f))


@pytest.mark.parametrize("kind", BOTTLENECK)
@pytest.mark.parametrize(("w_in", "stride"), [(8, 1), (8, 2), (4, 1), (4, 2)])
@pytest.mark.parametrize("w_se", [0, 3])
@pytest.mark.parametrize("stride_1x1", [False, True])
def test_bottleneck_blocks(kind: str, w_in: int, stride: int, w_se: int, stride_1x1: bool) -> None:
    cell = real(kind, w_in=w_in, w_out=8, stride=stride, w_b=6, groups=3, w_se=w_se, stride_1x1=stride_1x1)
    x, same = image(w_in), (w_in, stride) == (8, 1)
    first, second = (stride, 1) if stride_1x1 else (1, stride)
    f = F.silu(conv_bn(cell, "f.a", x, first))
    f = F.silu(conv_bn(cell, "f.b", f, second, groups=3))
    f = conv_bn(cell, "f.c", squeeze_excite(cell, "f.se", f) if w_se else f)
    if kind == "res_bottleneck_linear_block":
        expected = x + f if same else f
    else:
        expected = F.silu((x if same else conv_bn(cell, "shortcut", x, stride)) + f)
    torch.testing.assert_close(cell(x), expected)


def test_parameters_by_hand() -> None:
    def count(kind: str, **params: Any) -> int:
        return sum(p.numel() for p in make_cell(CellSpec.make(kind, **params, **TAIL)).parameters())

    # 3x3 convolutions and two values per batch-normed channel
    assert count("vanilla_block", w_in=16, w_out=32, stride=2) == 9 * (16 * 32 + 32 * 32) + 2 * (32 + 32)
    assert count("res_basic_block", w_in=32, w_out=32, stride=1) == 9 * 2 * 32 * 32 + 2 * (32 + 32)
    projection = 16 * 32 + 2 * 32
    assert count("res_basic_block", w_in=16, w_out=32, stride=1) == 9 * (16 * 32 + 32 * 32) + 4 * 32 + projection
    f = 16 * 24 + 9 * 24 * 24 // 4 + 24 * 32 + 2 * (24 + 24 + 32)
    se = 24 * 5 + 5 + 5 * 24 + 24
    block: dict[str, Any] = {
        "w_in": 16,
        "w_out": 32,
        "stride": 1,
        "w_b": 24,
        "groups": 4,
        "stride_1x1": False,
    }
    assert count("res_bottleneck_block", w_se=0, **block) == f + projection
    assert count("res_bottleneck_block", w_se=5, **block) == f + se + projection
    assert count("res_bottleneck_linear_block", w_se=5, **block) == f + se


@given(
    kind=st.sampled_from(PLAIN + BOTTLENECK),
    w_in=st.integers(1, 20),
    stride=st.integers(1, 3),
    groups=st.integers(1, 4),
    group_w=st.integers(1, 5),
    w_se=st.integers(0, 4),
    stride_1x1=st.booleans(),
    w_out=st.integers(1, 20),
    height=st.integers(1, 20),
)
def test_shapes(
    kind: str,
    w_in: int,
    stride: int,
    groups: int,
    group_w: int,
    w_se: int,
    stride_1x1: bool,
    w_out: int,
    height: int,
) -> None:
    extra: dict[str, Any] = {
        "w_b": groups * group_w,
        "groups": groups,
        "w_se": w_se,
        "stride_1x1": stride_1x1,
    }
    params = {"w_in": w_in, "w_out": w_out, "stride": stride, **(extra if kind in BOTTLENECK else {}), **TAIL}
    out = make_cell(CellSpec.make(kind, **params))(torch.empty(3, w_in, height, 7, device="meta"))
    assert out.shape == (3, w_out, -(-height // stride), -(-7 // stride))


def test_activations_are_modules_that_hooks_see() -> None:
    cell, x = (
        real("res_bottleneck_block", w_in=8, w_out=8, stride=1, w_b=8, groups=1, w_se=2, stride_1x1=False),
        image(8),
    )
    seen: list[str] = []
    for name, part in cell.named_modules():
        if not list(part.children()):
            part.register_forward_hook(lambda *_, name=name: seen.append(name))
    cell(x)
    assert seen == [
        "shortcut",
        "f.a.conv", "f.a.bn", "f.a.act",
        "f.b.conv", "f.b.bn", "f.b.act",
        "f.se.gate.pool", "f.se.gate.squeeze", "f.se.gate.act", "f.se.gate.excite", "f.se.gate.sigmoid",
        "f.c.conv", "f.c.bn",
        "act",
    ]  # fmt: skip
