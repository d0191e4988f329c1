"""Traces of several calls, and kernels on the roofline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import oracle
from oracle.counting.networks import NetCount, count_net
from oracle.devices import Device, Figure, Peaks
from oracle.errors import OracleError
from oracle.imports.calls import network_calls, typical_call
from oracle.imports.kernels import MeasuredKernel
from oracle.imports.kineto import read_trace
from oracle.imports.profiles import profile_of
from oracle.imports.replay import OperatorCall
from oracle.imports.roofs import on_roofline
from oracle.query.importing import fit_operators, measurement_of
from oracle.spec import Workload

BATCH = Workload(batch_size=2)
HOST = Device(
    "host", "Host", "desktop-cpu",
    vector=Peaks((("float32", Figure(1e12)),)), matrix=Peaks((("float16", Figure(4e12)),)), bandwidth=Figure(1e11),
)  # fmt: skip


@pytest.fixture(scope="module")
def net() -> oracle.NetSpec:
    return oracle.to_spec(oracle.load_cfg("NB201-ResNet"))


@pytest.fixture(scope="module")
def count(net: oracle.NetSpec) -> NetCount:
    return count_net(net, BATCH)


@pytest.fixture(scope="module")
def calls(net: oracle.NetSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[OperatorCall, ...]:
    """Three calls on this CPU, a layer of another network before the first."""
    module = oracle.initialise(oracle.build(net), "cpu").eval()
    x, other = torch.randn(2, 3, 32, 32), torch.nn.Linear(7, 5)
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        other(torch.randn(3, 7))
        for _ in range(3):
            module(x)
    profiler.export_chrome_trace(str(path))
    return read_trace(path).operators


def test_calls_of_a_network_are_told_apart(calls: tuple[OperatorCall, ...], count: NetCount) -> None:
    parts = network_calls(calls, count.kernels, BATCH)
    assert len(parts) == 3
    assert len({len(part) for part in parts}) == 1
    sources = [call.source for part in parts for call in part]
    assert len(set(sources)) == len(sources)
    order = [call.source for call in calls]
    assert [order.index(source) for source in sources] == sorted(order.index(source) for source in sources)
    assert "aten::linear" not in [call.name for call in parts[0][:1]]


def test_the_wrong_workload_is_an_error(calls: tuple[OperatorCall, ...], net: oracle.NetSpec) -> None:
    wrong = Workload(batch_size=3)
    with pytest.raises(OracleError, match=r"of the network's MACs, expected at least 90% in one call"):
        network_calls(calls, count_net(net, wrong).kernels, wrong)


def test_a_call_as_profile_measurement_and_calibration(calls: tuple[OperatorCall, ...], count: NetCount) -> None:
    parts = network_calls(calls, count.kernels, BATCH)
    profile_ = profile_of("net", BATCH, typical_call(parts), count, HOST)
    cost = oracle.score("NB201-ResNet", [HOST], batch_size=2)
    assert profile_.left == ()
    assert sum(item.flops for item in profile_.operators) == cost.flops
    assert sum(item.roof_s or 0 for item in profile_.operators) == pytest.approx(cost.roofline_ms["host"] * 1e-3)
    row = measurement_of("NB201-ResNet", BATCH, parts, HOST)
    totals = sorted(sum(call.seconds for call in part) * 1e3 for part in parts)
    assert (row.latency_ms, row.min_ms, row.repeats) == (pytest.approx(totals[1]), pytest.approx(totals[0]), 3)
    found = fit_operators(parts, count, BATCH, HOST, "trace.json")
    assert (found.device, found.measurements) == ("host", 3 * len(profile_.operators))
    assert found.origin.source == "operators of trace.json"


KERNEL = MeasuredKernel(
    "gemm",
    "file:1",
    1e-3,
    dram_bytes=1e7,
    flops=1.5e9,
    flops_by_kind=(("matrix float16", 1e9), ("vector float32", 5e8)),
)


def test_a_measured_kernel_at_the_roofs() -> None:
    (found,) = on_roofline([KERNEL], HOST)
    assert (found.compute_s, found.memory_s) == (5e8 / 1e12, 1e7 / 1e11)  # the vector unit is the longer
    assert (found.bound, found.roof_share) == ("compute", pytest.approx(0.5))
    (slow,) = on_roofline([replace(KERNEL, dram_bytes=8e7)], HOST)
    assert (slow.bound, slow.roof_share) == ("memory", pytest.approx(0.8))


@pytest.mark.parametrize(
    "kernel",
    [
        replace(KERNEL, dram_bytes=None),
        replace(KERNEL, flops=None),
        replace(KERNEL, time_s=None),
        replace(KERNEL, flops_by_kind=(("matrix float8", 1.5e9),)),
    ],
    ids=["bytes", "flops", "time", "peak"],
)
def test_what_is_missing_stays_missing(kernel: MeasuredKernel) -> None:
    (found,) = on_roofline([kernel], HOST)
    assert found.roof_share is None
    assert on_roofline([kernel], None)[0].compute_s is None


def test_no_work_is_not_missing_work() -> None:
    (found,) = on_roofline([replace(KERNEL, flops=0.0, flops_by_kind=(("vector float32", 0.0),))], HOST)
    assert (found.compute_s, found.bound) == (0.0, "memory")


def test_traces_of_the_fixtures_hold_no_network(count: NetCount) -> None:
    found = read_trace(Path(__file__).parent / "fixtures" / "trace.json")
    with pytest.raises(OracleError, match="the trace holds 0%"):
        network_calls(found.operators, count.kernels, BATCH)
