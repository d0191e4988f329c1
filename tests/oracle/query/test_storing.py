"""Dtype and weights of a module's workload: its own parameters decide."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import oracle
from oracle.errors import WorkloadError
from oracle.query import profile, score
from oracle.query.storing import stored_words
from oracle.spec import Workload

HALF = {"dtype": "float16", "weights": "float16"}
IMAGE = torch.empty(2, 4)


def linear() -> nn.Linear:
    return nn.Linear(4, 4)


def mixed() -> nn.Sequential:
    return nn.Sequential(linear().half(), nn.LayerNorm(4))


@pytest.mark.parametrize(
    ("module", "asked", "found"),
    [
        pytest.param(linear(), {}, {}, id="usual"),
        pytest.param(linear(), {"dtype": "float16"}, {"dtype": "float16"}, id="autocast"),
        pytest.param(linear(), {"dtype": "float16", "weights": "float32"}, {"dtype": "float16"}, id="masters"),
        pytest.param(linear().half(), {}, HALF, id="half"),
        pytest.param(linear().half(), {"dtype": "float16"}, HALF, id="half, its dtype"),
        pytest.param(linear().half(), {"dtype": "float16", "weights": ""}, HALF, id="half, no weights"),
        pytest.param(
            linear().bfloat16(),
            {"weights": "bfloat16"},
            {"dtype": "bfloat16", "weights": "bfloat16"},
            id="bfloat16, its weights",
        ),
        pytest.param(linear().half(), {"dtype": "int8"}, {"dtype": "int8"}, id="quantised"),
        pytest.param(linear(), {"weights": "int4"}, {"weights": "int4"}, id="quantised weights"),
        pytest.param(
            linear().half(), {"weights": "int4"}, {"dtype": "float16", "weights": "int4"}, id="half, quantised weights"
        ),
        pytest.param(linear().double(), {}, {}, id="double"),
        # of several types: that of most elements, or autocast as asked for
        pytest.param(mixed(), {}, HALF, id="mixed"),
        pytest.param(mixed(), {"dtype": "float16"}, {"dtype": "float16"}, id="mixed, autocast"),
        pytest.param(mixed(), HALF, HALF, id="mixed, its weights"),
    ],
)
def test_parameters_decide(module: nn.Module, asked: dict[str, Any], found: dict[str, str]) -> None:
    runtime = "engine" if asked.get("dtype") == "int8" or asked.get("weights") == "int4" else "eager"
    assert Workload(runtime=runtime).with_(**stored_words(module, IMAGE, **asked)) == Workload(runtime=runtime, **found)


def test_a_module_without_parameters_computes_in_what_it_is_given() -> None:
    assert stored_words(nn.ReLU(), [(IMAGE.half(),), {}]) == HALF
    assert profile(nn.ReLU(), IMAGE.half()).workload == Workload(batch_size=2, **HALF)
    assert profile(nn.ReLU(), IMAGE).workload == Workload(batch_size=2)


@pytest.mark.parametrize(
    ("module", "asked", "said"),
    [
        (nn.Linear(4, 4).half(), {"dtype": "float32"}, "dtype='float32': the module's parameters are float16"),
        (nn.Linear(4, 4).half(), {"dtype": "bfloat16"}, "dtype='bfloat16': the module's parameters are float16"),
        (nn.Linear(4, 4).half(), {"weights": "float32"}, "weights='float32': the module's parameters are float16"),
        (
            nn.Linear(4, 4),
            HALF,
            "weights='float16': the module's parameters are float32; expected none, or a module in",
        ),
    ],
    ids=str,
)
def test_what_they_are_not_of_is_an_error(module: nn.Module, asked: dict[str, str], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        profile(module, IMAGE, **asked)


def test_a_linear_layer_in_half_precision_by_hand() -> None:
    module = nn.Linear(4, 8)
    cast = profile(module, IMAGE, dtype="float16")
    half = profile(module.half(), IMAGE.half())
    # under autocast it casts weights, bias and input first; else there is the product alone
    assert [kernel.name for kernel in cast.kernels()].count("aten._to_copy") == 3
    (kernel,) = half.kernels()
    assert (kernel.op_class, kernel.dtype) == ("linear", "float16")
    assert kernel.weight_bytes == half.memory.weights_bytes == 2 * (4 * 8 + 8)
    assert half.traffic_bytes == 2 * (2 * 4 + 4 * 8 + 8 + 2 * 8)
    assert cast.memory.weights_bytes == 4 * 40 + 2 * 40  # and the copies that autocast keeps


@pytest.mark.parametrize("runtime", ["eager", "compiled"])
def test_the_interval_of_another_type_promises_nothing(runtime: str) -> None:
    times = [
        profile(module, x, devices=["rtx-4090"], model="calibrated", runtime=runtime).times["rtx-4090"]
        for module, x in (
            (nn.Linear(64, 64), torch.empty(8, 64)),
            (nn.Linear(64, 64).half(), torch.empty(8, 64).half()),
        )
    ]
    assert [time.interval_ms is None for time in times] == [True, False]  # the shipped calibrations are of float16


def test_a_network_by_reference_is_converted() -> None:
    reference = "torch.nn:Linear(4, 8)"
    asked = score(reference, inputs=["2x4"], **HALF)
    made = profile(nn.Linear(4, 8).half(), IMAGE.half())
    assert asked.workload == made.workload
    assert (asked.traffic_bytes, asked.memory) == (made.traffic_bytes, made.memory)
    (batch,) = {
        found.workload.weights for found in oracle.fit(reference, ["t4"], modes=["inference"], inputs=["2x4"], **HALF)
    }
    assert batch == "float16"
