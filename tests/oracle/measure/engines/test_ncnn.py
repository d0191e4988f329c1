from __future__ import annotations

from pathlib import Path

import pytest

from oracle.errors import OracleError
from tests.oracle.measure.engines.agreement import NETWORKS, agree, network, scores_of_torch, session

pytest.importorskip("ncnn", reason="pip install ncnn pnnx")
pytest.importorskip("pnnx", reason="pip install ncnn pnnx")


@pytest.mark.parametrize("kind", NETWORKS)
def test_scores_are_pytorchs(kind: str, models: Path) -> None:
    net = network(kind)
    expected = scores_of_torch(net)
    agree(session(net, models, "ncnn")(), expected, 1e-4)
    agree(session(net, models, "ncnn", dtype="float16")(), expected, 0.02)
    (graph,) = models.glob(f"{net.name}-*.ncnn.param")
    assert graph.with_suffix(".bin").exists()


def test_a_batch_is_run_image_by_image(models: Path) -> None:
    net = network("regnet")
    agree(session(net, models, "ncnn", batch_size=3)(), scores_of_torch(net, 3), 1e-4)
    assert len(list(models.glob(f"{net.name}-*.ncnn.param"))) == 1  # the same file as for one image


def test_it_has_no_profiler(models: Path) -> None:
    with pytest.raises(OracleError, match="engine='ncnn' has no profiler"):
        session(network("vit"), models, "ncnn", profiled=True)
