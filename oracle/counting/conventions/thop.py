"""THOP's profile (github Lyken17/pytorch-OpCounter): forward hooks on modules of exactly the types it knows.

A multiply-add counts 1. What a forward computes without a module is not seen, nor are the parameters of a
module without a rule. A module that several others share is hooked and counted once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

from torch import nn

from oracle.counting.conventions.recounting import Recount, by_type, input_of, output_of, refuse
from oracle.optable import ModuleCall, OpTable

__all__ = ["recount"]

Size = tuple[int, ...]


def recount(table: OpTable) -> Recount:
    """MACs, and the parameters of the modules it has rules for."""
    macs = 0
    params: dict[str, int] = {}
    for call in table.calls:
        rule = _RULES.get(call.type_name)
        if rule is None:
            continue
        macs += rule(call) * call.places**2
        if call.path:  # of a module that is profiled by itself it reports no parameters
            params[call.path] = sum(prod(shape) for shape in call.params.values()) * call.places
    return Recount(macs=macs, params=sum(params.values()))


_input = partial(input_of, "thop")
_output = partial(output_of, "thop")


def _convolution(call: ModuleCall) -> int:
    kernel: Size = call.config["kernel_size"]
    return prod(_output(call)) * (_input(call)[1] // int(call.config["groups"])) * prod(kernel)


def _linear(call: ModuleCall) -> int:
    return int(call.config["in_features"]) * prod(_output(call))


def _norm(call: ModuleCall) -> int:
    affine = call.config.get("affine", False) or call.config.get("elementwise_affine", False)
    return prod(_input(call)) * (4 if affine else 2)


def _adaptive_average(call: ModuleCall) -> int:
    x, y = _input(call), _output(call)
    window = prod(float(inner) / outer for inner, outer in zip(x[2:], y[2:], strict=True))
    return int((window + 1) * prod(y))


def _softmax(call: ModuleCall) -> int:
    x = _input(call)
    dim: int | None = call.config.get("dim")
    if dim is None:
        raise refuse("thop", f"module {call.path!r}: it expects nn.Softmax to have a dim")
    return prod(x) // x[dim] * (3 * x[dim] - 1)


_INTERPOLATION = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


def _upsample(call: ModuleCall) -> int:
    return prod(_output(call)) * _INTERPOLATION.get(call.config["mode"], 0)


def _rnn_step(width_in: int, width: int, bias: bool) -> int:
    return width * (width_in + width) + width + (2 * width if bias else 0)


def _gru_step(width_in: int, width: int, bias: bool) -> int:
    return 3 * _rnn_step(width_in, width, bias) + 4 * width


def _lstm_step(width_in: int, width: int, bias: bool) -> int:
    return 4 * _rnn_step(width_in, width, bias) + 4 * width


Step = Callable[[int, int, bool], int]
Rule = Callable[[ModuleCall], int]


def _cell(step: Step) -> Rule:
    return lambda call: step(*_widths(call.config)) * _input(call)[0]


def _layers(step: Step) -> Rule:
    def count(call: ModuleCall) -> int:
        x, (width_in, width, bias) = _input(call), _widths(call.config)
        directions = 2 if call.config["bidirectional"] else 1
        upper = int(call.config["num_layers"]) - 1
        steps = step(width_in, width, bias) + upper * step(width * directions, width, bias)
        return directions * steps * x[0] * x[1]

    return count


def _widths(config: dict[str, Any]) -> tuple[int, int, bool]:
    return config["input_size"], config["hidden_size"], config["bias"]


_RULES: Mapping[str, Rule] = by_type(
    {
        (nn.Conv1d, nn.Conv2d, nn.Conv3d): _convolution,
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): _convolution,
        (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.LayerNorm): _norm,
        (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d): _norm,
        (nn.PReLU,): lambda call: prod(_input(call)),
        (nn.Softmax,): _softmax,
        (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d): lambda call: prod(_output(call)),
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d): _adaptive_average,
        (nn.Linear,): _linear,
        (nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d): _upsample,
        (nn.RNNCell,): _cell(_rnn_step),
        (nn.GRUCell,): _cell(_gru_step),
        (nn.LSTMCell,): _cell(_lstm_step),
        (nn.RNN,): _layers(_rnn_step),
        (nn.GRU,): _layers(_gru_step),
        (nn.LSTM,): _layers(_lstm_step),
    }
)
