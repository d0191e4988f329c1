from __future__ import annotations

from typing import Any

import torch
from torch import nn

from oracle.counting.fusion.eager import eager
from oracle.spec import Workload
from oracle.trace import trace_module


def test_every_operator_is_a_kernel(kernels_of_module: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    conv, norm, relu = kernels_of_module(net, (2, 3, 8, 8))
    out = 2 * 4 * 8 * 8 * 4

    assert (conv.read_bytes, conv.write_bytes, conv.weight_bytes) == (2 * 3 * 64 * 4 + 108 * 4, out, 108 * 4)
    assert (norm.read_bytes, norm.write_bytes, norm.weight_bytes) == (out + 4 * 4 * 4, out, 4 * 4 * 4)
    assert (relu.read_bytes, relu.write_bytes, relu.weight_bytes) == (out, out, 0)
    assert [kernel.rows for kernel in (conv, norm, relu)] == [(0,), (1,), (2,)]


def test_dead_operators_run_all_the_same(kernels_of_module: Any) -> None:
    class Wasteful(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.exp()
            return x + 1

    assert [kernel.name for kernel in kernels_of_module(Wasteful(), (4,))] == ["aten.exp", "aten.add"]


def test_kernels_are_in_program_order() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    table = trace_module(net, (torch.empty(3, 4),), {}, Workload(mode="training"))
    kernels = eager(table)
    assert [kernel.main for kernel in kernels] == list(range(len(table.rows)))
    assert [table.rows[kernel.main].phase for kernel in kernels] == sorted(
        (row.phase for row in table.rows), key=["forward", "backward", "optimizer"].index
    )
