"""ptflops' get_model_complexity_info, PyTorch backend (github sovrasov/flops-counter.pytorch).

It hooks modules of exactly the types it knows, and replaces functions of torch.nn.functional, some of torch
and some of torch.Tensor. A layer that is both, such as nn.ReLU, counts twice; an operator (`x + y`, `x @ y`)
or a function somebody took hold of before is not seen. What modules count is divided by the batch, what
functions count is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import zip_longest
from math import prod
from typing import Any

from torch import nn

from oracle.counting.conventions.recounting import (
    Recount,
    argument,
    by_type,
    input_of,
    output_of,
    parameters_of,
    refuse,
)
from oracle.optable import FunctionCall, ModuleCall, OpTable, Shape

__all__ = ["recount"]

Size = tuple[int, ...]


def recount(table: OpTable) -> Recount:
    """MACs of one image of the batch, and the parameters that require a gradient."""
    modules = sum(_MODULES[call.type_name](call) * call.places for call in table.calls if call.type_name in _MODULES)
    functions = sum(_function(call) for call in table.functions if call.by_name)
    root = table.calls[-1]
    batch = root.inputs[0][0] if root.inputs else 1
    return Recount(macs=int(modules / batch + functions), params=parameters_of(table, training_only=True))


# -- modules -------------------------------------------------------------------------------------------------

_input = partial(input_of, "ptflops")
_output = partial(output_of, "ptflops")


def _convolution(call: ModuleCall) -> int:
    x, y, config = _input(call), _output(call), call.config
    pairs = config["in_channels"] * (config["out_channels"] // config["groups"])
    positions = x[0] * prod((x if config["transposed"] else y)[2:])
    bias = x[0] * prod(y[1:]) if "bias" in call.params else 0
    return int(prod(config["kernel_size"]) * pairs * positions + bias)


def _linear(call: ModuleCall) -> int:
    x, width = _input(call), _output(call)[-1]
    return prod(x[:-1]) * (x[-1] * width + (width if "bias" in call.params else 0))


def _norm(call: ModuleCall) -> int:
    return prod(_input(call)) * (2 if call.config.get("affine") else 1)


def _upsample(call: ModuleCall) -> int:
    return prod(_output(call)[1:])  # of the first image only


def _recurrent_layers(call: ModuleCall) -> int:
    x, width, config = _input(call), call.config["hidden_size"], call.config
    each = sum(_step(call, width, f"_l{layer}") for layer in range(config["num_layers"]))
    return each * x[0] * x[1] * (2 if config["bidirectional"] else 1)


def _recurrent_cell(call: ModuleCall) -> int:
    return _step(call, call.config["hidden_size"], "") * _input(call)[0]


_GATING = {"RNN": 1, "GRU": 7, "LSTM": 10}  # elementwise operations per element of the state


def _step(call: ModuleCall, width: int, suffix: str) -> int:
    kind = call.type_name.rpartition(".")[2].removesuffix("Cell")
    names = [f"{tensor}_{source}{suffix}" for tensor in ("weight", "bias") for source in ("ih", "hh")]
    return sum(prod(call.params[name]) for name in names if name in call.params) + _GATING[kind] * width


def _multihead_attention(call: ModuleCall) -> int:
    if len(call.inputs) != 3 or any(len(shape) != 3 for shape in call.inputs):
        raise refuse("ptflops", f"module {call.path!r}: it expects a batch of query, key and value by position")
    first, second = (0, 1) if call.config["batch_first"] else (1, 0)
    q, k, v = call.inputs
    heads = call.config["num_heads"]
    length, context = q[second], k[second]
    projections = sum(shape[second] * shape[2] ** 2 for shape in call.inputs)
    if "in_proj_bias" in call.params:
        projections += sum(shape[second] for shape in call.inputs) * q[2]
    scores = heads * length * context * (q[2] // heads + 1 + v[2] // heads)
    return int(q[first] * (length * q[2] + projections + scores + length * v[2] * (v[2] + 1)))


_MODULES: Mapping[str, Callable[[ModuleCall], int]] = by_type(
    {
        (nn.Conv1d, nn.Conv2d, nn.Conv3d): _convolution,
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): _convolution,
        (nn.ReLU, nn.PReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6, nn.GELU): lambda call: prod(_output(call)),
        (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d): lambda call: prod(_input(call)),
        (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d): lambda call: prod(_input(call)),
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d): lambda call: prod(_input(call)),
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d): lambda call: prod(_input(call)),
        (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm): _norm,
        (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d): _norm,
        (nn.Linear,): _linear,
        (nn.Upsample,): _upsample,
        (nn.RNN, nn.GRU, nn.LSTM): _recurrent_layers,
        (nn.RNNCell, nn.GRUCell, nn.LSTMCell): _recurrent_cell,
        (nn.MultiheadAttention,): _multihead_attention,
    }
)


# -- functions -----------------------------------------------------------------------------------------------

_IN_PYTHON = frozenset(
    "relu relu6 elu silu softmax max_pool1d max_pool2d max_pool3d adaptive_avg_pool2d adaptive_avg_pool3d"
    " adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d".split()
)
_BUILT_IN = frozenset({"gelu", "prelu", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d"})


def _function(call: FunctionCall) -> int | float:
    """What a replaced function counts; `torch.relu` and `x.relu()` are not replaced, `F.relu` is."""
    if call.kind == "python":
        if call.name == "interpolate":
            return _interpolate(call)
        return _elements(call, 0, "input") if call.name in _IN_PYTHON else 0
    return _built_in(call)


def _built_in(call: FunctionCall) -> int:
    if call.name in _BUILT_IN and call.kind == "function":
        return _elements(call, 0, "input")
    if call.name in ("add", "mul"):
        return _elementwise(argument(call, 0, "input"), argument(call, 1, "other"))
    if call.name in ("matmul", "mm", "bmm"):
        return _elements(call, 0, "input") * int(argument(call, 1, "other", "mat2")[-1])
    if call.name == "addmm" or (call.name == "baddbmm" and call.kind == "function"):
        added = _elements(call, 0, "input") if call.kwargs.get("beta", 1) != 0 else 0
        return _elements(call, 1, "mat1") * int(argument(call, 2, "mat2")[-1]) + added
    return 0


def _elements(call: FunctionCall, position: int, name: str) -> int:
    shape: Size = argument(call, position, name)
    return prod(shape)


def _elementwise(a: Any, b: Any) -> int:
    shapes = [shape for shape in (a, b) if isinstance(shape, Shape)]
    # Broadcast from the first dimension on, which is not how torch does it.
    return prod(max(sizes) for sizes in zip_longest(*shapes, fillvalue=1))


def _interpolate(call: FunctionCall) -> int | float:
    x: Size = argument(call, 0, "input")
    size = argument(call, 1, "size")
    if size is not None:
        window: Size = size if isinstance(size, tuple) else (size,) * (len(x) - 2)
        return prod(window) * prod(x[:2])
    scale = argument(call, 2, "scale_factor")
    if isinstance(scale, tuple):  # factors of its own are cut to integers, a common one is not
        return prod(x) * prod(int(factor) for factor in scale)
    return prod(x) * float(scale) ** (len(x) - 2)
