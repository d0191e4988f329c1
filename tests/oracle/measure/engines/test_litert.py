from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.errors import OracleError
from tests.oracle.measure.engines.agreement import NETWORKS, agree, network, scores_of_torch, session

pytest.importorskip("ai_edge_litert", reason="pip install ai-edge-litert litert-torch")
pytest.importorskip("litert_torch", reason="pip install ai-edge-litert litert-torch")


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_scores_are_pytorchs(kind: str, layout: str, models: Path, capfd: Any) -> None:
    pytest.importorskip("ai_edge_quantizer", reason="pip install ai-edge-quantizer")
    net = network(kind)
    expected = scores_of_torch(net)
    agree(session(net, models, "litert", layout=layout)(), expected, 1e-4)
    agree(session(net, models, "litert", layout=layout, dtype="int8")(), expected, 0.5)
    assert tuple(capfd.readouterr()) == ("", "")  # its compilers have much to say


def test_a_profile_is_not_to_be_had(models: Path) -> None:
    with pytest.raises(OracleError, match="engine='litert': its profiler is not to be had from Python"):
        session(network("vit"), models, "litert", profiled=True)
