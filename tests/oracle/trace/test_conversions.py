"""Weights of torchao, and of tensor subclasses that are made alike."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.errors import TraceError
from oracle.query import profile

X = torch.empty(4, 256)


class Quantised(torch.Tensor):
    """A wrapper of integers and scales, as torchao's tensors are."""

    @staticmethod
    def __new__(cls: Any, shape: Any, qdata: Any, scale: Any, act_quant_kwargs: Any = None) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=scale.dtype)

    def __init__(self, shape: Any, qdata: Any, scale: Any, act_quant_kwargs: Any = None) -> None:
        self.qdata, self.scale, self.act_quant_kwargs = qdata, scale, act_quant_kwargs

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["qdata", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, parts: Any, meta: Any, size: Any, stride: Any) -> Any:
        return cls(size, parts["qdata"], parts["scale"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        if func is torch.ops.aten.detach.default:
            return args[0]
        raise NotImplementedError(func)


def linear(qdata: Any, scales: int = 512, **more: Any) -> nn.Linear:
    layer = nn.Linear(256, 512)
    weight = Quantised((512, 256), qdata, torch.ones(scales), **more)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
@pytest.mark.parametrize(
    ("qdata", "stored"),
    [
        (torch.zeros(512, 256, dtype=torch.int8), 512 * 256),
        (torch.zeros(512, 128, dtype=torch.uint8), 512 * 128),  # two in a byte
        (torch.zeros(512, 256).to(torch.float8_e4m3fn), 512 * 256),
    ],
    ids=["int8", "int4", "float8"],
)
def test_a_quantised_weight_is_read_as_it_is_stored(qdata: Any, stored: int, runtime: str) -> None:
    layer = linear(qdata)
    before = layer.weight
    cost = profile(layer, X, runtime=runtime, strict=True)
    (kernel,) = cost.kernels()

    assert (cost.macs, cost.flops) == (4 * 256 * 512, 2 * 4 * 256 * 512 + 4 * 512)
    assert cost.params == 512 * 256 + 512
    assert kernel.weight_bytes == cost.memory.weights_bytes == stored + 4 * (512 + 512)  # scales and biases
    assert cost.traffic_bytes == kernel.weight_bytes + 4 * 4 * (256 + 512)
    assert (kernel.op_class, kernel.dtype) == ("linear", "float32")
    assert layer.weight is before


def test_inputs_that_are_quantised_on_the_way_take_a_look_and_a_kernel() -> None:
    cost = profile(linear(torch.zeros(512, 256, dtype=torch.int8), act_quant_kwargs=object()), X, strict=True)
    look, quantise, product = cost.kernels()
    assert (look.name, quantise.name, product.name) == ("aten.aminmax", "oracle.quantize_dynamic", "aten.addmm")
    assert quantise.traffic_bytes == (4 + 1) * 4 * 256
    assert product.traffic_bytes - product.weight_bytes == 4 * 256 + 4 * 4 * 512
    assert product.dtype == "int8"


def test_several_scales_a_channel() -> None:
    cost = profile(linear(torch.zeros(512, 128, dtype=torch.uint8), scales=512 * 2), X)
    assert cost.memory.weights_bytes == 512 * 128 + 4 * (512 * 2 + 512)


def test_other_wrappers_are_an_error() -> None:
    with pytest.raises(TraceError, match="expected 8 or 4 bits each"):
        profile(linear(torch.zeros(100, dtype=torch.int8)), X)


def test_torchao_itself() -> None:
    torchao: Any = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    for config, kernels in ((torchao.Int8WeightOnlyConfig(), 1), (torchao.Int8DynamicActivationInt8WeightConfig(), 3)):
        module = nn.Sequential(nn.Linear(256, 512, bias=False))
        torchao.quantize_(module, config)
        cost = profile(module, X, strict=True)
        assert (cost.macs, cost.params) == (4 * 256 * 512, 256 * 512)
        assert cost.memory.weights_bytes == 256 * 512 + 4 * 512
        assert len(cost.kernels()) == kernels
