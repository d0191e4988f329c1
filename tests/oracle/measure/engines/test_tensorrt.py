"""TensorRT's adapter against a stand-in for its package, which runs what it was given in ONNX Runtime."""

from __future__ import annotations

import ctypes
import sys
from importlib.machinery import ModuleSpec
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from oracle.errors import MissingDependencyError, OracleError
from oracle.measure.engines import base, check_engine
from oracle.measure.engines import tensorrt as adapter
from oracle.spec import Workload
from tests.oracle.measure.engines.agreement import agree, network, scores_of_torch, session

pytest.importorskip("onnxruntime", reason="pip install onnxruntime onnxscript")
pytest.importorskip("onnxscript", reason="pip install onnxruntime onnxscript")


class FakeTensorRt:
    """What the adapter uses of TensorRT 10; `flags` and `streams` are what it was asked for."""

    class Logger:
        ERROR = 1

        def __init__(self, severity: int) -> None:
            assert severity == self.ERROR

    class IProfiler:
        pass

    class TensorIOMode:
        INPUT, OUTPUT = "in", "out"

    NetworkDefinitionCreationFlag = SimpleNamespace()
    ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
    BuilderFlag = SimpleNamespace(**{name: name for name in ("TF32", "FP16", "BF16", "INT8")})

    def __init__(self) -> None:
        self.__spec__ = ModuleSpec("tensorrt", None)  # which torch looks for
        self.flags = {"TF32"}
        self.verbosity = ""
        self.streams: list[int] = []
        self.readable = True

    def Builder(self, _logger: Any) -> Any:  # noqa: N802 - its name
        config = SimpleNamespace(
            set_flag=self.flags.add, clear_flag=self.flags.discard, profiling_verbosity="layer names"
        )

        def build(made: Any, own: Any) -> Any:
            self.verbosity = own.profiling_verbosity
            return made.content

        return SimpleNamespace(
            create_network=lambda flags: SimpleNamespace(flags=flags, content=b""),
            create_builder_config=lambda: config,
            build_serialized_network=build,
        )

    def OnnxParser(self, made: Any, _logger: Any) -> Any:  # noqa: N802 - its name
        def parse(content: bytes) -> bool:
            made.content = content
            return self.readable

        return SimpleNamespace(parse=parse, get_error=lambda _number: SimpleNamespace(desc=lambda: "no such operator"))

    def Runtime(self, _logger: Any) -> Any:  # noqa: N802 - its name
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: FakeEngine(plan, self))


class FakeEngine:
    def __init__(self, plan: bytes, package: FakeTensorRt) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        self.ends = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.num_io_tensors = len(self.ends)
        self.package = package
        self.addresses: dict[str, int] = {}
        self.profiler: Any = None

    def get_tensor_name(self, number: int) -> str:
        return str(self.ends[number].name)

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == self.ends[0].name else "out"

    def get_tensor_shape(self, name: str) -> list[int]:
        return next(end.shape for end in self.ends if end.name == name)

    def create_execution_context(self) -> FakeEngine:
        return self

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        self.package.streams.append(stream)
        given, made = (self.seen(end.name) for end in self.ends)
        made[:] = self.session.run(None, {self.ends[0].name: given})[0]
        if self.profiler is not None:
            for layer in ("stem", "head"):
                self.profiler.report_layer_time(layer, 0.25)
        return True

    def seen(self, name: str) -> Any:
        shape = self.get_tensor_shape(name)
        numbers = (ctypes.c_float * prod(shape)).from_address(self.addresses[name])
        return np.ctypeslib.as_array(numbers).reshape(shape)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    found = FakeTensorRt()
    monkeypatch.setitem(sys.modules, "tensorrt", found)  # type: ignore[arg-type]
    monkeypatch.setattr(adapter, "_PLACE", "cpu")
    monkeypatch.setattr("torch.cuda.current_stream", lambda: SimpleNamespace(cuda_stream=7))
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    return found


def test_scores_are_pytorchs_on_the_stream_that_is_timed(package: FakeTensorRt, models: Path) -> None:
    net = network("regnet")
    loaded = session(net, models, "tensorrt")
    agree(loaded(), scores_of_torch(net), 1e-4)
    assert package.streams == [7]
    assert package.flags == set()  # float32 means it, though TF32 is TensorRT's default
    assert np.isfinite(loaded()).all()


@pytest.mark.parametrize(("dtype", "flag"), [("float16", "FP16"), ("bfloat16", "BF16"), ("tf32", "TF32")])
def test_types_are_flags_of_the_builder(dtype: str, flag: str, package: FakeTensorRt, models: Path) -> None:
    session(network("regnet"), models, "tensorrt", dtype=dtype)
    assert package.flags == {flag}


def test_int8_is_symmetric_pairs_in_the_file(package: FakeTensorRt, models: Path) -> None:
    import onnx

    net = network("regnet")
    agree(session(net, models, "tensorrt", dtype="int8")(), scores_of_torch(net), 0.5)
    assert package.flags == {"INT8"}
    (path,) = models.glob("RegNetY-400MF-*-b1.symmetric-int8.onnx")
    graph = onnx.load(path).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zeros = [stored[node.input[2]] for node in graph.node if node.op_type == "DequantizeLinear"]
    assert zeros
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)


def test_layers_are_profiled(package: FakeTensorRt, models: Path) -> None:
    layers = session(network("regnet"), models, "tensorrt", profiled=True).profile(3)
    assert [(layer.name, layer.seconds) for layer in layers] == [("stem", 0.25e-3), ("head", 0.25e-3)]
    assert package.verbosity == "detailed"


def test_what_it_cannot_read_it_says(package: FakeTensorRt, models: Path) -> None:
    package.readable = False
    with pytest.raises(OracleError, match=r"engine='tensorrt' cannot read RegNetY-.*: no such operator"):
        session(network("regnet"), models, "tensorrt")


def test_it_needs_its_package_and_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = Workload().with_(engine="tensorrt", dtype="float16")
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "tensorrt" else object())
    with pytest.raises(MissingDependencyError, match=r"engine='tensorrt' needs tensorrt: pip install tensorrt$"):
        check_engine(workload, "cuda:0")
    monkeypatch.setattr(base, "find_spec", lambda _name: object())
    check_engine(workload, "cuda:0")
    with pytest.raises(OracleError, match="engine='tensorrt' is measured on cuda, got device='cpu'; or run trtexec"):
        check_engine(workload, "cpu")
