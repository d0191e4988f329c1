from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import oracle
from oracle.errors import WorkloadError
from oracle.measure.engines.onnx import modules_of
from tests.oracle.measure.engines.agreement import NETWORKS, agree, network, scores_of_torch, session

pytest.importorskip("onnxruntime", reason="pip install onnxruntime onnxscript")
pytest.importorskip("onnxscript", reason="pip install onnxruntime onnxscript")


@pytest.mark.parametrize("kind", NETWORKS)
def test_scores_are_pytorchs(kind: str, models: Path) -> None:
    net = network(kind)
    expected = scores_of_torch(net)
    agree(session(net, models, "onnxruntime")(), expected, 1e-4)
    agree(session(net, models, "onnxruntime", dtype="int8")(), expected, 0.5)
    agree(session(net, models, "onnxruntime")(), expected, 1e-4)  # now from the file


def test_weights_and_convolutions_are_quantised(models: Path, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    session(network("regnet"), models, "onnxruntime", dtype="int8")
    (path,) = models.glob("RegNetY-400MF-*-b1.int8.onnx")
    graph = onnx.load(path).graph
    made = {node.output[0]: node for node in graph.node}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        weight = made[node.input[1]]
        assert made[node.input[0]].op_type == weight.op_type == "DequantizeLinear"
        assert stored[weight.input[0]].data_type == onnx.TensorProto.INT8
        assert list(stored[weight.input[1]].dims) == [stored[weight.input[0]].dims[0]]  # a scale per output channel
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == len(convolutions)  # which is what the engine runs them as


def test_a_profile_has_every_node(models: Path) -> None:
    loaded = session(network("regnet"), models, "onnxruntime", profiled=True)
    nodes = loaded.profile(3)
    kinds = [node.kind for node in nodes]
    assert len({node.name for node in nodes}) == len(nodes)
    assert kinds.count("Conv") >= 1 + 2 * 3  # stem, and three in each of two blocks; squeeze-and-excitation has more
    assert kinds[-1] == "Gemm"
    assert all(node.seconds >= 0 for node in nodes)


def test_stages_of_another_type_are_left_out_of_quantisation(models: Path) -> None:
    import onnx

    net = replace(network("regnet"), dtypes=(("s1", "int8"),))
    agree(session(net, models, "onnxruntime")(), scores_of_torch(net), 0.5)
    (path,) = models.glob("RegNetY-400MF-*-b1.mixed-float32.onnx")
    graph = onnx.load(path).graph
    made = {node.output[0]: node for node in graph.node}
    modules = modules_of(path)
    quantised = {
        modules[node.name].split(".")[0] for node in graph.node if node.op_type == "Conv" and node.input[1] in made
    }
    assert quantised == {"s1_b1"}


def test_types_that_are_not_run_here_are_refused() -> None:
    for engine, dtype in (("ncnn", "int8"), ("onnxruntime", "float16")):
        net = replace(network("regnet"), dtypes=(("s1", dtype),))
        with pytest.raises(WorkloadError, match=r"types by stage are measured with engine='onnxruntime' and float32"):
            oracle.measure(net, engine=engine, repeats=1)
