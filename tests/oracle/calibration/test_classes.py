"""Classes of kernels, of traced modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from oracle.calibration import CLASSES, kernel_class
from oracle.calibration.classes import WHOLES
from oracle.counting import count
from oracle.spec import Workload
from oracle.trace import trace_module


def classes(module: nn.Module, *shape: int, **workload: str) -> list[str]:
    asked = Workload(**workload)  # type: ignore[arg-type]
    table = trace_module(module.eval(), (torch.empty(*shape, device="meta"),), {}, asked)
    return [kernel_class(table, kernel.rows, asked.runner) for kernel in count(table, asked).kernels]


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(8, 16, 3, bias=False), (1, 8, 9, 9), "conv"),
        (nn.Conv2d(8, 16, 1, bias=False), (1, 8, 9, 9), "pointwise_conv"),
        (nn.Conv2d(8, 16, (1, 3), bias=False), (1, 8, 9, 9), "conv"),
        (nn.Conv2d(8, 8, 3, groups=8, bias=False), (1, 8, 9, 9), "depthwise"),
        (nn.Conv2d(8, 8, 1, groups=2, bias=False), (1, 8, 9, 9), "grouped"),
        (nn.Conv2d(8, 8, 3, groups=8), (1, 8, 9, 9), "biased_conv"),
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


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(8, 16, 3), "winograd"),
        (nn.Conv2d(8, 16, 3, padding=1, bias=False), "winograd"),
        (nn.Conv2d(8, 16, 3, 2, 1), "conv"),
        (nn.Conv2d(8, 16, 3, (1, 2)), "conv"),
        (nn.Conv2d(8, 16, 3, dilation=2), "conv"),
        (nn.Conv2d(8, 16, 5), "conv"),
        (nn.Conv2d(8, 16, (1, 3)), "conv"),
        (nn.ConvTranspose2d(8, 16, 3), "conv"),
        (nn.Conv2d(8, 16, 1), "pointwise_conv"),
        (nn.Conv2d(8, 8, 3, groups=2), "grouped"),
    ],
)
def test_ncnn_tells_convolutions_that_winograd_serves_from_others(module: nn.Module, expected: str) -> None:
    """ncnn's `Convolution::create_pipeline`: kernel 3 x 3, dilation 1, stride 1."""
    assert classes(module, 1, 8, 9, 9, runtime="engine", engine="ncnn") == [expected]
    whole = WHOLES.get(expected, expected)
    assert classes(module, 1, 8, 9, 9, runtime="engine") == [whole]


class Squeeze(nn.Module):
    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.activation(self.norm(x)).mean((2, 3)))


def test_a_norm_whose_activation_is_reduced_in_the_same_kernel() -> None:
    assert classes(Squeeze(nn.ReLU()), 2, 8, 4, 4, runtime="compiled") == ["squeeze"]
    assert classes(Squeeze(nn.Identity()), 2, 8, 4, 4, runtime="compiled") == ["batch_norm"]
    assert classes(Squeeze(nn.ReLU()), 2, 8, 4, 4, runtime="eager") == ["batch_norm", "activation", "reduction"]


def test_compilers_add_the_bias_of_a_convolution_in_its_epilogue() -> None:
    assert classes(nn.Conv2d(8, 16, 1), 1, 8, 9, 9, runtime="compiled") == ["pointwise_conv"]


def test_autocast_casts_are_told_from_copies() -> None:
    assert classes(nn.Linear(8, 4), 2, 8, dtype="float16").count("cast") == 3  # input, weight and bias
