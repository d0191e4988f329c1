"""Kernels of each engine against the nodes of its own optimised graph.

The numbers were read with ONNX Runtime 1.32.0, OpenVINO 2026.4.1, pnnx 20261020 and litert-torch 0.10.0;
`test_live` reads them again where ONNX Runtime and OpenVINO are installed.
"""

from __future__ import annotations

import importlib.util
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

import oracle
from oracle.counting.fusion.engines import RULES, canonical_engine, rules_of
from oracle.counting.networks import count_table, trace_whole
from oracle.spec import ENGINES, Workload
from oracle.trace import trace_module
from tests.benchmarks.engine_graphs import kernels, nodes, with_random_norms
from tests.nightly import unless


class PreActivation(nn.Module):
    """Batch norm, ReLU, convolution, and a sum with the input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(32), nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x: torch.Tensor) -> Any:
        return x + self.conv(self.norm(x).relu())


class HardSwish(nn.Module):
    """Written by hand: four pointwise operators."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 32, 1)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.first(x)
        return self.second(y * (y + 3).clamp(0, 6) / 6)


class Gate(nn.Module):
    """Squeeze and excitation behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3)
        self.down, self.up, self.last = nn.Conv2d(64, 16, 1), nn.Conv2d(16, 64, 1), nn.Conv2d(64, 32, 1)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.first(x).relu()
        return self.last(y * self.up(self.down(y.mean((2, 3), keepdim=True)).relu()).sigmoid())


class Grouped(nn.Module):
    """Groups of some width between two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 48, 3), nn.Conv2d(48, 48, 1)
        self.grouped = nn.Conv2d(48, 48, 3, groups=48 // width)

    def forward(self, x: torch.Tensor) -> Any:
        return self.last(self.grouped(self.first(x).relu()).relu()).relu()


class Feed(nn.Module):
    """Layer norm and two products, with a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(32), nn.Linear(32, 64), nn.Linear(64, 32)
        self.act = nn.GELU()

    def forward(self, x: torch.Tensor) -> Any:
        return x + self.down(self.act(self.up(self.norm(x))))


class Dense(nn.Module):
    """Pre-activation layers whose inputs are concatenated, as in DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(32 * n) for n in (1, 2, 3))
        self.convs = nn.ModuleList(nn.Conv2d(32 * n, 32, 3, padding=1, bias=False) for n in (1, 2, 3))

    def forward(self, x: torch.Tensor) -> Any:
        found = [self.first(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            found.append(conv(norm(torch.cat(found, 1)).relu()))
        return torch.cat(found, 1)


class Windows(nn.Module):
    """Shifted windows with attention written out, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 32)
        self.bias = nn.Parameter(torch.zeros(2, 16, 16))

    def forward(self, x: torch.Tensor) -> Any:
        b, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(y).reshape(-1, 16, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        scores = (q * (c // 2) ** -0.5 @ k.transpose(-2, -1) + self.bias).softmax(-1)
        y = self.out((scores @ v).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return x + torch.roll(y, (2, 2), (1, 2))


def _conv(*others: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 32, 3), *others)


IMAGE, TOKENS, MAP = (1, 3, 20, 20), (1, 10, 32), (1, 8, 8, 32)
SMALL: dict[str, tuple[Any, tuple[int, ...], dict[str, int]]] = {
    # What makes the module, its input, and how many nodes each engine's graph has. A network that ends in an image
    # has one more in ONNX Runtime, which lays that out for the caller; it is left out.
    "conv bn relu": (lambda: _conv(nn.BatchNorm2d(32), nn.ReLU()), IMAGE, {"onnxruntime": 1, "openvino": 1}),
    "conv silu conv": (lambda: _conv(nn.SiLU(), nn.Conv2d(32, 32, 1)), IMAGE, {"onnxruntime": 3, "openvino": 2}),
    # OpenVINO knows a hard-swish that is written out, and has 2: a pattern that we do not look for
    "hard-swish": (HardSwish, IMAGE, {"onnxruntime": 8}),
    "gate": (Gate, IMAGE, {"onnxruntime": 10, "openvino": 6}),
    "groups of 8": (lambda: Grouped(8), IMAGE, {"onnxruntime": 5, "openvino": 3}),
    "groups of 16": (lambda: Grouped(16), IMAGE, {"onnxruntime": 3, "openvino": 3}),
    "feed": (Feed, TOKENS, {"onnxruntime": 5, "openvino": 5}),
}
CASES = [(name, engine) for name, (_, _, counts) in SMALL.items() for engine in counts]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_kernels_are_the_nodes_of_the_engine(name: str, engine: str) -> None:
    make, shape, counts = SMALL[name]
    found, _ = kernels(make().eval(), torch.empty(shape), engine)
    assert found.total() == counts[engine]


def _are_there(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) for package in packages)


@pytest.mark.skipif(
    not _are_there("onnx", "onnxscript", "onnxruntime", "openvino"), reason="needs onnx, onnxscript and both engines"
)
@pytest.mark.skipif(
    "avx512f" not in torch.backends.cpu.get_cpu_capability().lower().replace("avx512", "avx512f"),
    reason="blocks have 16 channels with AVX-512",
)
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_live(name: str, engine: str) -> None:
    """The engine that is installed has as many nodes as are written down."""
    make, shape, counts = SMALL[name]
    found = nodes(with_random_norms(make()), torch.rand(shape), engine)
    for_caller = int(engine == "onnxruntime" and len(shape) == 4)
    assert found.total() - for_caller == counts[engine]


@pytest.mark.parametrize(
    ("name", "engine", "layers"),
    [
        # pnnx's .ncnn.param without Input, and without Split, Reshape and Squeeze, which copy nothing
        ("RegNetX-400MF", "ncnn", 117),
        ("RegNetY-400MF", "ncnn", 151),
        ("EfficientNet-B0", "ncnn", 173),
        # operators of the .tflite file without the 5 paddings and the transposition of the image
        ("RegNetX-400MF", "litert", 95),
        ("RegNetY-400MF", "litert", 151),
        # nodes of ONNX Runtime's graph without Reshape, layout changes counted
        ("RegNetX-400MF", "onnxruntime", 74),
        ("RegNetY-400MF", "onnxruntime", 186),
        ("EfficientNet-B0", "onnxruntime", 235),
        ("ViT-S-16", "onnxruntime", 211),
        # nodes of OpenVINO's runtime model without Reshape, Reorder and Transpose
        ("RegNetY-400MF", "openvino", 119),
        ("EfficientNet-B0", "openvino", 115),
        ("ViT-S-16", "openvino", 175),
    ],
)
def test_kernels_of_networks(name: str, engine: str, layers: int) -> None:
    workload = Workload(runtime="engine", engine=engine)
    assert len(count_table(trace_whole(oracle.to_spec(oracle.load_cfg(name)), workload), workload).kernels) == layers


def test_every_engine_has_rules() -> None:
    assert {engine for engine in ENGINES if canonical_engine(engine) == engine} == set(RULES)
    assert rules_of("tensorrt") == rules_of("coreml") == rules_of("generic")


def _moved(table: Any, **words: Any) -> int:
    found = count_table(table, Workload(**words)).kernels
    return sum(kernel.read_bytes + kernel.write_bytes for kernel in found)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [(PreActivation, (1, 32, 8, 8)), (Dense, IMAGE), (HardSwish, IMAGE), (Windows, MAP), (Feed, TOKENS), (Gate, IMAGE)],
)
def test_an_engine_never_moves_more_than_compiled(make: Any, shape: tuple[int, ...], dtype: str) -> None:
    table = trace_module(make().eval(), (torch.empty(shape),), {}, Workload(dtype=dtype))
    assert _moved(table, runtime="engine", dtype=dtype) <= _moved(table, runtime="compiled", dtype=dtype)


_FAMILIES = ("R-56", "RegNetY-200MF", "EfficientNet-B0", "ViT-S-16", "FBNet-C", "OFA-D2-E3-K3", "NB201-ResNet")


@pytest.mark.parametrize(
    ("name", "mode"),
    unless(
        lambda case: case[1] == "inference" or case[0] in ("RegNetY-200MF", "ViT-S-16", "NB201-ResNet"),
        product(_FAMILIES, ("inference", "training")),
    ),
)
def test_nor_does_it_of_families(name: str, mode: str) -> None:
    table = trace_whole(oracle.to_spec(oracle.load_cfg(name)), Workload(mode=mode, batch_size=2))
    words = {"mode": mode, "batch_size": 2}
    assert _moved(table, runtime="engine", **words) <= _moved(table, runtime="compiled", **words)


def test_pre_activation_is_two_kernels() -> None:
    found, _ = kernels(PreActivation().eval(), torch.empty(1, 32, 8, 8), "generic")
    assert dict(found) == {"aten.native_batch_norm +1": 1, "aten.convolution +1": 1}


def test_a_hard_swish_by_hand_is_one_kernel() -> None:
    found, _ = kernels(HardSwish().eval(), torch.empty(IMAGE), "generic")
    assert dict(found) == {"aten.convolution": 2, "aten.add +3": 1}


def test_attention_taken_apart_writes_its_scores() -> None:
    class Heads(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    shape = (1, 2, 10, 16)
    (one,) = kernels(Heads(), torch.empty(shape), "generic")[0].values()
    found, moved = kernels(Heads(), torch.empty(shape), "onnxruntime")
    assert one == 1
    assert dict(found) == {"aten.bmm": 2, "aten._softmax": 1}
    tensor, scores = 2 * 10 * 16 * 4, 2 * 10 * 10 * 4
    assert moved == 2 * tensor - tensor + scores + 2 * scores + scores + 2 * tensor


@pytest.mark.parametrize(
    ("engine", "dtype", "apart"),
    [
        ("generic", "float32", []),
        ("openvino", "float32", []),
        ("openvino", "int8", ["aten.silu_"]),  # Subgraph
        ("onnxruntime", "float32", ["aten.silu_"]),  # QuickGelu
        ("onnxruntime", "int8", ["aten.sigmoid", "aten.mul"]),  # QLinearSigmoid, QLinearMul
        ("litert", "float32", ["aten.sigmoid", "aten.mul"]),  # LOGISTIC, MUL
        ("ncnn", "float32", ["aten.silu_"]),  # Swish
    ],
)
def test_a_silu_is_what_the_engine_has_for_it(engine: str, dtype: str, apart: list[str]) -> None:
    module = _conv(nn.BatchNorm2d(32), nn.SiLU(inplace=True))
    words = {"runtime": "engine", "engine": engine, "dtype": dtype}
    found = oracle.profile(module, torch.empty(1, 3, 8, 8), **words).kernels()
    assert [kernel.name for kernel in found if kernel.op_class != "conv"][:2] == apart
    size = 1 if dtype == "int8" else 4
    if len(apart) == 2:  # the sigmoid reads and writes an image, the product reads two
        assert [kernel.traffic_bytes for kernel in found[1:3]] == [2 * 32 * 36 * size, 3 * 32 * 36 * size]
