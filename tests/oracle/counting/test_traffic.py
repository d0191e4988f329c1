from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.counting import KernelCount, count
from oracle.counting.traffic import stored_bytes
from oracle.optable import ITEMSIZE
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.modules import Call


def kernels(module: nn.Module | Callable[..., Any], *inputs: torch.Tensor, **workload: Any) -> tuple[KernelCount, ...]:
    made = Workload(**workload)
    module = module if isinstance(module, nn.Module) else Call(module)
    return count(trace_module(module, inputs, {}, made), made).kernels


def moved(function: nn.Module | Callable[..., Any], *inputs: torch.Tensor) -> tuple[int, int]:
    """Bytes read and written by the last kernel."""
    kernel = kernels(function, *inputs)[-1]
    return kernel.read_bytes, kernel.write_bytes


X = torch.empty(6, 4)
IDS = torch.zeros(2, 3, dtype=torch.long)
FLAT = torch.zeros(2, dtype=torch.long)


def test_a_loss_reads_the_scores_of_the_right_classes() -> None:
    target = torch.zeros(64, dtype=torch.long)
    # 64 scores and 64 positions in; the mean and the sum of weights out
    assert moved(lambda scores: F.nll_loss(scores, target), torch.empty(64, 1000)) == (64 * 4 + 64 * 8, 2 * 4)


@pytest.mark.parametrize(
    ("function", "inputs", "read", "written"),
    [
        (lambda x: x + 1, (X,), 96, 96),
        (lambda x: x + x, (X,), 96, 96),
        (lambda x: x * x[:1], (X,), 96 + 16, 96),
        (lambda x: x + x[0].expand(6, 4), (X,), 96 + 16, 96),
        (lambda x: x.t().contiguous(), (X,), 96, 96),
        (lambda x: x.add_(1), (X,), 96, 96),
        (lambda x: x[:2].add_(1), (X,), 32, 32),
        (lambda x: x.zero_(), (X,), 0, 96),
        (lambda x: x.copy_(x[:1].clone()), (X,), 16, 96),
        (torch.zeros_like, (X,), 0, 96),
        (lambda x: torch.cat([x, x[:2]]), (X,), 96 + 32, 128),
        (lambda x: x.to(torch.float16), (X,), 96, 48),
        (lambda x: x > 0, (X,), 96, 24),
        (lambda x: torch.where(x > 0, x, 0.0), (X,), 24 + 96 + 4, 96),
        (lambda x: x.max(0), (X,), 96, 16 + 32),
        (lambda x: x.sum(), (X,), 96, 4),
        (lambda x: x.expand(3, 6, 4).sum(0), (X,), 96, 96),
        (lambda x: torch.mm(x, x.t()), (X,), 96, 144),
        (lambda x: torch.mm(x, x.t(), out=torch.empty(6, 6)), (X,), 96, 144),
        (lambda x: x.bernoulli_(), (X,), 0, 96),
        (lambda x: x.to(torch.complex64), (X,), 96, 192),
        (lambda x: torch._foreach_mul([x, x[:1]], 2.0), (X,), 96 + 16, 96 + 16),
    ],
    ids=itertools.count(),  # the text of a lambda is its address, which differs between the workers of xdist
)
def test_bytes_by_hand(function: Callable[..., Any], inputs: tuple[Any, ...], read: int, written: int) -> None:
    assert moved(function, *inputs) == (read, written)


def test_a_lookup_reads_the_rows_it_picks() -> None:
    table = nn.Embedding(1000, 4)
    assert moved(table, IDS) == (6 * 8 + 6 * 16, 6 * 16)
    assert moved(nn.Embedding(2, 4), IDS) == (6 * 8 + 2 * 16, 6 * 16)  # never more than there is
    assert moved(lambda x, i: x[i], torch.empty(1000, 4), IDS) == (6 * 8 + 96, 96)
    assert moved(lambda x, i: x.index_select(0, i), torch.empty(1000, 4), FLAT) == (2 * 8 + 32, 32)


@pytest.mark.parametrize(
    ("function", "picked", "overwrites"),
    [
        (lambda x, i, v: x.index_add_(0, i, v), 8, False),
        (lambda x, i, v: x.index_copy_(0, i, v), 8, True),
        (lambda x, i, v: x.index_put_((i,), v), 8, True),
        (lambda x, i, v: x.index_put_((i,), v, accumulate=True), 8, False),
        (lambda x, i, v: x.scatter_(0, i[:, None], v), 2, True),
        (lambda x, i, v: x.scatter_(0, i[:, None], v, reduce="add"), 2, False),
        (lambda x, i, v: x.scatter_(0, i[:, None].expand(2, 4), v), 8, True),
        (lambda x, i, v: x.scatter_add_(0, i[:, None], v), 2, False),
        (lambda x, i, v: x.scatter_reduce_(0, i[:, None], v, "amax"), 2, False),
    ],
    ids="add copy put put-add scatter scatter-sum expanded scatter_add reduce".split(),
)
def test_a_scatter_touches_what_it_is_given(function: Callable[..., Any], picked: int, overwrites: bool) -> None:
    values = torch.empty(2, 4)
    read, written = moved(function, torch.empty(1000, 4), FLAT, values)
    assert written == picked * 4
    assert read == (0 if overwrites else picked * 4) + 2 * 8 + 8 * 4


def test_a_scatter_of_one_number_touches_an_element_per_index() -> None:
    assert moved(lambda x, i: x.index_put_((i,), torch.zeros(())), torch.empty(1000), FLAT)[1] == 2 * 4


def test_gradients_that_nobody_wants_are_not_computed() -> None:
    x, w, out = 2 * 3 * 64 * 4, 8 * 27 * 4, 2 * 8 * 64 * 4
    first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    image = torch.empty(2, 3, 8, 8)
    (back,) = (k for k in kernels(first, image, mode="training") if k.phase == "backward")
    assert (back.read_bytes, back.write_bytes) == (out + x, w)  # the weight's gradient needs the image
    assert back.weight_bytes == 0

    second = nn.Sequential(nn.ReLU6(), nn.Conv2d(3, 3, 1, bias=False), first.requires_grad_(requires_grad=False))
    back = next(k for k in kernels(second, image, mode="training") if k.phase == "backward")
    assert (back.read_bytes, back.write_bytes) == (out + w, x)  # the image's needs the weight


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveMaxPool2d(4)], ids=str)
def test_the_gradient_of_a_pool_does_not_read_its_input(pool: nn.Module) -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), pool)
    found = kernels(net, torch.empty(2, 3, 8, 8), mode="training")
    back = next(k for k in found if k.phase == "backward" and "pool" in k.name)
    small, large = 2 * 3 * 16, 2 * 3 * 64
    indices = 0 if isinstance(pool, nn.AvgPool2d) else 8 * small
    assert (back.read_bytes, back.write_bytes) == (4 * small + indices, 4 * large)


def test_attention_moves_its_inputs_and_its_output() -> None:
    q, k = torch.empty(2, 6, 5, 4), torch.empty(2, 3, 7, 4)
    mask = torch.empty(5, 7, dtype=torch.bool)
    read, written = moved(lambda q, k, mask: F.scaled_dot_product_attention(q, k, k, mask, enable_gqa=True), q, k, mask)
    assert read == (q.numel() + k.numel()) * 4 + 35
    assert written == q.numel() * 4 + 2 * 6 * 5 * 4  # and the log-sum-exp of each row


def test_weights_are_told_from_activations() -> None:
    conv, norm = kernels(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), torch.empty(1, 3, 2, 2))
    assert conv.weight_bytes == (12 + 4) * 4
    assert norm.weight_bytes == 4 * 4 * 4
    assert conv.read_bytes - conv.weight_bytes == 3 * 4 * 4


def test_types_have_their_size_and_four_bits_are_packed_by_twos() -> None:
    packed = {"int4", "uint4"}
    assert all(stored_bytes(3, dtype) == 3 * size for dtype, size in ITEMSIZE.items() if dtype not in packed)
    assert [stored_bytes(elements, "uint4") for elements in (0, 1, 2, 3)] == [0, 1, 1, 2]


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float8_e4m3fn", "float8_e8m0fnu", "int16"])
def test_unusual_types_have_their_size(dtype: str) -> None:
    made = getattr(torch, dtype)
    assert moved(lambda x: x.to(made), X) == (96, 24 * made.itemsize)


def test_eight_bit_products_run_in_eight_bits() -> None:
    eight = torch.empty(32, 32, dtype=torch.float8_e4m3fn, device="meta")
    one = torch.ones((), device="meta")
    (kernel,) = kernels(lambda a, s: torch._scaled_mm(a, a.t(), s, s, out_dtype=torch.bfloat16), eight, one)
    assert (kernel.matrix_dtype, kernel.macs) == ("float8", 32**3)
    assert (kernel.read_bytes, kernel.write_bytes) == (32 * 32 + 4, 2 * 32 * 32)

    if hasattr(F, "scaled_mm"):  # the same in public
        whole = F.ScalingType.TensorWise
        (kernel,) = kernels(lambda a, s: F.scaled_mm(a, a.t(), s, whole, s, whole), eight, one)
        assert (kernel.matrix_dtype, kernel.macs) == ("float8", 32**3)
        assert (kernel.read_bytes, kernel.write_bytes) == (32 * 32 + 4, 2 * 32 * 32)

    integers = torch.zeros(32, 32, dtype=torch.int8)
    (kernel,) = kernels(torch._int_mm, integers, integers + 1)
    assert (kernel.matrix_dtype, kernel.macs) == ("int8", 32**3)
    assert (kernel.read_bytes, kernel.write_bytes) == (2 * 32 * 32, 4 * 32 * 32)


def test_a_bag_of_embeddings_reads_the_rows_that_it_sums() -> None:
    ids, bags = torch.zeros(128, 20, dtype=torch.int64), nn.EmbeddingBag(1_000_000, 64)
    read, _ = moved(bags, ids)
    assert read == 128 * 20 * 64 * 4 + 128 * 20 * 8 + 128 * 8 + 128 * 8 - 128 * 8  # rows, indices, offsets


def test_what_samples_an_image_reads_no_more_than_the_neighbours_of_its_samples() -> None:
    image, grid = torch.empty(1, 3, 1000, 1000), torch.empty(1, 10, 10, 2)
    assert moved(lambda x, g: F.grid_sample(x, g, align_corners=False), image, grid)[0] == (4 * 300 + 200) * 4
    assert moved(lambda x: F.interpolate(x, size=(10, 10)), image)[0] == 300 * 4
    assert moved(lambda x: F.interpolate(x, size=(10, 10), mode="bilinear"), image)[0] == 4 * 300 * 4
    assert moved(lambda x: F.interpolate(x, scale_factor=2.0), torch.empty(1, 3, 8, 8))[0] == 3 * 64 * 4  # all of it


def test_filling_rows_by_index_reads_the_index_alone() -> None:
    index = torch.zeros(10, dtype=torch.int64)
    assert moved(lambda x, i: x.index_fill_(0, i, 1.0), torch.empty(100_000, 8), index) == (80, 320)
    assert moved(lambda x, i: x.index_fill_(1, i, 1.0), torch.empty(4, 100), index) == (80, 160)


def test_windows_that_overlap_share_what_they_read() -> None:
    assert moved(lambda x: x.unfold(-1, 64, 1).amax(-1), torch.empty(1, 1000)) == (4000, 937 * 4)
    assert moved(lambda x: x.unfold(-1, 64, 32).amax(-1), torch.empty(1, 1000))[0] == (29 * 32 + 64) * 4
    assert moved(lambda x: x.unfold(-1, 8, 8).amax(-1), torch.empty(3, 64))[0] == 3 * 64 * 4  # side by side
    assert moved(lambda x: x.unfold(-1, 4, 10).amax(-1), torch.empty(1, 64))[0] == 7 * 4 * 4  # with gaps
