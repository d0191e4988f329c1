from __future__ import annotations

import pytest

import oracle
from oracle.devices import Device, Figure, Peaks
from oracle.errors import OracleError
from oracle.imports.kernels import Imported, MeasuredKernel
from oracle.measure import KernelTime, NetworkProfile, measure_kernels, measure_operators, operators
from oracle.spec import NetSpec

ROOFS = Device(
    "host", "Host", "desktop-cpu",
    vector=Peaks((("float32", Figure(1e12)),)), bandwidth=Figure(1e11), launch=Figure(1e-6),
)  # fmt: skip


@pytest.fixture(scope="module")
def net() -> NetSpec:
    return oracle.to_spec(oracle.load_cfg("R-56"))


@pytest.fixture(scope="module")
def profiled(net: NetSpec) -> NetworkProfile:
    return measure_operators(net, roofs=ROOFS, repeats=2, threads=1)


def test_every_kernel_is_measured_and_the_sums_are_the_scores(net: NetSpec, profiled: NetworkProfile) -> None:
    cost = oracle.score(net)
    assert profiled.left == ()
    assert sum(item.flops for item in profiled.operators) == cost.flops
    assert sum(item.traffic_bytes for item in profiled.operators) == cost.traffic_bytes
    claimed = sum(item.time_s for item in profiled.operators)
    assert claimed + profiled.other_s == pytest.approx(profiled.total_s)
    assert profiled.achieved_flops_per_s == pytest.approx(cost.flops / profiled.total_s)
    assert profiled.achieved_bytes_per_s == pytest.approx(cost.traffic_bytes / profiled.total_s)


def test_shares_of_the_roof(net: NetSpec, profiled: NetworkProfile) -> None:
    predicted_s = oracle.score(net, [ROOFS]).roofline_ms["host"] * 1e-3
    assert profiled.roof_share == pytest.approx(predicted_s / profiled.total_s)
    classes = profiled.by_class()
    assert {"conv", "norm", "activation", "linear"} <= set(classes)
    seconds, flops, traffic, share = classes["linear"]
    (linear,) = (item for item in profiled.operators if item.op_class == "linear")
    assert (seconds, flops, traffic, share) == (
        linear.time_s, linear.achieved_flops_per_s, linear.achieved_bytes_per_s, linear.roof_share
    )  # fmt: skip
    assert linear.module.startswith("head")


def test_without_roofs_there_is_no_share(net: NetSpec) -> None:
    found = measure_operators(net, repeats=1, threads=1)
    assert found.roof_share is None
    assert found.operators[0].roof_share is None


def test_a_training_step_finds_its_backward_pass(net: NetSpec) -> None:
    found = measure_operators(net, repeats=1, threads=1, mode="training", batch_size=2)
    backward = {item.op_class for item in found.operators if item.phase == "backward"}
    assert {"conv", "norm", "activation", "linear"} <= backward
    assert {kernel.phase for kernel in found.left if kernel.macs} == set()


def test_fused_operators_cannot_be_told_apart(net: NetSpec) -> None:
    with pytest.raises(OracleError, match="runtime='compiled'"):
        measure_operators(net, runtime="compiled")


def test_kernels_are_summed_by_name_and_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(gemm_s: float, *extra: MeasuredKernel) -> Imported:
        norm = MeasuredKernel("norm", "t", 1.0, operator="aten::batch_norm")
        gemms = [
            MeasuredKernel("gemm", "t", gemm_s, operator=name)
            for name in ("aten::conv2d", "aten::addmm", "aten::addmm")
        ]
        return Imported((norm, *gemms, *extra))

    copy = MeasuredKernel("copy", "t", 9.0)  # in one run of three: its median is 0
    monkeypatch.setattr(operators, "_runs", lambda *_: [run(2.0), run(3.0), run(4.0, copy)])
    assert measure_kernels("R-56") == (
        KernelTime("gemm", "aten::addmm", 2, 6.0, 0.6),
        KernelTime("gemm", "aten::conv2d", 1, 3.0, 0.3),
        KernelTime("norm", "aten::batch_norm", 1, 1.0, 0.1),
        KernelTime("copy", "", 0, 0.0, 0.0),
    )


def test_on_a_cpu_operators_stand_for_kernels(net: NetSpec) -> None:
    found = measure_kernels(net, repeats=1, threads=1)
    convs = [kernel for kernel in found if kernel.name == "aten::conv2d"]
    assert [kernel.launches for kernel in convs] == [sum(row.op_class == "conv" for row in oracle.score(net).kernels())]
    assert sum(kernel.share for kernel in found) == pytest.approx(1)
    assert [kernel.time_s for kernel in found] == sorted((kernel.time_s for kernel in found), reverse=True)
