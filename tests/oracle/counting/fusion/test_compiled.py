from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.config import list_networks
from oracle.counting.fusion.compiled import compiled
from oracle.query import score


def names(kernels: Any) -> list[str]:
    return [kernel.name.removeprefix("aten.") for kernel in kernels]


def test_norm_and_activation_merge_and_the_convolution_stays(kernels_of_module: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    conv, rest = kernels_of_module(net, (2, 3, 8, 8), runtime="compiled")
    out = 2 * 4 * 8 * 8 * 4

    assert names([conv, rest]) == ["convolution", "native_batch_norm +1"]
    assert (conv.read_bytes, conv.write_bytes) == (2 * 3 * 64 * 4 + 108 * 4, out)
    assert (rest.read_bytes, rest.write_bytes) == (out + 4 * 4 * 4, out)
    assert rest.vector_flops == 2 * 2 * 4 * 64 + 2 * 4 * 64


def test_a_chain_reads_its_input_and_writes_its_output(kernels_of_module: Any) -> None:
    class Chain(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            z = (x * y).sigmoid() + x
            return F.layer_norm(z, (8,)).softmax(-1)

    (kernel,) = kernels_of_module(Chain(), (4, 8), (4, 8), runtime="compiled")
    assert (kernel.read_bytes, kernel.write_bytes) == (2 * 32 * 4, 32 * 4)
    assert kernel.vector_flops == 32 * (1 + 4 + 1 + 5 + 5)


def test_a_result_used_twice_is_written_once(kernels_of_module: Any) -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8, bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            y = x.relu() + 1
            return y + self.linear(y)

    before, product, after = kernels_of_module(Fork(), (4, 8), runtime="compiled")
    size = 32 * 4
    assert (before.read_bytes, before.write_bytes) == (size, size)  # relu's result stays inside
    assert (product.read_bytes, product.write_bytes) == (size + 64 * 4, size)
    assert (after.read_bytes, after.write_bytes) == (2 * size, size)


def test_no_cycle_through_what_does_not_merge(kernels_of_module: Any) -> None:
    class Around(nn.Module):
        """relu -> linear -> sum, and relu -> sum: relu must not wait for the sum it would merge with."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> Any:
            y = x.relu()
            return y * self.linear(y)

    assert names(kernels_of_module(Around(), (4, 8), runtime="compiled")) == ["relu", "addmm", "mul"]


def test_dead_branches_do_not_run(kernels_of_module: Any) -> None:
    class Wasteful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.linear(x).exp()
            return x + 1

    assert names(kernels_of_module(Wasteful(), (4, 8), runtime="compiled")) == ["add"]


def test_sorts_and_scans_stay_alone(kernels_of_module: Any) -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + 1).cumsum(0) * 2

    assert names(kernels_of_module(Sorted(), (8,), runtime="compiled")) == ["add", "cumsum", "mul"]


def test_a_transformer_block(kernels_of_module: Any) -> None:
    block = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True, dropout=0.0)
    kernels = kernels_of_module(block, (2, 5, 8), runtime="compiled")
    t, vector = 2 * 5 * 8 * 4, 8 * 4
    weight = 8 * vector
    assert [(kernel.name, kernel.read_bytes, kernel.write_bytes) for kernel in kernels] == [
        ("aten.native_layer_norm +1", t + 2 * vector, t),  # and the copy that puts tokens before images
        ("aten.mm", t + 3 * weight, 3 * t),
        ("aten.add +1", 3 * t + 3 * vector, 3 * t),  # the bias, and the copy that splits queries, keys and values
        ("oracle.attention", 3 * t, t),
        ("aten.clone", t, t),
        ("aten.addmm", t + weight + vector, t),
        ("aten.add +1", 2 * t + 2 * vector, 2 * t),  # the sum is written for the next sum, its norm for the layer
        ("aten.addmm", t + 2 * weight + 2 * vector, 2 * t),
        ("aten.gelu", 2 * t, 2 * t),
        ("aten.addmm", 2 * t + 2 * weight + vector, t),
        ("aten.add", 2 * t, t),
    ]


def test_the_optimiser_is_one_kernel(kernels_of_module: Any) -> None:
    net = nn.Linear(8, 4)
    step = [k for k in kernels_of_module(net, (2, 8), runtime="compiled", mode="training") if k.phase == "optimizer"]
    # gradient, weight and momentum in; weight and momentum out: 20 bytes per parameter
    assert [(k.read_bytes, k.write_bytes) for k in step] == [(3 * 36 * 4, 2 * 36 * 4)]


def test_phases_and_cells_are_borders(graph: Any) -> None:
    x = graph.given("input", 4)
    a = graph.row("elementwise", [x], 4, cell=0)
    b = graph.row("elementwise", [a], 4, cell=1)
    c = graph.row("elementwise", [b], 4, cell=1)
    d = graph.row("elementwise", [c], 4, cell=1, phase="backward")
    assert [kernel.rows for kernel in compiled(graph.table(d))] == [(0,), (1, 2), (3,)]


def test_a_cell_fuses_alike_wherever_it_stands(graph: Any) -> None:
    # The shortcut of the second cell joins its sum, although in the whole graph it could run earlier.
    x = graph.given("input", 4)
    first = graph.row("conv", [graph.row("conv", [x], 4)], 4)
    shortcut = graph.row("elementwise", [first], 4, cell=1)
    total = graph.row("elementwise", [shortcut, first], 4, cell=1)
    assert [kernel.rows for kernel in compiled(graph.table(total))] == [(0,), (1,), (2, 3)]


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize(
    "name", [name for name in list_networks() if "200MF" in name or "B0" in name or "S-16" in name]
)
def test_fusion_moves_less_and_computes_the_same(name: str, mode: str) -> None:
    eager = score(name, mode=mode, dtype="float16")
    fused = score(name, mode=mode, dtype="float16", runtime="compiled")
    assert fused.macs == eager.macs
    assert fused.flops == eager.flops
    assert fused.traffic_bytes < eager.traffic_bytes
