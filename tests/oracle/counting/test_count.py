"""From rows to kernels with numbers, and their sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.counting import MATRIX_CLASSES, KernelCount, TableCount, count
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.modules import Call


def counted(module: nn.Module | Callable[..., Any], *shapes: tuple[int, ...], **workload: Any) -> TableCount:
    made = Workload(**workload)
    module = module if isinstance(module, nn.Module) else Call(module)
    return count(trace_module(module, tuple(torch.empty(shape) for shape in shapes), {}, made), made)


def kernels(
    module: nn.Module | Callable[..., Any], *shapes: tuple[int, ...], **workload: Any
) -> tuple[KernelCount, ...]:
    return counted(module, *shapes, **workload).kernels


CONV = nn.Conv2d(4, 8, 3, padding=1)


def test_products_run_on_the_matrix_unit_and_the_rest_on_the_vector_unit() -> None:
    (kernel,) = kernels(CONV, (1, 4, 6, 6))
    macs = 9 * 4 * 8 * 36
    assert (kernel.macs, kernel.matrix_flops, kernel.vector_flops) == (macs, 2 * macs, 8 * 36)  # the bias


@pytest.mark.parametrize("layer", [nn.Conv2d(8, 8, 3, groups=8), nn.ConvTranspose2d(8, 8, 3, groups=8)], ids=str)
def test_depthwise_convolutions_never_use_the_matrix_unit(layer: nn.Module) -> None:
    (kernel,) = kernels(layer, (1, 8, 6, 6))
    assert kernel.macs > 0
    assert kernel.matrix_flops == 0
    assert kernel.vector_flops >= 2 * kernel.macs
    assert "depthwise" not in MATRIX_CLASSES


@pytest.mark.parametrize(
    ("workload", "matrix", "vector"),
    [
        ({}, "float32", "float32"),
        ({"dtype": "tf32"}, "tf32", "float32"),
        ({"dtype": "float16"}, "float16", "float16"),
        ({"dtype": "bfloat16", "runtime": "compiled"}, "bfloat16", "bfloat16"),
        ({"dtype": "int8", "runtime": "engine"}, "int8", "float32"),
        ({"dtype": "float8", "runtime": "engine"}, "float8", "float32"),
    ],
    ids=str,
)
def test_a_kernel_states_the_types_it_computes_in(workload: dict[str, str], matrix: str, vector: str) -> None:
    found = next(kernel for kernel in kernels(CONV, (1, 4, 6, 6), **workload) if kernel.macs)
    assert (found.matrix_dtype, found.vector_dtype) == (matrix, vector)


def test_a_module_of_another_type_computes_in_it() -> None:
    half = torch.empty(2, 4, dtype=torch.float16)
    made = Workload()
    (kernel,) = count(trace_module(nn.Linear(4, 4).half(), (half,), {}, made), made).kernels
    assert (kernel.matrix_dtype, kernel.read_bytes) == ("float16", 2 * (8 + 16 + 4))


def test_mixed_kernels_compute_in_float32() -> None:
    (kernel,) = kernels(lambda x: (x.relu().to(torch.float16) * 2).to(torch.float32) + 1, (8,), runtime="compiled")
    assert kernel.vector_dtype == "float32"


def test_parameters_are_counted_once() -> None:
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4))
    tied[1].weight = tied[0].weight
    assert counted(tied, (2, 4)).params == 16 + 8
    layer = nn.Linear(4, 4)
    assert counted(nn.Sequential(layer, nn.ReLU(), layer), (2, 4)).params == 20


@pytest.mark.parametrize(
    ("module", "shapes", "activations"),
    [
        (CONV, [(2, 4, 6, 6)], 2 * 8 * 36),
        (nn.Sequential(CONV, nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)), [(2, 4, 6, 6)], 2 * 8 * 36),
        (nn.Linear(4, 5), [(2, 3, 4)], 30),
        (torch.bmm, [(2, 3, 4), (2, 4, 5)], 30),
        (F.scaled_dot_product_attention, [(2, 3, 5, 4)] * 3, 2 * 3 * 5 * 5 + 2 * 3 * 5 * 4),
    ],
    ids=["conv", "conv and more", "linear", "bmm", "attention"],
)
def test_activations_are_what_products_write(module: Any, shapes: list[tuple[int, ...]], activations: int) -> None:
    assert counted(module, *shapes).activations == activations


def test_activations_are_those_of_the_forward_pass() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    assert counted(net, (2, 4), mode="training").activations == counted(net, (2, 4)).activations == 10 + 6


def test_coverage_has_three_states() -> None:
    found = counted(lambda x: torch.linalg.matrix_exp((x + 1).contiguous().clone()).abs(), (8, 8))
    assert found.unknown == ("aten.linalg_matrix_exp",)
    assert found.coverage == (2, 1, 1)  # add and abs; clone; the exponential


def test_kernels_count_their_rows() -> None:
    net = nn.Sequential(CONV, nn.BatchNorm2d(8), nn.ReLU())
    (kernel,) = kernels(net, (1, 4, 6, 6), runtime="engine")
    assert (kernel.name, kernel.rows, kernel.module, kernel.phase, kernel.cell) == (
        "aten.convolution +2",
        (0, 1, 2),
        "0",
        "forward",
        0,
    )


def test_half_of_a_causal_attention_is_an_option() -> None:
    def attend(q: Any) -> Any:
        return F.scaled_dot_product_attention(q, q, q, is_causal=True)

    (full,) = kernels(attend, (1, 2, 8, 4))
    (half,) = kernels(attend, (1, 2, 8, 4), causal="half")
    assert (full.macs, half.macs) == (2 * 64 * 8, 2 * 36 * 8)
    assert full.read_bytes == half.read_bytes


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_all_that_depends_on_the_batch_is_linear_in_it(runtime: str, mode: str) -> None:
    net = nn.Sequential(CONV, nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    one, two, three = (kernels(net, (n, 4, 6, 6), runtime=runtime, mode=mode) for n in (2, 4, 6))
    for field in ("macs", "matrix_flops", "vector_flops", "read_bytes", "write_bytes"):
        first, second, third = ([getattr(kernel, field) for kernel in run] for run in (one, two, three))
        assert [b - a for a, b in zip(first, second, strict=True)] == [
            c - b for b, c in zip(second, third, strict=True)
        ]
    assert [kernel.weight_bytes for kernel in one] == [kernel.weight_bytes for kernel in three]
    forward = [kernel for kernel in one if kernel.phase == "forward"]
    assert sum(kernel.macs for kernel in forward) == 2 * (9 * 4 * 8 * 36 + 40)


def test_numbers_have_no_upper_limit() -> None:
    (kernel,) = kernels(nn.Linear(8, 8), (3, 8))
    made = Workload()
    big = torch.empty(10**15, 8, device="meta")
    (huge,) = count(trace_module(nn.Linear(8, 8), (big,), {}, made), made).kernels
    assert huge.macs == 64 * 10**15
    assert huge.read_bytes - kernel.read_bytes == (10**15 - 3) * 32
