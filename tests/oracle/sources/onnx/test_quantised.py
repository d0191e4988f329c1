"""Quantised ONNX files by hand: in operators on integers, between conversions, and with weights of four bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oracle.errors import OracleError
from oracle.query import Cost, profile, score

onnx: Any = pytest.importorskip("onnx", reason="the extra onnx is not installed")

Save = Callable[..., str]
FLOAT, UINT8 = 1, 2
CONV = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save(nodes, {"x": (FLOAT, (1, 3))}, {"w": array})` writes a file with the last node's first output."""

    def write(nodes: list[Any], inputs: dict[str, Any], weights: dict[str, Any]) -> str:
        helper, numpy_helper = onnx.helper, onnx.numpy_helper
        given = [helper.make_tensor_value_info(name, *form) for name, form in inputs.items()]
        result = onnx.ValueInfoProto()
        result.name = nodes[-1].output[0]
        stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        path = tmp_path / "n.onnx"
        path.write_bytes(
            helper.make_model(
                helper.make_graph(nodes, "g", given, [result], stored), opset_imports=opsets
            ).SerializeToString()
        )
        return str(path)

    return write


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    domain = "com.microsoft" if op.startswith(("QLinearA", "QGemm", "MatMulN", "QAtt", "QLinearG")) else ""
    return onnx.helper.make_node(op, inputs.split(","), outputs.split(","), domain=domain, **attributes)


def scale(*shape: int) -> Any:
    return np.ones(shape, dtype=np.float32)


def number(dtype: type = np.uint8) -> Any:
    return np.zeros((), dtype=dtype)


# Two convolutions, a sum with the first one's result, and a linear layer: 3 -> 8 -> 8 channels of 6 x 6, 5 classes.
WEIGHTS = {
    "s": scale(), "z": number(), "zw": number(np.int8), "zb": number(np.int32),
    "w1": np.zeros((8, 3, 3, 3), np.int8), "s1": scale(8), "z1": np.zeros(8, np.int8), "b1": np.zeros(8, np.int32),
    "w2": np.zeros((8, 8, 3, 3), np.int8), "s2": scale(8), "z2": np.zeros(8, np.int8), "b2": np.zeros(8, np.int32),
    "w3": np.zeros((5, 8), np.int8), "s3": scale(5), "z3": np.zeros(5, np.int8), "b3": np.zeros(5, np.int32),
}  # fmt: skip
PIXELS = 36
STORED = (216 + 576 + 40) + (4 + 4) * (8 + 8 + 5)  # weights; scales and biases


def on_integers() -> list[Any]:
    return [
        node("QuantizeLinear", "x,s,z", "xq"),
        node("QLinearConv", "xq,s,z,w1,s1,z1,s,z,b1", "a", **CONV),
        node("QLinearConv", "a,s,z,w2,s2,z2,s,z,b2", "b", **CONV),
        node("QLinearAdd", "a,s,z,b,s,z,s,z", "c"),
        node("QLinearGlobalAveragePool", "c,s,z,s,z", "p"),
        node("Flatten", "p", "f"),
        node("QGemm", "f,s,z,w3,s3,z3,b3,s,z", "g", transB=1),
        node("DequantizeLinear", "g,s,z", "y"),
    ]


def between_conversions() -> list[Any]:
    found = [node("QuantizeLinear", "x,s,z", "xq")]

    def floats(name: str, scales: str = "s", zeros: str = "z", **axis: int) -> str:
        found.append(node("DequantizeLinear", f"{name},{scales},{zeros}", f"{name}_{len(found)}", **axis))
        return f"{name}_{len(found) - 1}"

    def integers(op: str, inputs: list[str], name: str, **attributes: Any) -> None:
        found.append(node(op, ",".join(inputs), f"{name}f", **attributes))
        found.append(node("QuantizeLinear", f"{name}f,s,z", name))

    def layer(op: str, x: str, number: int, name: str, **attributes: Any) -> None:
        weight = floats(f"w{number}", f"s{number}", f"z{number}", axis=0)
        bias = floats(f"b{number}", f"s{number}", "zb", axis=0)
        integers(op, [floats(x), weight, bias], name, **attributes)

    layer("Conv", "xq", 1, "a", **CONV)
    layer("Conv", "a", 2, "b", **CONV)
    integers("Add", [floats("a"), floats("b")], "c")
    integers("GlobalAveragePool", [floats("c")], "p")
    found.append(node("Flatten", "p", "f"))
    layer("Gemm", "f", 3, "g", transB=1)
    found.append(node("DequantizeLinear", "g,s,z", "y"))
    return found


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        x = self.one(x)
        x = x + self.two(x)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def said(cost: Cost) -> tuple[Any, ...]:
    return cost.macs, cost.flops, cost.params, cost.activations, cost.traffic_bytes, cost.peak_memory_bytes


@pytest.mark.parametrize("nodes", [on_integers, between_conversions])
def test_both_forms_of_a_quantised_network_are_the_network_in_int8(nodes: Any, save: Save) -> None:
    file = score(save(nodes(), {"x": (FLOAT, (1, 3, 6, 6))}, WEIGHTS), runtime="engine", strict=True)
    ours = profile(Net(), torch.empty(1, 3, 6, 6), runtime="engine", dtype="int8")

    assert file.macs == ours.macs == PIXELS * (216 + 576) + 40
    assert (file.flops, file.params, file.activations) == (ours.flops, ours.params, ours.activations)
    # The file's input and output are floats: a kernel quantises the one, and the last layer writes the other.
    assert file.traffic_bytes == ours.traffic_bytes + (4 + 1) * 3 * PIXELS + 3 * 5
    assert file.memory.weights_bytes == ours.memory.weights_bytes == STORED
    assert [kernel.name for kernel in file.kernels()] == [
        "oracle.quantize", "aten.convolution", "aten.convolution +1", "aten.mean", "aten.addmm",
    ]  # fmt: skip
    assert {kernel.dtype for kernel in file.kernels() if kernel.macs} == {"int8"}
    # One byte a pixel in and out; what is added, too.
    assert [kernel.traffic_bytes - kernel.weight_bytes for kernel in file.kernels()[:3]] == [
        5 * 3 * PIXELS, (3 + 8) * PIXELS, (8 + 8) * PIXELS,
    ]  # fmt: skip


def test_what_is_quantised_already_is_not_quantised_again(save: Save) -> None:
    path = save(on_integers(), {"x": (FLOAT, (1, 3, 6, 6))}, WEIGHTS)
    plain, asked = (score(path, runtime="engine", dtype=dtype) for dtype in (None, "int8"))
    assert asked.memory.weights_bytes == plain.memory.weights_bytes == STORED
    assert plain.traffic_bytes - asked.traffic_bytes == 3 * 3 * PIXELS + 3 * 5  # its input and output


def test_run_eagerly_an_operator_on_integers_is_one_kernel_and_conversions_are_their_own(save: Save) -> None:
    inputs = {"x": (FLOAT, (1, 3, 6, 6))}
    one = score(save(on_integers(), inputs, WEIGHTS), strict=True)
    assert [kernel.op_class for kernel in one.kernels()] == [
        "copy", "conv", "conv", "elementwise", "reduction", "linear", "copy",
    ]  # fmt: skip
    assert one.kernels()[1].traffic_bytes == (3 + 8) * PIXELS + 216 + 8 * 8
    several = score(save(between_conversions(), inputs, WEIGHTS), strict=True)
    assert len(several.kernels()) == len(between_conversions()) - 1  # flattening is none
    assert (several.macs, several.flops, several.params) == (one.macs, one.flops, one.params)


def test_integers_are_dequantised_where_they_are_read(save: Save) -> None:
    nodes = [
        node("QuantizeLinear", "x,s,z", "xq"),
        node("QLinearConv", "xq,s,z,w1,s1,z1,s,z", "a", **CONV),
        node("DequantizeLinear", "a,s,z", "y"),
        node("Sigmoid", "y", "t"),
        node("Add", "t,y", "r"),
    ]
    file = score(save(nodes, {"x": (FLOAT, (1, 3, 6, 6))}, WEIGHTS), runtime="engine", strict=True)
    names = {kernel.name: kernel for kernel in file.kernels()}
    assert names["aten.convolution"].traffic_bytes == (3 + 8) * PIXELS + 216 + 4 * 8
    assert names["aten.sigmoid +1"].traffic_bytes == (1 + 4) * 8 * PIXELS  # dequantises what it reads, once for both


@pytest.mark.parametrize(("symmetric", "bits"), [(True, 4), (False, 4), (True, 8)])
def test_weights_of_four_bits(symmetric: bool, bits: int, save: Save) -> None:
    n, k, blocks = 96, 256, 2
    weights = {"w": np.zeros((n, blocks, 128 * bits // 8), np.uint8), "s": scale(n, blocks)}
    if not symmetric:
        weights["z"] = np.zeros((n, blocks * bits // 8), np.uint8)
    names = ",".join(("x", *weights))
    nodes = [node("MatMulNBits", names, "y", N=n, K=k, bits=bits, block_size=128)]
    file = score(save(nodes, {"x": (FLOAT, (2, 7, k))}, weights), runtime="engine", strict=True)
    zeros = 0 if symmetric else n * blocks // 2

    assert (file.macs, file.params) == (14 * n * k, n * k)
    assert file.memory.weights_bytes == n * k * bits // 8 + 4 * n * blocks + zeros
    assert file.traffic_bytes == file.memory.weights_bytes + 4 * 14 * (n + k)
    (kernel,) = file.kernels()
    assert kernel.dtype == "float32"
    if symmetric and bits == 4:
        module = nn.Linear(k, n, bias=False)
        ours = profile(module, torch.empty(2, 7, k), runtime="engine", weights="int4")
        assert said(ours) == said(file)
    with pytest.raises(OracleError, match="bits=3; expected 4 or 8"):
        score(save([node("MatMulNBits", names, "y", N=n, K=k, bits=3)], {"x": (FLOAT, (2, 7, k))}, weights))


def test_dynamic_quantisation_looks_at_the_whole_tensor_first(save: Save) -> None:
    nodes = [
        node("DynamicQuantizeLinear", "x", "q,xs,xz"),
        node("MatMulInteger", "q,w,xz", "i"),
        node("Cast", "i", "f", to=FLOAT),
        node("Mul", "xs,s", "t"),
        node("Mul", "f,t", "y"),
    ]
    weights = {"w": np.zeros((16, 5), np.int8), "s": scale(5)}
    file = score(save(nodes, {"x": (FLOAT, (7, 16))}, weights), strict=True)
    assert (file.macs, file.params) == (7 * 16 * 5, 80)
    kernels = {kernel.name: kernel for kernel in file.kernels()}
    assert kernels["oracle.quantize_dynamic"].traffic_bytes == (4 + 1) * 7 * 16
    assert kernels["aten.mm"].traffic_bytes == 7 * 16 + 80 + 4 * 7 * 5  # sums in int32
    assert kernels["aten.mm"].dtype == "int8"


def test_a_quantised_attention(save: Save) -> None:
    nodes = [node("QAttention", "x,w,b,s,t", "y", num_heads=2)]
    weights = {"w": np.zeros((16, 48), np.int8), "b": scale(48), "s": scale(), "t": scale(48)}
    file = score(save(nodes, {"x": (UINT8, (2, 7, 16))}, weights), strict=True)
    assert file.macs == 2 * 7 * 16 * 48 + 2 * 2 * 7 * 7 * 16  # the products, then scores and their product
    assert file.params == 16 * 48 + 48


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "flops"),
    [
        ("QLinearSigmoid", "x,s,z,s,z", {}, 4),
        ("QLinearLeakyRelu", "x,s,z,s,z", {"alpha": 0.1}, 2),
        ("QLinearSoftmax", "x,s,z,s,z", {"axis": -1, "opset": 13}, None),
        ("QLinearMul", "x,s,z,x,s,z,s,z", {}, 1),
        ("QLinearConcat", "s,z,x,s,z,x,s,z", {"axis": 1}, 0),
    ],
)
def test_other_operators_on_integers(op: str, inputs: str, attributes: Any, flops: int | None, save: Save) -> None:
    made = onnx.helper.make_node(op, inputs.split(","), ["y"], domain="com.microsoft", **attributes)
    file = score(save([made], {"x": (UINT8, (2, 8))}, {"s": scale(), "z": number()}), strict=True)
    (kernel,) = file.kernels()
    written = 2 if op == "QLinearConcat" else 1
    assert kernel.traffic_bytes == 16 + 16 * written
    assert flops is None or kernel.flops == flops * 16
