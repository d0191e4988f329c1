from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.measure.engines.agreement import NETWORKS, agree, network, scores_of_torch, session

pytest.importorskip("openvino", reason="pip install openvino onnx onnxscript")
pytest.importorskip("onnxscript", reason="pip install openvino onnx onnxscript")


@pytest.mark.parametrize("kind", NETWORKS)
def test_scores_are_pytorchs(kind: str, models: Path) -> None:
    net = network(kind)
    expected = scores_of_torch(net)
    agree(session(net, models, "openvino")(), expected, 1e-4)
    agree(session(net, models, "openvino", dtype="bfloat16")(), expected, 0.1)


@pytest.mark.parametrize("kind", NETWORKS)
def test_int8_is_nncfs(kind: str, models: Path) -> None:
    pytest.importorskip("nncf", reason="pip install nncf")
    import openvino

    net = network(kind)
    agree(session(net, models, "openvino", dtype="int8")(), scores_of_torch(net), 0.5)
    (path,) = models.glob(f"{net.name}-*.int8.xml")
    nodes = openvino.Core().read_model(str(path)).get_ops()
    assert sum(node.get_type_name() == "FakeQuantize" for node in nodes) > 3


def test_a_profile_has_the_nodes_that_ran(models: Path) -> None:
    loaded = session(network("regnet"), models, "openvino", profiled=True)
    kinds = [node.kind for node in loaded.profile(2)]
    assert sum("Convolution" in kind for kind in kinds) >= 1 + 2 * 3
    assert kinds.count("FullyConnected") == 1
