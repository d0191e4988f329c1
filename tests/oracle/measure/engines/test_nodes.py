from __future__ import annotations

from pathlib import Path

import pytest

import oracle
from oracle.counting.networks import count_net
from oracle.devices import Device, Figure, Peaks
from oracle.imports.engines import Layer
from oracle.measure import measure_operators
from oracle.measure.engines.nodes import engine_profile
from oracle.spec import Workload
from tests.oracle.measure.engines.agreement import network

ROOFS = Device(
    "host", "Host", "desktop-cpu",
    vector=Peaks((("float32", Figure(1e12)),)), bandwidth=Figure(1e11), launch=Figure(1e-6),
)  # fmt: skip
ENGINE = Workload(runtime="engine")


def test_what_is_kept_apart_adds_up_and_what_nobody_predicts_stays_apart() -> None:
    net = network("regnet")
    count = count_net(net, ENGINE)
    modules = {"node_conv": "stem.bn", "relu": "stem.act", "node_fc": "head.fc", "node_odd": "nowhere"}
    nodes = [
        Layer("images_reorder", "Reorder", 0.5, "report"),  # names no node of the graph
        Layer("node_conv/WithoutBiases", "Convolution", 1.0, "report"),
        Layer("relu_nchwc", "Relu", 2.0, "report"),
        Layer("node_odd", "Cast", 4.0, "report"),
        Layer("node_fc", "Gemm", 8.0, "report"),
    ]
    found = engine_profile(net.name, ENGINE, nodes, modules, count, ROOFS)
    assert [(item.module, item.time_s) for item in found.operators] == [("stem.conv", 3.0), ("head.fc", 8.0)]
    assert (found.total_s, found.other_s) == (15.5, 4.5)
    assert len(found.left) == len(count.kernels) - 2
    stem = found.operators[0]
    assert stem.flops == count.kernels[0].matrix_flops + count.kernels[0].vector_flops
    assert stem.roof_s is not None
    assert stem.predicted_s is None


def test_additions_of_one_block_go_to_the_kernel_that_comes_next() -> None:
    net = network("vit")
    count = count_net(net, ENGINE)
    (block,) = {kernel.module.split(".")[0] for kernel in count.kernels} - {"stem", "head"}
    nodes = [
        Layer("first", "Add", 1.0, "report"),
        Layer("mlp", "MatMul", 4.0, "report"),
        Layer("second", "Add", 2.0, "report"),
    ]
    last = [kernel.module for kernel in count.kernels if kernel.module.startswith(f"{block}.")][-1]
    modules = {"first": block, "second": block, "mlp": last}
    found = engine_profile(net.name, ENGINE, nodes, modules, count)
    assert sum(item.time_s for item in found.operators) == 7.0
    assert found.operators[-1].module == last
    assert found.operators[-1].time_s == 6.0
    assert found.operators[0].roof_s is None


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("kind", ["regnet", "vit"])
def test_every_kernel_is_found_in_onnx_runtime(kind: str, dtype: str, models: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install onnxruntime onnxscript")
    pytest.importorskip("onnxscript", reason="pip install onnxruntime onnxscript")
    net = network(kind)
    found = measure_operators(net, engine="onnxruntime", dtype=dtype, repeats=2, threads=1, models=models)
    products = [kernel for kernel in found.left if kernel.macs]
    assert products == []
    cost = oracle.score(net, engine="onnxruntime", dtype=dtype)
    assert sum(item.flops for item in found.operators) + sum(
        kernel.matrix_flops + kernel.vector_flops for kernel in found.left
    ) == pytest.approx(cost.flops)
