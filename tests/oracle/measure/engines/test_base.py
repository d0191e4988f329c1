from __future__ import annotations

from typing import Any

import pytest

from oracle.errors import MissingDependencyError, OracleError
from oracle.measure.engines import base, check_engine
from oracle.spec import Workload


@pytest.mark.parametrize(
    ("changes", "device", "complaint"),
    [
        ({"runtime": "engine"}, "cpu", "runtime='engine': no engine is named; expected engine=onnxruntime, openvino"),
        ({"engine": "tensorrt"}, "cpu", "engine='tensorrt' is measured on cuda, got device='cpu'; or run trtexec"),
        ({"engine": "coreml"}, "cpu", "engine='coreml' cannot be measured here"),
        ({"engine": "ncnn"}, "cuda:0", "engine='ncnn' is measured on the cpu, got device='cuda:0'"),
        ({"engine": "onnxruntime", "dtype": "float16"}, "cpu", "dtype='float16': expected float32 or int8 with"),
        ({"engine": "openvino", "layout": "nhwc"}, "cpu", "layout='nhwc': expected nchw with engine='openvino'"),
        ({"engine": "openvino", "mode": "training"}, "cpu", "mode='training': expected inference"),
        ({"engine": "openvino", "weights": "int8"}, "cpu", "weights='int8': engine='openvino' is measured with the"),
    ],
)
def test_what_engines_do_not_run_here(changes: dict[str, Any], device: str, complaint: str) -> None:
    with pytest.raises(OracleError, match=complaint):
        check_engine(Workload().with_(**changes), device)


def test_missing_packages_are_named_and_the_quantisers_only_for_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"openvino", "nncf"}
    monkeypatch.setattr(base, "find_spec", lambda name: None if name in absent else object())
    with pytest.raises(MissingDependencyError, match="engine='openvino' needs openvino: pip install openvino, or"):
        check_engine(Workload().with_(engine="openvino"), "cpu")
    with pytest.raises(MissingDependencyError, match="needs openvino and nncf: pip install openvino nncf"):
        check_engine(Workload().with_(engine="openvino", dtype="int8"), "cpu")
    absent.remove("openvino")
    check_engine(Workload().with_(engine="openvino"), "cpu")


def test_releases_say_the_engine_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_version", lambda package: {"onnx": "1.2", "openvino": "2026.4"}.get(package, ""))
    assert base.release_of("openvino") == "openvino 2026.4, onnx 1.2"
