from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.cells.nasbench201 import NASBench201Cell, NASBench201Reduction, Zero
from oracle.errors import ConfigError
from oracle.spec import CellSpec

NORM = {"bn_eps": 1e-5, "bn_momentum": 0.1}
WIDTH = 4


def cell(arch: str) -> NASBench201Cell:
    spec = CellSpec.make("nasbench201_cell", width=WIDTH, arch=arch, **NORM)
    made = initialise(make_cell(spec), seed=0).eval()
    assert isinstance(made, NASBench201Cell)
    return made


def image(width: int = WIDTH, size: int = 8) -> Tensor:
    return torch.randn(2, width, size, size, generator=torch.Generator().manual_seed(0))


def alone(operation: str) -> str:
    """The architecture whose output is one operation on the input."""
    return f"|none~0|+|none~0|none~1|+|{operation}~0|none~1|none~2|"


def test_none_is_zeros_whatever_comes_in() -> None:
    assert torch.equal(cell(alone("none"))(image()), torch.zeros(2, WIDTH, 8, 8))
    assert Zero()(image()).shape == (2, WIDTH, 8, 8)


def test_a_skip_is_the_input() -> None:
    assert torch.equal(cell(alone("skip_connect"))(image()), image())


def test_pooling_does_not_count_its_padding() -> None:
    ones = torch.ones(1, WIDTH, 3, 3)
    assert torch.equal(cell(alone("avg_pool_3x3"))(ones), ones)
    corner = cell(alone("avg_pool_3x3"))(image())[:, :, 0, 0]
    torch.testing.assert_close(corner, image()[:, :, :2, :2].mean(dim=(2, 3)))


@pytest.mark.parametrize("kernel", [1, 3])
def test_convolutions_come_after_their_relu(kernel: int) -> None:
    made = cell(alone(f"nor_conv_{kernel}x{kernel}"))
    parts = made.edges["0to3"]
    assert [type(part) for part in parts.children()] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    conv = parts.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is None
    x = image()
    expected = F.conv2d(F.relu(x), conv.weight, padding=kernel // 2) / (1 + 1e-5) ** 0.5  # a fresh batch norm
    torch.testing.assert_close(made(x), expected)
    assert torch.equal(x, image())  # others read it: nothing happened in place


def test_nodes_sum_the_edges_from_all_nodes_before_them() -> None:
    ops = "nor_conv_3x3~0 avg_pool_3x3~0 nor_conv_1x1~1 skip_connect~0 nor_conv_3x3~1 avg_pool_3x3~2".split()
    made, x = cell("|{}|+|{}|{}|+|{}|{}|{}|".format(*ops)), image()
    edges = made.edges
    one = edges["0to1"](x)
    two = edges["0to2"](x) + edges["1to2"](one)
    assert torch.equal(made(x), edges["0to3"](x) + edges["1to3"](one) + edges["2to3"](two))


def test_the_output_is_a_tensor_of_its_own() -> None:
    x = image()
    assert cell(alone("skip_connect"))(x).data_ptr() != x.data_ptr()


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ConfigError, match="operation='conv': expected none, skip_connect, nor_conv_1x1"):
        cell(alone("conv"))


def test_reduction_halves_the_image_on_two_ways() -> None:
    spec = CellSpec.make("nasbench201_reduction", w_in=4, w_out=8, **NORM)
    made, x = initialise(make_cell(spec), seed=0).eval(), image()
    assert isinstance(made, NASBench201Reduction)
    out = made(x)
    assert out.shape == (2, 8, 4, 4)
    weight = made.shortcut.get_submodule("conv").weight
    assert isinstance(weight, Tensor)
    torch.testing.assert_close(out - made.b(made.a(x)), F.conv2d(F.avg_pool2d(x, 2), weight))
    assert sum(p.numel() for p in made.parameters()) == 9 * 4 * 8 + 16 + 9 * 8 * 8 + 16 + 4 * 8


def test_stem_and_head_by_hand() -> None:
    stem = make_cell(CellSpec.make("nasbench201_stem", w_in=3, w_out=16, **NORM))
    assert [type(part) for part in stem.children()] == [nn.Conv2d, nn.BatchNorm2d]
    assert stem(torch.empty(1, 3, 9, 9, device="meta")).shape == (1, 16, 9, 9)
    head = make_cell(CellSpec.make("nasbench201_head", w_in=64, num_classes=10, inplace=True, **NORM))
    assert [type(part).__name__ for part in head.children()] == [
        "BatchNorm2d", "ReLU", "AdaptiveAvgPool2d", "Flatten", "Linear",
    ]  # fmt: skip
    assert sum(p.numel() for p in head.parameters()) == 2 * 64 + 64 * 10 + 10
