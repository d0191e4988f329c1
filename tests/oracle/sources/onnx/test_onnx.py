"""ONNX files: by hand, and against the modules they were exported from."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oracle.errors import OracleError
from oracle.query import Cost, profile, score
from oracle.sources import inputs_of, open_source
from oracle.sources.onnx.registry import OPERATORS, operator
from tests.mutations import mutated_json

onnx: Any = pytest.importorskip("onnx", reason="the extra onnx is not installed")

HAS_RUNTIME = importlib.util.find_spec("onnxruntime") is not None
Save = Callable[..., str]
FLOAT = 1


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save(nodes, {"x": (1, 3)}, {"w": array})` writes a file with the last node's first output."""

    def write(nodes: list[Any], inputs: dict[str, Any], weights: dict[str, Any], **options: Any) -> str:
        helper, numpy_helper = onnx.helper, onnx.numpy_helper
        values = {
            name: helper.make_tensor_value_info(name, options.get(name, FLOAT), shape) for name, shape in inputs.items()
        }
        result = onnx.ValueInfoProto()
        result.name = nodes[-1].output[0]
        graph = helper.make_graph(
            nodes, "g", list(values.values()), [result], [numpy_helper.from_array(v, k) for k, v in weights.items()],
            value_info=options.get("value_info"),
        )  # fmt: skip
        opsets = [helper.make_opsetid("", options.get("opset", 18)), helper.make_opsetid("com.example", 1)]
        path = tmp_path / "n.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
        return str(path)

    return write


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(op, inputs.split(","), outputs.split(","), **attributes)


def zeros(*shape: int) -> Any:
    return np.zeros(shape, dtype=np.float32)


def test_a_convolution_by_hand(save: Save) -> None:
    nodes = [
        node("Conv", "x,c.weight,c.bias", "a", name="/c/Conv", pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3]),
        node("Relu", "a", "b", name="/act/Relu"),
        node("GlobalAveragePool", "b", "p", name="/pool/GlobalAveragePool"),
        node("Flatten", "p", "f", name="/Flatten"),
        node("Gemm", "f,h.weight,h.bias", "y", name="/h/Gemm", transB=1),
    ]
    weights = {"c.weight": zeros(16, 3, 3, 3), "c.bias": zeros(16), "h.weight": zeros(5, 16), "h.bias": zeros(5)}
    cost = score(save(nodes, {"x": ("batch", 3, 8, 8)}, weights), batch_size=2, strict=True)
    assert cost.macs == 2 * (16 * 4 * 4 * 27 + 16 * 5)
    assert cost.params == 16 * 27 + 16 + 5 * 16 + 5
    assert [(kernel.module, kernel.op_class) for kernel in cost.kernels()] == [
        ("c", "conv"), ("act", "activation"), ("pool", "reduction"), ("h", "linear"),
    ]  # fmt: skip
    assert cost.origin is not None
    assert cost.origin.inputs == ("2x3x8x8:float32",)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))
    same(cost, profile(net, torch.empty(2, 3, 8, 8)), "peak_memory_bytes")


def same(ours: Cost, theirs: Cost, *more: str) -> None:
    fields = ("macs", "flops", "params", "activations", "traffic_bytes", *more)
    assert {name: getattr(ours, name) for name in fields} == {name: getattr(theirs, name) for name in fields}


ONE_NODE: dict[str, tuple[Any, tuple[int, ...], dict[str, Any], Callable[[torch.Tensor], Any]]] = {
    "ConvTranspose": (
        lambda: node("ConvTranspose", "x,w", "y", strides=[2, 2], pads=[1, 1, 1, 1]), (1, 4, 5, 5), {"w": zeros(4, 6, 4, 4)},
        lambda x: F.conv_transpose2d(x, torch.empty(4, 6, 4, 4), stride=2, padding=1),
    ),
    "Conv, same padding": (
        lambda: node("Conv", "x,w", "y", auto_pad="SAME_UPPER", strides=[2, 2]), (1, 4, 8, 8), {"w": zeros(6, 4, 3, 3)},
        lambda x: F.conv2d(F.pad(x, (0, 1, 0, 1)), torch.empty(6, 4, 3, 3), stride=2),
    ),
    "MatMul": (lambda: node("MatMul", "x,w", "y"), (2, 5, 8), {"w": zeros(8, 3)}, lambda x: x @ torch.empty(8, 3)),
    "LayerNormalization": (
        lambda: node("LayerNormalization", "x,w,b", "y"), (2, 5, 8), {"w": zeros(8), "b": zeros(8)},
        lambda x: F.layer_norm(x, (8,), torch.empty(8), torch.empty(8)),
    ),
    "Softmax": (lambda: node("Softmax", "x", "y"), (2, 5, 8), {}, lambda x: x.softmax(-1)),
    "ReduceMean": (
        lambda: node("ReduceMean", "x,axes", "y", keepdims=0), (2, 5, 8), {"axes": np.array([1, 2])}, lambda x: x.mean((1, 2)),
    ),
    "Clip": (
        lambda: node("Clip", "x,low,high", "y"), (2, 5), {"low": np.float32(0).reshape(()), "high": np.float32(6).reshape(())},
        F.relu6,
    ),
    "HardSwish": (lambda: node("HardSwish", "x", "y"), (2, 5), {}, F.hardswish),
    "MaxPool": (
        lambda: node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), (1, 4, 9, 9), {},
        lambda x: F.max_pool2d(x, 3, 2, 1),
    ),
    "Concat": (lambda: node("Concat", "x,x", "y", axis=1), (2, 5), {}, lambda x: torch.cat([x, x], 1)),
    "Mul by a number": (lambda: node("Mul", "x,s", "y"), (2, 5), {"s": np.float32(2).reshape(())}, lambda x: x * 2.0),
    "Resize": (
        lambda: node("Resize", "x,,scales", "y", mode="linear"), (1, 2, 4, 4), {"scales": np.array([1, 1, 2, 2], np.float32)},
        lambda x: F.interpolate(x, (8, 8), mode="bilinear"),
    ),
    "Gather": (lambda: node("Gather", "x,i", "y", axis=1), (3, 7), {"i": np.array([-1, 0])}, lambda x: x.index_select(1, torch.tensor([6, 0]))),
    "LSTM": (
        lambda: node("LSTM", "x,w,r,b", "y", hidden_size=6), (3, 2, 4),
        {"w": zeros(1, 24, 4), "r": zeros(1, 24, 6), "b": zeros(1, 48)}, lambda x: None,
    ),
}  # fmt: skip


class Just(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize("name", [name for name in ONE_NODE if name != "LSTM"])
def test_one_node_costs_what_torch_does(name: str, save: Save) -> None:
    make, shape, weights, function = ONE_NODE[name]
    ours = score(save([make()], {"x": shape}, weights), strict=True)
    theirs = profile(Just(function), torch.empty(shape), strict=True)
    assert (ours.macs, ours.flops, ours.activations) == (theirs.macs, theirs.flops, theirs.activations)
    assert [kernel.name for kernel in ours.kernels()] == [kernel.name for kernel in theirs.kernels()]


def test_an_lstm_costs_what_torch_does(save: Save) -> None:
    make, shape, weights, _ = ONE_NODE["LSTM"]
    ours_file = save([make()], {"x": shape}, weights)
    ours, theirs = score(ours_file), profile(nn.LSTM(4, 6), torch.empty(shape))
    assert not ours.notes
    assert score(ours_file, ["t4"]).notes[0].startswith("LSTM: taken to run step by step")
    # torch writes its first states as zeros: 2 * 2 * 6 floats
    assert (ours.macs, ours.flops, ours.params) == (theirs.macs, theirs.flops, theirs.params)
    assert theirs.traffic_bytes - ours.traffic_bytes == 4 * 2 * 2 * 6


def test_shape_arithmetic_is_done_with_numbers(save: Save) -> None:
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s,zero", "n", axis=0), node("Unsqueeze", "n,axis", "n1"),
        node("Concat", "n1,rest", "to", axis=0), node("Reshape", "x,to", "y"), node("Relu", "y", "z"),
    ]  # fmt: skip
    weights = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    cost = score(save(nodes, {"x": ("n", 3, 4)}, weights), batch_size=5, strict=True)
    assert [kernel.name for kernel in cost.kernels()] == ["aten.relu"]
    assert (cost.flops, cost.params) == (60, 0)


def test_an_unknown_operator_is_listed_with_its_bytes(save: Save) -> None:
    stated = onnx.helper.make_tensor_value_info("a", FLOAT, ("n", 7))
    odd = onnx.helper.make_node("Odd", ["x"], ["a"], domain="com.example")
    file = save([odd, node("Relu", "a", "y")], {"x": ("n", 3)}, {}, value_info=[stated])
    cost = score(file, batch_size=2)
    assert cost.unknown == ("onnx.com_example_Odd",)
    assert cost.coverage == (1, 0, 1)
    assert cost.traffic_bytes == 4 * (2 * 3 + 2 * 7) + 4 * (2 * 7 * 2)
    with pytest.raises(OracleError, match="no FLOP formula"):
        score(file, batch_size=2, strict=True)
    with pytest.raises(OracleError, match="does not say the shape of 'a'"):
        score(save([odd, node("Relu", "a", "y")], {"x": ("n", 3)}, {}))


def test_inputs(save: Save) -> None:
    file = save([node("MatMul", "x,w", "y")], {"x": ("batch", "tokens", 8)}, {"w": zeros(8, 3)})
    with pytest.raises(OracleError, match="--input"):
        open_source(file)
    assert score(file, inputs=["2x5x8"]).macs == 2 * 5 * 8 * 3
    fixed = save([node("MatMul", "x,w", "y")], {"x": (1, 8)}, {"w": zeros(8, 3)})
    assert score(fixed).macs == 24
    with pytest.raises(OracleError, match="exported for input 1x8"):
        open_source(fixed, (), 4)
    with pytest.raises(OracleError, match="expected 1 inputs"):
        open_source(fixed, inputs_of(["1x8", "1x8"]))


def test_external_data_is_not_loaded(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph(
        [node("MatMul", "x,w", "y")], "g", [onnx.helper.make_tensor_value_info("x", FLOAT, (1, 8))],
        [onnx.helper.make_tensor_value_info("y", FLOAT, (1, 512))], [onnx.numpy_helper.from_array(zeros(8, 512), "w")],
    )  # fmt: skip
    path = tmp_path / "e.onnx"
    onnx.save(onnx.helper.make_model(graph), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    assert score(path).params == 8 * 512


@pytest.mark.parametrize("content", [None, b"", b"\x00\xffnot a model"])
def test_a_file_that_is_none(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OracleError, match=r"no such file|not a usable ONNX file"):
        score(path)


def test_an_operator_is_registered_once() -> None:
    with pytest.raises(OracleError, match="twice"):
        operator("Relu")(OPERATORS["Relu"])


def test_data_that_decides_shapes_is_an_error(save: Save) -> None:
    file = save([node("Reshape", "x,to", "y")], {"x": (2, 6), "to": (2,)}, {}, to=7)
    with pytest.raises(OracleError, match="depend on the data"):
        score(file)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(self.pool(x + self.deep(x)).flatten(1))


def test_an_exported_network_costs_what_its_module_costs(tmp_path: Path) -> None:
    net = Net().eval()
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)  # the exporter merges weights that are equal
    options: dict[str, Any] = {
        "dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}, "opset_version": 17,
        "training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False,
    }  # fmt: skip
    file = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.randn(1, 3, 16, 16),), str(file), **options)
    for workload in ({}, {"dtype": "float16"}, {"runtime": "engine"}, {"runtime": "compiled", "layout": "nhwc"}):
        ours = score(file, batch_size=4, strict=True, **workload)
        theirs = profile(net, torch.empty(4, 3, 16, 16), **workload)
        same(ours, theirs)
        assert [(k.name, k.module) for k in ours.kernels()] == [(k.name, k.module) for k in theirs.kernels()]
    constants = tmp_path / "constants.onnx"
    constants.write_bytes(with_constants(file))
    same(score(constants, batch_size=4), score(file, batch_size=4), "peak_memory_bytes")


def with_constants(file: Path, lists: bool = False) -> bytes:
    """The same graph with its weights in nodes, those of one dimension as lists."""
    model = onnx.load(file)

    def content(item: Any) -> dict[str, Any]:
        array = onnx.numpy_helper.to_array(item)
        is_list = lists and array.ndim == 1 and array.dtype == np.float32
        return {"value_floats": array.tolist()} if is_list else {"value": item}

    weights = [node("Constant", "", item.name, **content(item)) for item in model.graph.initializer]
    for item in weights:
        del item.input[:]
    nodes = [*weights, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


class Recurrent(nn.Module):
    """A recurrent layer and a head over three dimensions, which exporters write as MatMul and Add."""

    def __init__(self, layer: type[nn.RNNBase], learnt: bool, bidirectional: bool = False) -> None:
        super().__init__()
        self.layer, ways = layer(8, 6, bidirectional=bidirectional), 1 + bidirectional
        self.head = nn.Linear(6 * ways, 3)
        count = 0 if not learnt else 2 if layer is nn.LSTM else 1
        self.first = nn.ParameterList(torch.randn(ways, 1, 6) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = tuple(self.first) if len(self.first) == 2 else next(iter(self.first), None)
        return self.head(self.layer(x, first)[0])


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize(("learnt", "bidirectional"), [(False, False), (True, False), (False, True), (True, True)])
def test_weights_are_those_of_the_module_in_each_form_of_a_file(
    layer: type[nn.RNNBase], learnt: bool, bidirectional: bool, tmp_path: Path
) -> None:
    """First states are weights where they are learnt. Of one file: initialisers, tensors in nodes, lists in nodes."""
    net, file = Recurrent(layer, learnt, bidirectional).eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.randn(7, 1, 8),), str(file), dynamo=False, opset_version=17)
    (tmp_path / "constants.onnx").write_bytes(with_constants(file))
    (tmp_path / "lists.onnx").write_bytes(with_constants(file, lists=True))
    (tmp_path / "weights.onnx").write_bytes(without_constants(file))
    files = [*tmp_path.glob("*.onnx"), *([as_onnxruntime_has_it(file)] if HAS_RUNTIME else [])]
    found = {path.name: score(path, strict=True) for path in files}
    assert {name: cost.params for name, cost in found.items()} == dict.fromkeys(
        found, sum(parameter.numel() for parameter in net.parameters())
    )
    for name, cost in found.items():
        if name != "folded.onnx":  # which has other kernels
            same(cost, found["net.onnx"])


def as_onnxruntime_has_it(file: Path) -> Path:
    """The graph of an ONNX file after the runtime's own folding of constants."""
    runtime = importlib.import_module("onnxruntime")
    options, folded = runtime.SessionOptions(), file.with_name("folded.onnx")
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath, options.log_severity_level = str(folded), 3
    runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return folded


def without_constants(file: Path) -> bytes:
    """The same graph with its constants among its weights."""
    model = onnx.load(file)
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    for item in constants:
        item.attribute[0].t.name = item.output[0]
        model.graph.initializer.append(item.attribute[0].t)
        model.graph.node.remove(item)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("tokens", [3, 300])
def test_a_mask_is_no_weight(save: Save, dtype: Any, tokens: int) -> None:
    """Exporters fold it to numbers that are added, and these hold what no weight does."""
    shape, kind = {"x": (1, tokens, tokens)}, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [node("Add", "x,m", "y")]
    for least, params in ((-np.inf, 0), (np.finfo(dtype).min, 0), (-1e4, tokens * tokens), (np.nan, tokens * tokens)):
        mask = np.triu(np.full((tokens, tokens), least, dtype=dtype), 1)
        assert score(save(nodes, shape, {"m": mask}, x=kind)).params == params


def test_what_was_a_buffer_is_no_weight(save: Save) -> None:
    """As torch's exporter says of initialisers."""
    stated = onnx.helper.make_tensor_value_info("mean", FLOAT, (1, 3, 1, 1))
    stated.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="BUFFER")
    shape = {"x": (1, 3, 4, 4)}
    nodes, weights = [node("Sub", "x,mean", "y")], {"mean": zeros(1, 3, 1, 1)}
    assert score(save(nodes, shape, weights, value_info=[stated])).params == 0
    assert score(save(nodes, shape, weights)).params == 3


def test_content_elsewhere_is_never_opened(save: Save, tmp_path: Path) -> None:
    """Of an initialiser or a constant: a pipe would hang whoever opens it."""
    os.mkfifo(tmp_path / "pipe")
    model = onnx.load(save([node("Constant", "", "c", value=onnx.numpy_helper.from_array(zeros(4, 4))),
                            node("MatMul", "x,c", "a"), node("MatMul", "a,w", "y")], {"x": (2, 4)}, {"w": zeros(4, 5)}))  # fmt: skip
    del model.graph.node[0].input[:]
    for tensor in (model.graph.initializer[0], model.graph.node[0].attribute[0].t):
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "pipe"
    path = tmp_path / "elsewhere.onnx"
    path.write_bytes(model.SerializeToString())
    assert score(path).macs == 2 * 4 * 4 + 2 * 4 * 5


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ([("ConstantOfShape", "big", "a")], "would make 10,000,000,000 numbers"),
        ([("Expand", "one,big", "a")], "would make 10,000,000,000 numbers"),
        ([("Tile", "table,big", "a")], "would make"),
        ([("Range", "zero,huge,step", "a")], "would make 1,000,000,000,000 numbers"),
        ([("Unsqueeze", "long,axis", "b"), ("Mul", "long,b", "a")], "would make 3,600,000,000 numbers"),
    ],
)
def test_numbers_of_shape_arithmetic_are_counted_before_they_are_made(
    save: Save, nodes: list[tuple[str, str, str]], complaint: str
) -> None:
    def ints(*values: int) -> Any:
        return np.array(values, dtype=np.int64)

    weights = {
        "big": ints(100_000, 100_000), "one": ints(1), "table": ints(1, 2)[None], "axis": ints(1),
        "zero": np.array(0), "huge": np.array(10**12), "step": np.array(1), "long": np.arange(60_000),
    }  # fmt: skip
    shape = [node("Reshape", "x,a", "y", name="last")]
    with pytest.raises(OracleError, match=complaint):
        score(save([node(*words) for words in nodes] + shape, {"x": (2, 4)}, weights))


@pytest.mark.parametrize("dims", [(-1, 3), (2**60, 2**10)])
def test_sizes_that_no_tensor_has(save: Save, dims: tuple[int, int], tmp_path: Path) -> None:
    model = onnx.load(save([node("MatMul", "x,w", "y")], {"x": (2, 4)}, {"w": zeros(4, 5)}))
    model.graph.initializer[0].dims[:] = dims
    path = tmp_path / "sizes.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OracleError, match="expected dimensions of at least 0"):
        open_source(path)


def test_functions_of_functions_are_counted_before_they_are_written_out(tmp_path: Path) -> None:
    helper, opsets = onnx.helper, [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("f", 1)]

    def function(name: str, *calls: str) -> Any:
        nodes = [
            helper.make_node(call, ["x"], [f"o{i}"], domain="f" if call != "Relu" else "")
            for i, call in enumerate(calls)
        ]
        nodes.append(helper.make_node("Sum", [f"o{i}" for i in range(len(calls))], ["y"]))
        return helper.make_function("f", name, ["x"], ["y"], nodes, opsets)

    def written(*functions: Any) -> Path:
        value = [helper.make_tensor_value_info(name, FLOAT, (2, 4)) for name in "xy"]
        graph = helper.make_graph(
            [helper.make_node(functions[-1].name, ["x"], ["y"], domain="f")], "g", value[:1], value[1:]
        )
        path = tmp_path / "functions.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=opsets, functions=functions).SerializeToString())
        return path

    small = [function("f0", "Relu", "Relu"), function("f1", "f0", "f0")]
    assert open_source(written(*small))
    many = [function("f0", "Relu"), *(function(f"f{i + 1}", f"f{i}", f"f{i}") for i in range(40))]
    with pytest.raises(OracleError, match="nodes once written out; expected at most"):
        open_source(written(*many))
    with pytest.raises(OracleError, match="calls itself"):
        open_source(written(function("a", "b"), function("b", "a")))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_a_file_made_wrong_is_a_result_or_one_line(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    json_format: Any = importlib.import_module("google.protobuf.json_format")

    nodes = [node("Conv", "x,c", "a", name="/c/Conv", kernel_shape=[3, 3]), node("Relu", "a", "b"),
             node("Shape", "b", "s"), node("Slice", "s,i,j", "n"), node("Concat", "n,k", "t", axis=0),
             node("Reshape", "b,t", "f"), node("MatMul", "f,w", "y")]  # fmt: skip
    numbers = {"i": [0], "j": [1], "k": [-1]}
    weights = {
        "c": zeros(4, 3, 3, 3),
        "w": zeros(64, 5),
        **{n: np.array(v, dtype=np.int64) for n, v in numbers.items()},
    }
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("x", FLOAT, (2, 3, 6, 6))],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    tree = json_format.MessageToDict(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]))
    path = tmp_path_factory.getbasetemp() / "mutated.onnx"
    try:
        made = json_format.ParseDict(mutated_json(tree, seed), onnx.ModelProto(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError):
        return  # no file of this format can say it
    path.write_bytes(made.SerializeToString())
    try:
        score(path)
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too
