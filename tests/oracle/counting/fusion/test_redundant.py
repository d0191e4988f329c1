from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from oracle.cells import make_cell
from oracle.counting.fusion import kernels_of
from oracle.counting.fusion.redundant import without_redundant
from oracle.optable import OpTable
from oracle.spec import CellSpec, Workload
from oracle.trace import trace_module

Names = Counter[str]


def table_of(module: nn.Module, mode: str = "inference", width: int = 4) -> OpTable:
    return trace_module(module, (torch.empty(2, width, 8, 8),), {}, Workload(mode=mode))


def cell(ops: str) -> nn.Module:
    arch = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops.split())
    return make_cell(CellSpec.make("nasbench201_cell", width=4, arch=arch, bn_eps=1e-5, bn_momentum=0.1))


def kernels(ops: str, runtime: str) -> Names:
    table = table_of(cell(ops))
    return Counter(table.rows[row].name for kernel in kernels_of(table, runtime) for row in kernel.rows)


DEAD = "nor_conv_3x3 none none skip_connect none none"  # nobody reads the first node but through `none`
LIVE = "nor_conv_1x1 none none nor_conv_3x3 skip_connect none"


def test_eager_executes_as_written() -> None:
    assert kernels(DEAD, "eager")["aten.convolution"] == 1
    assert (kernels(DEAD, "eager")["aten.mul"], kernels(DEAD, "eager")["aten.add"]) == (4, 3)


def test_compilers_keep_products_with_zero() -> None:
    assert kernels(DEAD, "compiled") == kernels(DEAD, "eager")


def test_an_engine_drops_what_only_zeros_read() -> None:
    assert kernels(DEAD, "engine")["aten.convolution"] == 0


def test_an_engine_drops_zeros_and_sums_with_them() -> None:
    found = kernels(LIVE, "engine")
    assert found["aten.mul"] == 0
    assert found["aten.add"] == 1  # of the two edges that bring something
    assert found["aten.convolution"] == 2


def test_a_convolution_of_zeros_runs() -> None:
    """Its input is made once, from the input of the cell, so that nothing else has to run for it."""
    found = kernels("nor_conv_1x1 none none none none nor_conv_3x3", "engine")
    assert (found["aten.mul"], found["aten.convolution"]) == (1, 1)


@pytest.mark.parametrize("first", ["none none none", "nor_conv_3x3 nor_conv_3x3 none"])
def test_an_output_of_zeros_is_made_from_the_input(first: str) -> None:
    assert kernels(f"{first} none none none", "engine") == Counter({"aten.mul": 1})


def test_a_cell_that_only_hands_on_keeps_a_sum() -> None:
    found = kernels(DEAD, "engine")
    assert (found["aten.mul"], found["aten.add"]) == (1, 1)


class Twice(nn.Module):
    """Two activations of one tensor."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first(x), self.second(x)])


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [(nn.ReLU(), nn.ReLU(), 1), (nn.ReLU(), nn.SiLU(), 2), (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2), 2)],
)
def test_an_engine_activates_a_tensor_once(first: nn.Module, second: nn.Module, left: int) -> None:
    table = table_of(Twice(first, second))
    assert sum(len(kernel.rows) for kernel in kernels_of(table, "engine")) == left + 1
    assert sum(len(kernel.rows) for kernel in kernels_of(table, "compiled")) == 3


def test_the_edges_of_a_node_share_their_activation() -> None:
    found = kernels("nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 nor_conv_3x3", "engine")
    assert (found["aten.relu"], found["aten.convolution"]) == (3, 6)  # one for each node that edges leave


def test_training_keeps_everything() -> None:
    table = table_of(cell(DEAD), "training")
    assert without_redundant(table) is table


class Scaled(nn.Module):
    """x + factor * x, and what else might be mistaken for a sum with zeros."""

    def __init__(self, factor: float, alpha: float = 1.0) -> None:
        super().__init__()
        self.factor, self.alpha = factor, alpha

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(x)
        return torch.add(y.mul(self.factor), y, alpha=self.alpha)


@pytest.mark.parametrize(("factor", "alpha", "rows"), [(0.0, 1.0, 1), (0.5, 1.0, 3), (0.0, 2.0, 3)])
def test_only_unscaled_sums_with_products_with_zero_go(factor: float, alpha: float, rows: int) -> None:
    table = table_of(Scaled(factor, alpha))
    assert sum(len(kernel.rows) for kernel in kernels_of(table, "engine")) == rows


class Broadcast(nn.Module):
    """A sum with zeros that also changes the shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul(0.0) + torch.relu(x[:1, :1, :1, :1])


def test_a_sum_that_changes_the_shape_stays() -> None:
    found = kernels_of(table_of(Broadcast()), "engine")
    assert [kernel.rows for kernel in found] == [(0, 1, 2)]


def test_a_table_without_zeros_and_repeats_is_as_it_was() -> None:
    table = table_of(cell("nor_conv_1x1 skip_connect avg_pool_3x3 skip_connect nor_conv_3x3 avg_pool_3x3"))
    assert without_redundant(table) == table
