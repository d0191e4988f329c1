"""Classes of kernels, of traced modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oracle.calibration import CLASSES, kernel_class
from oracle.counting import count
from oracle.spec import Workload
from oracle.trace import trace_module


def classes(module: nn.Module, *shape: int, **workload: str) -> list[str]:
    asked = Workload(**workload)  # type: ignore[arg-type]
    table = trace_module(module.eval(), (torch.empty(*shape, device="meta"),), {}, asked)
    return [kernel_class(table, kernel.rows) for kernel in count(table, asked).kernels]


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(8, 16, 3), (1, 8, 9, 9), "conv"),
        (nn.Conv2d(8, 16, 1), (1, 8, 9, 9), "pointwise_conv"),
        (nn.Conv2d(8, 16, (1, 3)), (1, 8, 9, 9), "conv"),
        (nn.Conv2d(8, 8, 3, groups=8), (1, 8, 9, 9), "depthwise"),
        (nn.Conv2d(8, 8, 1, groups=2), (1, 8, 9, 9), "grouped"),
        (nn.Linear(8, 4), (2, 8), "matmul"),
        (nn.BatchNorm2d(8), (1, 8, 9, 9), "batch_norm"),
        (nn.LayerNorm(8), (2, 8), "layer_norm"),
        (nn.GroupNorm(2, 8), (1, 8, 9, 9), "group_norm"),
        (nn.GELU(), (2, 8), "activation"),
        (nn.Softmax(-1), (2, 8), "softmax"),
        (nn.MaxPool2d(2), (1, 8, 8, 8), "pool"),
    ],
)
def test_one_operator(module: nn.Module, shape: tuple[int, ...], expected: str) -> None:
    assert classes(module, *shape) == [expected]
    assert expected in CLASSES


def test_a_norm_whose_result_is_reduced_in_the_same_kernel() -> None:
    class Squeeze(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.norm(x)).mean((2, 3))

    assert classes(Squeeze(), 2, 8, 4, 4, runtime="compiled") == ["squeeze"]
    assert classes(Squeeze(), 2, 8, 4, 4, runtime="eager") == ["batch_norm", "activation", "reduction"]


def test_autocast_casts_are_told_from_copies() -> None:
    assert classes(nn.Linear(8, 4), 2, 8, dtype="float16").count("cast") == 3  # input, weight and bias
