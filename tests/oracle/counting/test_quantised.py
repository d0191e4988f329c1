"""What is stored in how many bytes, by hand; whole files of onnxruntime are compared in `tests/oracle/sources/onnx`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.counting import KernelCount, count
from oracle.counting.quantised import quantised
from oracle.spec import WEIGHT_GROUPS, Workload
from oracle.trace import trace_module


def counted(module: nn.Module, shape: tuple[int, ...], **words: Any) -> Any:
    workload = Workload(runtime="engine", **words)
    return count(trace_module(module, (torch.empty(shape, device="meta"),), {}, workload), workload)


def only(module: nn.Module, shape: tuple[int, ...], **words: Any) -> KernelCount:
    """The kernel of a module that has one; in half precision after a cast of its input."""
    *casts, kernel = counted(module, shape, **words).kernels
    assert [cast.name for cast in casts] in ([], ["aten._to_copy"])
    return kernel


@pytest.mark.parametrize("dtype", ["int8", "float8"])
def test_biases_stay_in_four_bytes_and_every_channel_has_a_scale(dtype: str) -> None:
    conv, linear = nn.Conv2d(8, 12, 3, padding=1, groups=4), nn.Linear(6, 5)
    kernel = only(conv, (2, 8, 4, 4), dtype=dtype)
    assert kernel.weight_bytes == 12 * 2 * 9 + (4 + 4) * 12
    assert kernel.read_bytes + kernel.write_bytes - kernel.weight_bytes == 2 * (8 + 12) * 16
    kernel = only(linear, (3, 6), dtype=dtype)
    assert kernel.weight_bytes == 30 + (4 + 4) * 5
    assert kernel.matrix_dtype == dtype


def test_a_transposed_convolution_has_its_channels_second() -> None:
    kernel = only(nn.ConvTranspose2d(8, 12, 2, bias=False), (1, 8, 4, 4), dtype="int8")
    assert kernel.weight_bytes == 8 * 12 * 4 + 4 * 12


def test_a_folded_norm_leaves_a_bias() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    assert only(net, (1, 3, 2, 2), dtype="int8").weight_bytes == 12 + (4 + 4) * 4


def test_vectors_of_norms_and_tables_of_embeddings() -> None:
    norm = only(nn.LayerNorm(16), (2, 16), dtype="int8")
    assert (norm.weight_bytes, norm.read_bytes, norm.vector_dtype) == (4 * 32, 4 * 32 + 32, "float32")

    class Tokens(nn.Embedding):
        def forward(self, x: Any) -> Any:
            return super().forward(x.long())

    found = counted(Tokens(100, 16), (2, 3), dtype="int8").kernels[-1]
    assert found.weight_bytes == 2 * 3 * 16  # the rows that are looked up, a byte an element


def test_products_of_activations_have_no_scales() -> None:
    class Product(nn.Module):
        def forward(self, x: Any) -> Any:
            return x @ x.transpose(-1, -2)

    kernel = only(Product(), (2, 3, 5), dtype="int8")
    assert (kernel.weight_bytes, kernel.read_bytes, kernel.write_bytes) == (0, 30, 18)


def test_a_weight_that_two_layers_share_is_kept_once_with_its_scales() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8, bias=False)

        def forward(self, x: Any) -> Any:
            return self.layer(self.layer(x))

    found = counted(Twice(), (2, 8), dtype="int8")
    assert [kernel.weight_bytes for kernel in found.kernels] == [64 + 32, 64 + 32]
    assert sum(found.sizes[storage] for storage in found.lifetimes.weights) == 64 + 32


def test_a_table_is_quantised_once() -> None:
    workload = Workload(runtime="engine", dtype="int8")
    table = trace_module(nn.Linear(6, 5), (torch.empty(3, 6, device="meta"),), {}, workload)
    once = quantised(table, workload)
    assert quantised(once, workload) is once
    assert quantised(table, Workload(runtime="engine")) is table
    assert [len(found.rows) for found in (table, once)] == [1, 1]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("tf32", 4), ("float16", 2), ("bfloat16", 2)])
def test_weights_alone(dtype: str, size: int) -> None:
    width = 2 * WEIGHT_GROUPS["int4"] + 1
    linear, conv = nn.Linear(width, 6, bias=False), nn.Conv2d(3, 5, 3, bias=False)
    plain = only(linear, (4, width), dtype=dtype)
    for weights, stored, scales in (("int8", 6 * width, 6), ("int4", 3 * width, 6 * 3)):
        kernel = only(linear, (4, width), dtype=dtype, weights=weights)
        assert kernel.weight_bytes == stored + scales * size
        assert kernel.read_bytes - kernel.weight_bytes == plain.read_bytes - plain.weight_bytes
        assert (kernel.write_bytes, kernel.macs, kernel.matrix_dtype) == (plain.write_bytes, plain.macs, dtype)
    for weights, stored in (("int8", 135), ("int4", 68)):  # an odd number of half bytes is filled up
        assert only(conv, (1, 3, 4, 4), dtype=dtype, weights=weights).weight_bytes == stored + 5 * size


def test_biases_and_norms_keep_their_type_where_weights_alone_are_quantised() -> None:
    linear, norm = nn.Linear(16, 6), nn.LayerNorm(16)
    assert only(linear, (4, 16), weights="int4").weight_bytes == 48 + 4 * 6 + 4 * 6
    assert only(norm, (4, 16), weights="int4").weight_bytes == only(norm, (4, 16)).weight_bytes
