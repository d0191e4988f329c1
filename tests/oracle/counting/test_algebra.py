"""Fourier transforms, distances, factorisations and rarer operators, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.query import profile


class Calls(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def flops(function: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    found = profile(Calls(function), *map(torch.empty, shapes))
    assert not found.unknown
    assert found.flops is not None
    return found.flops


def test_a_transform_takes_five_n_log_n_operations() -> None:
    assert flops(lambda x: torch.fft.fft(x.to(torch.complex64)), (8, 1024)) == 8 * 5 * 1024 * 10
    assert flops(torch.fft.fft, (8, 1024)) == 8 * 5 * 1024 * 10 // 2  # of real numbers, half
    # along rows of 64 real numbers, then along columns of the 33 frequencies that are kept
    assert flops(torch.fft.rfft2, (8, 64, 64)) == 8 * (64 * 5 * 64 * 6 // 2 + 33 * 5 * 64 * 6)
    assert flops(torch.fft.rfft2, (8, 64, 64)) == 998_400
    assert flops(torch.fft.fft, (1, 1000)) == 5 * 1000 * 10 // 2  # as if log2(1000) were 10


def test_distances() -> None:
    assert flops(lambda a, b: torch.cdist(a, b, p=1), (64, 32), (48, 32)) == 64 * 48 * 32 * 3
    # by a product: two more columns; norms and a factor -2 of the first, norms of the second; clamp and root
    by_product = 64 * 48 * (2 * 34 + 2) + 3 * 64 * 32 + 2 * 48 * 32
    assert flops(torch.cdist, (64, 32), (48, 32)) == by_product
    assert flops(F.pdist, (64, 32)) == 64 * 63 // 2 * 32 * 3


def test_what_moves_or_is_drawn_computes_nothing() -> None:
    moves = (
        torch.diag_embed, torch.rot90, lambda x: torch.complex(x, x),
        lambda x: torch.block_diag(x, x), lambda x: torch.permute_copy(x, (1, 0)), torch.unbind_copy,
        lambda x: torch.empty_like(x).exponential_(), lambda x: torch.diagonal_scatter(x, x[0, :4]),
    )  # fmt: skip
    assert [flops(move, (4, 6)) for move in moves] == [0] * len(moves)
    drawn = profile(Calls(lambda x: x.exponential_()), torch.empty(4, 6))
    assert drawn.traffic_bytes == 4 * 24  # written, not read


def test_rarer_reductions_by_hand() -> None:
    assert flops(torch.trace, (5, 7)) == 5
    assert flops(torch.dist, (5, 7), (5, 7)) == 3 * 35
    assert flops(torch.nanmedian, (5, 7)) == 35
    assert flops(torch.bucketize, (5, 7), (9,)) == flops(lambda x, at: torch.searchsorted(at, x), (5, 7), (9,)) == 35
    assert flops(torch.linalg.cross, (8, 3), (8, 3)) == 8 * 9


def counted_cholesky(n: int) -> int:
    """Operations of the textbook loop."""
    count = 0
    for column in range(n):
        count += 2 * column + 1  # the diagonal: squares taken off, a root
        count += (n - column - 1) * (2 * column + 1)  # below it: products taken off, a quotient
    return count


def counted_elimination(n: int) -> int:
    return sum((n - k - 1) * (1 + 2 * (n - k - 1)) for k in range(n))


@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_factorisations_count_what_their_loops_do(n: int) -> None:
    product = 2 * n**3
    assert flops(lambda x: torch.linalg.cholesky(x @ x), (n, n)) == product + counted_cholesky(n)
    assert flops(lambda x: torch.linalg.lu_factor(x)[0], (3, n, n)) == 3 * counted_elimination(n)
    assert flops(torch.linalg.solve, (n, n), (n, 5)) == counted_elimination(n) + 2 * n * n * 5
    assert flops(torch.linalg.inv, (n, n)) == counted_elimination(n) + 2 * n**3


def test_singular_values_and_qr_by_their_leading_terms() -> None:
    assert flops(lambda x: torch.linalg.svd(x, full_matrices=False)[0], (32, 8)) == 6 * 32 * 64 + 20 * 512
    assert flops(torch.linalg.qr, (32, 8)) == 2 * 64 * (3 * 32 - 8) // 3
    assert flops(torch.linalg.eigh, (8, 8)) == 9 * 512
    assert flops(torch.linalg.eig, (8, 8)) == 25 * 512
    assert flops(torch.linalg.pinv, (32, 8)) == 6 * 32 * 64 + 20 * 512 + 64 + 2 * 32 * 64


def test_a_convolution_over_time_is_a_convolution() -> None:
    time = flops(torch.conv_tbc, (10, 4, 16), (3, 16, 32), (32,))
    usual = flops(F.conv1d, (4, 16, 10), (32, 16, 3), (32,))
    assert time == usual == 8 * 4 * 32 * (2 * 3 * 16 + 1)


def test_a_loss_of_logits_costs_at_least_its_parts() -> None:
    def by_hand(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return ((1 - y) * x - F.logsigmoid(x)).mean()

    ours = flops(F.binary_cross_entropy_with_logits, (64, 32), (64, 32))
    assert ours == flops(by_hand, (64, 32), (64, 32)) == 9 * 64 * 32


def test_float64_runs_where_a_device_has_a_rate_for_it() -> None:
    layer, x = nn.Linear(4096, 4096, bias=False).double(), torch.empty(4096, 4096, dtype=torch.float64)
    found = profile(layer, x, devices=["a100-sxm-80gb", "v100-sxm2"])
    assert found.roofline_ms["a100-sxm-80gb"] == pytest.approx(2 * 4096**3 / 19.5e12 * 1e3)
    assert found.roofline_ms["v100-sxm2"] == pytest.approx(2 * 4096**3 / 7.8e12 * 1e3)  # it has no matrix unit for it


def test_rows_that_are_too_long_are_squared_summed_and_scaled() -> None:
    assert flops(lambda x: torch.renorm(x, 2, 0, 1.0), (4, 8)) == 3 * 32


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.linalg.svdvals, 2 * 512 + 2 * 512),
        (torch.linalg.eigvalsh, 4 * 512 // 3),
        (torch.linalg.eigvals, 10 * 512),
        (torch.linalg.cond, 2 * 512 + 2 * 512 + 1),  # and a quotient
        (lambda x: torch.linalg.matrix_norm(x, "nuc"), 2 * 512 + 2 * 512 + 8),  # and a sum
    ],
    ids=["svdvals", "eigvalsh", "eigvals", "cond", "nuclear"],
)
def test_values_alone_cost_no_vectors(function: Callable[..., Any], expected: int) -> None:
    assert flops(function, (8, 8)) == expected


def test_values_whose_gradient_is_wanted_need_vectors() -> None:
    module = nn.Sequential(nn.Linear(8, 8, bias=False), Calls(torch.linalg.svdvals))
    forward = [
        kernel
        for kernel in profile(module, torch.empty(8, 8), mode="training", devices=["t4"]).kernels("t4")
        if kernel.phase == "forward"
    ]
    assert sum(kernel.flops for kernel in forward) == 2 * 512 + 6 * 512 + 20 * 512
