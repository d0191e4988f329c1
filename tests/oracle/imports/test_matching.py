from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import oracle
from oracle.counting.networks import count_net
from oracle.imports.kineto import read_trace
from oracle.imports.matching import match_operators
from oracle.imports.points import calibration_points
from oracle.imports.replay import OperatorCall
from oracle.spec import Workload


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[OperatorCall, ...]:
    net = oracle.to_spec(oracle.load_cfg("R-56"))
    module, x = oracle.initialise(oracle.build(net), seed=0).eval(), torch.rand(1, *net.input_shape)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        module(x)
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    profiler.export_chrome_trace(str(path))
    return read_trace(path).operators


def test_every_operator_of_a_network_finds_its_kernel(calls: tuple[OperatorCall, ...]) -> None:
    kernels = count_net(oracle.to_spec(oracle.load_cfg("R-56")), Workload()).kernels
    found = match_operators(calls, kernels)
    assert found.left == ()
    assert found.unmatched == ()
    assert [position for match in found.matches for position in match.positions] == list(range(len(kernels)))
    assert sum(match.seconds for match in found.matches) + found.views_s == pytest.approx(sum(c.seconds for c in calls))


def test_contractions_are_found_in_fused_kernels_too(calls: tuple[OperatorCall, ...]) -> None:
    workload = Workload(runtime="engine")
    kernels = count_net(oracle.to_spec(oracle.load_cfg("R-56")), workload).kernels
    found = match_operators(calls, kernels, workload)
    names = {match.kernels[0].op_class for match in found.matches}
    assert {"conv", "linear"} <= names
    assert not [kernel for kernel in found.left if kernel.op_class in ("conv", "linear")]


def test_another_network_does_not_match(calls: tuple[OperatorCall, ...]) -> None:
    kernels = count_net(oracle.to_spec(oracle.load_cfg("ViT-S-16", ["TRAIN.IM_SIZE", 32])), Workload()).kernels
    found = match_operators(calls, kernels)
    assert not [match for match in found.matches if match.kernels[0].macs]
    assert len(found.left) == len(kernels) - sum(len(match.kernels) for match in found.matches)


def test_a_lost_operator_leaves_one_kernel_without_measurement(calls: tuple[OperatorCall, ...]) -> None:
    kernels = count_net(oracle.to_spec(oracle.load_cfg("R-56")), Workload()).kernels
    linear = next(index for index, call in enumerate(calls) if call.name == "aten::linear")
    found = match_operators(calls[:linear] + calls[linear + 1 :], kernels)
    assert [kernel.op_class for kernel in found.left] == ["linear"]


def test_matches_are_points_to_calibrate_with(calls: tuple[OperatorCall, ...]) -> None:
    device = oracle.load_device("i9-10940x")
    count = count_net(oracle.to_spec(oracle.load_cfg("R-56")), Workload())
    found = match_operators(calls, count.kernels)
    rows, seconds = calibration_points(found, count, device, "eager")
    assert len(rows) == len(seconds) == len(found.matches)
    assert seconds == [match.seconds for match in found.matches]
    predicted = oracle.score("R-56", [device]).roofline_ms[device.name] * 1e-3
    bounds = (np.maximum(row.compute_s, row.memory_s) @ row.count for row in rows)
    assert sum(bounds) == pytest.approx(predicted)
