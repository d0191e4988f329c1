from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.errors import OracleError
from oracle.opclasses import (
    _CLASSES,
    ALLOCATIONS,
    SHAPE_ONLY,
    VIEWS_IN_PLACE,
    WRITE_ONLY,
    class_of,
    hidden_writes,
    is_pointwise,
    packet_name,
    register_class,
    written_results,
)
from oracle.optable import OP_CLASSES
from oracle.spec import Workload
from oracle.trace import trace_module
from oracle.trace.conversions import quantised


def classes(module: nn.Module, *shapes: tuple[int, ...], mode: str = "inference") -> list[str]:
    inputs = tuple(torch.empty(shape, device="meta") for shape in shapes)
    return [
        row.op_class for row in trace_module(module, inputs, {}, Workload(mode=mode)).rows if row.phase != "optimizer"
    ]


def test_every_class_has_its_name() -> None:
    assert set(_CLASSES.values()) <= set(OP_CLASSES)


NAMES = sorted({*_CLASSES, *ALLOCATIONS, *SHAPE_ONLY, *VIEWS_IN_PLACE, *WRITE_ONLY})


@pytest.mark.parametrize("namespace", sorted({name.partition(".")[0] for name in NAMES}))
def test_every_operator_exists(namespace: str) -> None:
    if namespace == "oracle":
        trace_module(nn.RMSNorm(4), (torch.empty(2, 4),), {}, Workload())  # defines ours
        quantised(torch.empty(2, device="meta"), torch.int8, inside=False)  # and those of conversions
    if namespace == "quantized_decomposed":
        import_module("torch.ao.quantization.fx._decomposed")  # defines torch's
    if namespace == "torchvision":
        pytest.importorskip("torchvision", exc_type=ImportError)  # defines its own
    known = getattr(torch.ops, namespace)
    ours = [name.removeprefix(f"{namespace}.") for name in NAMES if name.startswith(f"{namespace}.")]
    assert [name for name in ours if not hasattr(known, name)] == []


@pytest.mark.parametrize(
    ("layer", "shape", "op_class"),
    [
        (nn.Conv2d(4, 8, 3), (1, 4, 5, 5), "conv"),
        (nn.Conv2d(4, 8, 3, groups=2), (1, 4, 5, 5), "grouped"),
        (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 5, 5), "depthwise"),
        (nn.Conv2d(4, 8, 3, groups=4), (1, 4, 5, 5), "depthwise"),
        (nn.Conv2d(1, 8, 3), (1, 1, 5, 5), "conv"),
        (nn.Conv1d(4, 4, 3, groups=4), (1, 4, 5), "depthwise"),
        (nn.Conv1d(4, 4, 3, groups=4), (4, 5), "depthwise"),
        (nn.ConvTranspose2d(4, 8, 3), (1, 4, 5, 5), "conv"),
        (nn.ConvTranspose2d(4, 8, 3, groups=2), (1, 4, 5, 5), "grouped"),
        (nn.ConvTranspose2d(4, 4, 3, groups=4), (1, 4, 5, 5), "depthwise"),
        (nn.Linear(4, 4), (2, 4), "linear"),
        (nn.Linear(4, 4, bias=False), (2, 3, 4), "linear"),
        (nn.BatchNorm2d(4), (2, 4, 3, 3), "norm"),
        (nn.RMSNorm(4), (2, 4), "norm"),
        (nn.GELU(), (2, 4), "activation"),
        (nn.MaxPool2d(2), (1, 4, 4, 4), "pool"),
        (nn.AdaptiveAvgPool2d(1), (1, 4, 4, 4), "reduction"),
        (nn.AdaptiveAvgPool2d(2), (1, 4, 4, 4), "pool"),
        (nn.Softmax(-1), (2, 4), "softmax"),
        (nn.Upsample(scale_factor=2), (1, 4, 4, 4), "embedding"),
        (nn.ZeroPad2d(1), (1, 4, 4, 4), "copy"),
    ],
    ids=str,
)
def test_layers_have_their_class(layer: nn.Module, shape: tuple[int, ...], op_class: str) -> None:
    assert classes(layer, shape)[0] == op_class


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(4, 8, 3, groups=2),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.ConvTranspose2d(4, 4, 3, groups=4),
    ],
    ids=str,
)
def test_the_gradient_of_a_convolution_has_its_class(layer: nn.Module) -> None:
    found = classes(layer, (1, 4, 5, 5), mode="training")
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("function", "op_class"),
    [
        (torch.bmm, "matmul"),
        (lambda a, b: F.scaled_dot_product_attention(*(x[None] for x in (a, b, b))), "attention"),
        (torch.add, "elementwise"),
        (torch.where, "elementwise"),
        (lambda a, b: torch._foreach_add([a], [b])[0], "elementwise"),
        (lambda a, b: torch.cat([a, b]), "copy"),
        (lambda a, b: a.sum(), "reduction"),
        (lambda a, b: torch.fft.fft(a), "other"),
    ],
    ids=["bmm", "attention", "add", "where", "foreach", "cat", "sum", "fft"],
)
def test_functions_have_their_class(function: Callable[..., Any], op_class: str) -> None:
    class Call(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return function(a > 0, a, b) if function is torch.where else function(a, b)

    assert classes(Call(), (2, 4, 4), (2, 4, 4))[-1] == op_class


@pytest.mark.parametrize("name", ["relu_", "add_", "_foreach_add_", "_foreach_sqrt", "mul", "sigmoid_"])
def test_twins_of_pointwise_operators_are_pointwise(name: str) -> None:
    packet = getattr(torch.ops.aten, name)
    assert is_pointwise(getattr(packet, packet.overloads()[0]))


@pytest.mark.parametrize("name", ["mm", "sum", "cat", "sort", "native_layer_norm"])
def test_others_are_not(name: str) -> None:
    packet = getattr(torch.ops.aten, name)
    assert not is_pointwise(getattr(packet, packet.overloads()[0]))


def test_a_name_is_that_of_the_packet() -> None:
    assert packet_name(torch.ops.aten.add.Tensor) == packet_name(torch.ops.aten.add.Scalar) == "aten.add"


def test_batch_norm_writes_statistics_in_training_only() -> None:
    tensors = [torch.empty(3, device="meta") for _ in range(5)]
    for training in (False, True):
        args = (*tensors, training, 0.1, 1e-5)
        assert len(written_results("aten.native_batch_norm", args, [1, 2, 3])) == (3 if training else 1)
        assert len(hidden_writes("aten.native_batch_norm", args)) == (2 if training else 0)
    assert hidden_writes("aten.relu", ()) == ()


def test_an_unknown_operator_is_other() -> None:
    assert class_of("mylib.op", (), pointwise=False) == "other"
    assert class_of("mylib.op", (), pointwise=True) == "elementwise"


def test_a_division_that_rounds_down_is_pointwise_though_torch_does_not_tag_it() -> None:
    aten = torch.ops.aten
    assert torch.Tag.pointwise not in aten.floor_divide.default.tags
    assert all(map(is_pointwise, (aten.floor_divide.default, aten.floor_divide_.Tensor, aten.div.Tensor)))
    assert not is_pointwise(aten.mm.default)


def test_an_operator_has_one_class() -> None:
    register_class("oracle_classify_test.op", "pool")
    register_class("oracle_classify_test.op", "pool")
    with pytest.raises(OracleError, match="registered as 'pool' already"):
        register_class("oracle_classify_test.op", "conv")
    with pytest.raises(OracleError, match="op_class='pooling'"):
        register_class("oracle_classify_test.other", "pooling")
