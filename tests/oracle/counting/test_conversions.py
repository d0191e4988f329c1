"""Folding of conversions on tables by hand, and what engines fuse of integers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.counting import count
from oracle.counting.conversions import runs_integers, without_conversions
from oracle.counting.fusion.engines import rules_of
from oracle.spec import Workload
from oracle.trace import trace_module
from oracle.trace.conversions import dequantised, quantised


class Layer(nn.Module):
    """int8 -> floats -> a convolution -> int8 and the floats if asked for both, else after an activation."""

    def __init__(self, both: bool = False, inside: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 3, 1, 1, dtype=torch.int8), requires_grad=False)
        self.register_buffer("scale", torch.ones(8))
        self.both, self.inside = both, inside

    def forward(self, x: Any) -> Any:
        x = dequantised(x, [], torch.float32, inside=self.inside)
        weight = dequantised(self.weight, [self.scale], torch.float32, inside=self.inside)
        y = nn.functional.conv2d(x, weight)
        y = y if self.both else torch.relu(y)
        z = quantised(y, torch.int8, inside=self.inside)
        return (z, y) if self.both else z


X = torch.empty(1, 3, 4, 4, dtype=torch.int8)


def traced(module: nn.Module) -> Any:
    return trace_module(module, (X,), {}, Workload())


@pytest.mark.parametrize(("both", "written"), [(False, 8 * 16), (True, (1 + 4) * 8 * 16)])
def test_an_engine_runs_one_kernel_on_integers(both: bool, written: int) -> None:
    (kernel,) = count(traced(Layer(both)), Workload(runtime="engine")).kernels
    assert (kernel.weight_bytes, kernel.read_bytes, kernel.write_bytes) == (24 + 32, 24 + 32 + 48, written)
    assert kernel.matrix_dtype == "int8"


def test_other_runtimes_fold_what_is_inside_of_an_operator_only() -> None:
    assert [kernel.name for kernel in count(traced(Layer(inside=True)), Workload()).kernels] == [
        "aten.convolution", "aten.relu",
    ]  # fmt: skip
    assert len(count(traced(Layer()), Workload()).kernels) == 5


def test_folding_again_changes_nothing() -> None:
    table = traced(Layer())
    once = without_conversions(table, "engine")
    assert without_conversions(once, "engine").rows == once.rows
    assert len(once.rows) == len(table.rows)
    assert (runs_integers(table), runs_integers(once)) == (False, True)
    assert without_conversions(table, "eager") is table


def test_onnxruntime_adds_and_activates_integers_in_kernels_of_their_own() -> None:
    floats, integers = rules_of("onnxruntime"), rules_of("onnxruntime", quantised=True)
    assert (floats.conv_sum, integers.conv_sum) == (True, False)
    assert "aten.sigmoid" not in (integers.conv or ())
    assert integers.block == 0
    assert rules_of("ncnn", quantised=True) is rules_of("ncnn")


class Border(nn.Module):
    """A convolution in floats between two in integers: int8 -> floats -> int8, conversions standing apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 3, 1, 1))
        self.last = nn.Parameter(torch.zeros(4, 8, 1, 1, dtype=torch.int8), requires_grad=False)
        self.register_buffer("scale", torch.ones(4))

    def forward(self, x: Any) -> Any:
        x = torch.relu(nn.functional.conv2d(dequantised(x, [], torch.float32, inside=False), self.weight))
        y = dequantised(quantised(x, torch.int8, inside=False), [], torch.float32, inside=False)
        last = dequantised(self.last, [self.scale], torch.float32, inside=False)
        return quantised(nn.functional.conv2d(y, last), torch.int8, inside=False)


def test_conversions_at_the_border_of_floats_are_kernels() -> None:
    workload = Workload(runtime="engine")
    found = count(trace_module(Border(), [X], {}, workload), workload).kernels
    assert [(kernel.name, kernel.read_bytes + kernel.write_bytes) for kernel in found] == [
        ("oracle.dequantize", (1 + 4) * 48),
        ("aten.convolution +1", 4 * (48 + 24 + 128)),  # operands in floats
        ("oracle.quantize", (4 + 1) * 128),
        ("aten.convolution", 128 + 32 + 4 * 4 + 64),  # and in integers, of which it makes such again
    ]
    assert [kernel.matrix_dtype for kernel in found if kernel.macs] == ["float32", "int8"]
