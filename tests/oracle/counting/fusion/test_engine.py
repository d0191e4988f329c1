from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.config import list_networks
from oracle.counting.fusion.engine import engine
from oracle.query import score

IMAGE = (2, 3, 8, 8)
X, OUT, VECTOR = 2 * 3 * 64 * 4, 2 * 4 * 64 * 4, 4 * 4
WEIGHT = 4 * 3 * 9 * 4


def conv(bias: bool, w_in: int = 3) -> nn.Conv2d:
    return nn.Conv2d(w_in, 4, 3, padding=1, bias=bias)


def names(kernels: Any) -> list[str]:
    return [kernel.name.removeprefix("aten.") for kernel in kernels]


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_folds_and_the_activation_joins(kernels_of_module: Any, bias: bool) -> None:
    net = nn.Sequential(conv(bias), nn.BatchNorm2d(4), nn.ReLU())
    (kernel,) = kernels_of_module(net, IMAGE, runtime="engine")
    elements = 2 * 4 * 64

    # The scale is in the weight; the shift is one vector and one addition, with a bias of the convolution or without.
    assert kernel.name == "aten.convolution +2"
    assert (kernel.read_bytes, kernel.write_bytes, kernel.weight_bytes) == (X + WEIGHT + VECTOR, OUT, WEIGHT + VECTOR)
    assert kernel.matrix_flops == 2 * kernel.macs == 2 * 27 * elements
    assert kernel.vector_flops == 2 * elements


def test_a_norm_without_weights_still_leaves_a_shift(kernels_of_module: Any) -> None:
    net = nn.Sequential(conv(bias=False), nn.BatchNorm2d(4, affine=False))
    (kernel,) = kernels_of_module(net, IMAGE, runtime="engine")
    assert kernel.weight_bytes == WEIGHT + VECTOR
    assert kernel.vector_flops == 2 * 4 * 64


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_folds_into_a_linear_layer(kernels_of_module: Any, bias: bool) -> None:
    net = nn.Sequential(nn.Linear(8, 4, bias=bias), nn.BatchNorm1d(4))
    (kernel,) = kernels_of_module(net, (5, 8), runtime="engine")
    assert kernel.read_bytes == 5 * 8 * 4 + 32 * 4 + VECTOR
    assert (kernel.macs, kernel.vector_flops) == (5 * 32, 5 * 4)


def test_batch_norm_of_other_channels_does_not_fold(kernels_of_module: Any) -> None:
    # over the tokens of (N, L, C), which are no channels of the linear layer
    net = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(6))
    assert names(kernels_of_module(net, (5, 6, 8), runtime="engine")) == ["addmm", "native_batch_norm"]


def test_batch_norm_before_a_convolution_does_not_fold(kernels_of_module: Any) -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), conv(bias=False))
    assert names(kernels_of_module(net, IMAGE, runtime="engine")) == ["native_batch_norm", "convolution"]


def test_in_training_batch_norm_stays(kernels_of_module: Any) -> None:
    net = nn.Sequential(conv(bias=False), nn.BatchNorm2d(4), nn.ReLU())
    kernels = kernels_of_module(net, IMAGE, runtime="engine", mode="training")
    assert "native_batch_norm +1" in names(kernels)  # with the activation
    assert "convolution" in names(kernels)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(bias=True, w_in=4), conv(bias=True, w_in=4)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        return self.act(x + self.b(self.act(self.a(x))))


def test_a_residual_sum_runs_in_the_epilogue(kernels_of_module: Any) -> None:
    first, second = kernels_of_module(Residual(), (2, 4, 8, 8), runtime="engine")
    weight = 4 * 4 * 9 * 4 + VECTOR
    assert names([first, second]) == ["convolution +1", "convolution +2"]
    assert (first.read_bytes, first.write_bytes) == (OUT + weight, OUT)
    assert (second.read_bytes, second.write_bytes) == (2 * OUT + weight, OUT)  # the shortcut is read beside
    assert second.vector_flops == 3 * 2 * 4 * 64  # bias, sum, activation


class Meeting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(bias=False), conv(bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        return (self.a(x) + self.b(x)).relu()


def test_of_two_convolutions_that_meet_the_later_adds(kernels_of_module: Any) -> None:
    first, second = kernels_of_module(Meeting(), IMAGE, runtime="engine")
    assert [kernel.module for kernel in (first, second)] == ["a", "b"]
    assert (first.read_bytes, first.write_bytes) == (X + WEIGHT, OUT)
    assert (second.read_bytes, second.write_bytes) == (X + WEIGHT + OUT, OUT)


def test_squeeze_and_excitation(kernels_of_module: Any) -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.down, self.up = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

        def forward(self, x: torch.Tensor) -> Any:
            return x * self.up(self.down(self.pool(x)).relu()).sigmoid()

    pool, down, up, scale = kernels_of_module(Gate(), (2, 4, 8, 8), runtime="engine")
    assert names([pool, down, up, scale]) == ["mean", "convolution +1", "convolution +1", "mul"]
    assert (pool.read_bytes, pool.write_bytes) == (OUT, 8 * 4)
    assert (down.read_bytes, down.write_bytes) == (8 * 4 + 10 * 4, 4 * 4)
    assert (up.read_bytes, up.write_bytes) == (4 * 4 + 12 * 4, 8 * 4)
    assert (scale.read_bytes, scale.write_bytes) == (OUT + 8 * 4, OUT)


def test_a_transformer_block(kernels_of_module: Any) -> None:
    block = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
    kernels = kernels_of_module(block, (2, 5, 8), runtime="engine")
    t, vector = 2 * 5 * 8 * 4, 8 * 4
    weight = 8 * vector
    assert [(kernel.name, kernel.read_bytes, kernel.write_bytes) for kernel in kernels] == [
        ("aten.native_layer_norm +1", t + 2 * vector, t),  # and a copy in another order
        ("aten.mm +1", t + 3 * weight + 3 * vector, 3 * t),  # its bias comes in an operator of its own
        ("aten.clone", 3 * t, 3 * t),
        ("oracle.attention", 3 * t, t),
        ("aten.clone", t, t),
        ("aten.addmm +1", t + weight + vector + t, t),  # the residual sum
        ("aten.native_layer_norm", t + 2 * vector, t),
        ("aten.addmm +1", t + 2 * weight + 2 * vector, 2 * t),  # GELU
        ("aten.addmm +1", 2 * t + 2 * weight + vector + t, t),
    ]


def test_scales_per_channel_run_in_the_epilogue(kernels_of_module: Any) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(bias=True)
            self.gamma = nn.Parameter(torch.empty(4, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(x) * self.gamma / 6
            return out

    (kernel,) = kernels_of_module(Scaled(), IMAGE, runtime="engine")
    assert (kernel.name, kernel.weight_bytes) == ("aten.convolution +2", WEIGHT + 2 * VECTOR)


def test_a_product_with_another_tensor_does_not(kernels_of_module: Any) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(bias=True)
            self.map = nn.Parameter(torch.empty(4, 8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(x) * x.mean() * self.map
            return out

    kernels = kernels_of_module(Gated(), IMAGE, runtime="engine")
    assert names(kernels) == ["convolution", "mean", "mul +1"]
    assert kernels[-1].weight_bytes == 4 * 8 * 8 * 4


def test_a_result_that_somebody_else_needs_ends_the_epilogue(kernels_of_module: Any) -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            y = self.conv(x)
            return y.relu() * y

    assert names(kernels_of_module(Fork(), IMAGE, runtime="engine")) == ["convolution", "relu +1"]


def test_an_output_ends_the_epilogue(kernels_of_module: Any) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            y = self.conv(x)
            return y, y.relu()

    kernels = kernels_of_module(Both(), IMAGE, runtime="engine")
    assert names(kernels) == ["convolution", "relu"]
    assert kernels[0].write_bytes == OUT


def test_what_depends_on_weights_only_is_computed_beforehand(kernels_of_module: Any) -> None:
    class Reparametrised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.empty(8, 6)), nn.Parameter(torch.empty(6, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ (self.a @ self.b) + torch.arange(4)

    (kernel,) = kernels_of_module(Reparametrised(), (5, 8), runtime="engine")
    ready = 8 * 4 * 4 + 4 * 8  # the product of the weights, and four integers
    assert (kernel.name, kernel.macs) == ("aten.mm +1", 5 * 8 * 4)
    assert (kernel.read_bytes, kernel.weight_bytes) == (5 * 8 * 4 + ready, ready)


def test_random_numbers_are_not_ready(kernels_of_module: Any) -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand(8)

    assert names(kernels_of_module(Noisy(), (4, 8), runtime="engine")) == ["rand +1"]


def test_casts_run_in_epilogues_and_weights_are_stored_as_they_are_read(kernels_of_module: Any) -> None:
    net = nn.Sequential(conv(bias=True), nn.LayerNorm((8,)))
    cast, first, norm = kernels_of_module(net, IMAGE, runtime="engine", dtype="float16")
    assert names([cast, first, norm]) == ["_to_copy", "convolution", "_to_copy +1"]
    assert (cast.read_bytes, cast.write_bytes) == (X, X // 2)  # the image comes in float32
    assert (first.read_bytes, first.write_bytes) == (
        X // 2 + (WEIGHT + VECTOR) // 2,
        OUT // 2,
    )  # the cast back is the norm's
    assert first.weight_bytes == (WEIGHT + VECTOR) // 2
    assert (norm.matrix_flops, norm.vector_dtype) == (0, "float32")


def test_quantised_networks_move_one_byte_per_element_and_scales(kernels_of_module: Any) -> None:
    net = nn.Sequential(conv(bias=False), nn.ReLU())
    for dtype in ("int8", "float8"):
        (kernel,) = kernels_of_module(net, IMAGE, runtime="engine", dtype=dtype)
        assert (kernel.read_bytes, kernel.write_bytes) == ((X + WEIGHT) // 4 + VECTOR, OUT // 4)
        assert (kernel.matrix_dtype, kernel.vector_dtype) == (dtype, "float32")


def test_cells_are_borders(graph: Any) -> None:
    x = graph.given("input", 4)
    a = graph.row("conv", [x], 4, cell=0)
    b = graph.row("activation", [a], 4, cell=1)
    assert [kernel.rows for kernel in engine(graph.table(b))] == [(0,), (1,)]


@pytest.mark.parametrize(
    "name", [name for name in list_networks() if "200MF" in name or "B0" in name or "S-16" in name]
)
def test_an_engine_moves_less_and_computes_the_same_products(name: str) -> None:
    eager, fused = score(name), score(name, runtime="engine")
    assert fused.macs == eager.macs
    assert fused.flops <= eager.flops
    assert fused.traffic_bytes < eager.traffic_bytes
    assert fused.peak_memory_bytes <= eager.peak_memory_bytes
