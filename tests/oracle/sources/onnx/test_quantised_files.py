"""Files that onnxruntime.quantization writes, against the same networks in int8 as configs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import oracle

onnx: Any = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, which quantises, is not installed")

NETWORK = ("R-56", ["MODEL.DEPTH", 20])  # small enough to be calibrated in a second
CHANNELS, WEIGHTS, PIXELS, CLASSES = 794, 270_896, 3 * 32 * 32, 10


class Images:
    """Two random images to calibrate with."""

    def __init__(self) -> None:
        self._left = iter([np.random.default_rng(seed).standard_normal((1, 3, 32, 32)) for seed in (0, 1)])

    def get_next(self) -> dict[str, Any] | None:
        image = next(self._left, None)
        return None if image is None else {"x": image.astype(np.float32)}

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get_next, None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The network in either form, quantised statically, with a scale per channel."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder = tmp_path_factory.mktemp("quantised")
    module = oracle.build(oracle.to_spec(oracle.load_cfg(*NETWORK))).to_empty(device="cpu").eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=draw) * 0.1 + 0.01)
    plain, prepared = folder / "float.onnx", folder / "prepared.onnx"
    torch.onnx.export(module, (torch.zeros(1, 3, 32, 32),), str(plain), dynamo=False, input_names=["x"])
    quant_pre_process(str(plain), str(prepared))
    found = {form.name: folder / f"{form.name}.onnx" for form in (QuantFormat.QDQ, QuantFormat.QOperator)}
    for name, path in found.items():
        quantize_static(
            str(prepared), str(path), Images(), quant_format=QuantFormat[name], per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    return found


def stored_bytes(path: Path) -> int:
    """The bytes of a file's weights, biases and scales: all but zero points and what is a number."""
    kept = {onnx.TensorProto.INT8: 1, onnx.TensorProto.INT32: 4, onnx.TensorProto.FLOAT: 4}
    tensors = [tensor for tensor in onnx.load(path).graph.initializer if tensor.dims]
    return sum(
        prod(tensor.dims) * kept.get(tensor.data_type, 0)
        for tensor in tensors
        if not tensor.name.endswith("zero_point")
    )


@pytest.mark.filterwarnings("ignore")
def test_both_forms_are_the_config_in_int8(files: dict[str, Path]) -> None:
    form, operators = (oracle.score(str(files[name]), runtime="engine", strict=True) for name in files)
    spec = oracle.to_spec(oracle.load_cfg(*NETWORK))
    ours = oracle.profile(oracle.build(spec), torch.empty(1, 3, 32, 32), runtime="engine", dtype="int8")

    for file in (form, operators):
        assert file.macs == ours.macs
        assert file.memory.weights_bytes == ours.memory.weights_bytes == WEIGHTS + 8 * CHANNELS
        # A kernel makes integers of the image, and the last layer writes floats; else the same bytes.
        assert file.traffic_bytes == ours.traffic_bytes + 5 * PIXELS + 3 * CLASSES
        assert len(file.kernels()) == len(ours.kernels()) + 1
        # onnxruntime.quantization drops activations that saturation does.
        assert file.flops <= ours.flops
    assert stored_bytes(files["QOperator"]) == ours.memory.weights_bytes
    assert form.flops == operators.flops
    assert form.params == operators.params == WEIGHTS + CHANNELS


@pytest.mark.filterwarnings("ignore")
def test_a_file_quantised_in_part_is_the_config_with_types_by_stage(tmp_path: Path) -> None:
    """Kernel by kernel: the same bytes, and conversions where ONNX Runtime's quantiser puts them."""
    from oracle.measure.engines import Models
    from oracle.measure.engines.onnx import quantised

    dtypes = {"stem": "float32", "s2": "float32"}
    net = replace(oracle.to_spec(oracle.load_cfg(*NETWORK)), dtypes=tuple(dtypes.items()))
    path = quantised(net, 1, Models(tmp_path), "int8")
    file = oracle.score(str(path), runtime="engine", strict=True)
    ours = oracle.score(net, runtime="engine", dtype="int8")

    assert file.macs == ours.macs
    # Between conversions biases have scales, those of their products, which no kernel reads: of all channels but the
    # stem's 16 and the 32 of each of 7 convolutions.
    assert file.flash_bytes == ours.flash_bytes == stored_bytes(path) - 4 * (CHANNELS - 16 - 7 * 32)
    assert file.peak_memory_bytes == ours.peak_memory_bytes
    assert file.traffic_bytes == ours.traffic_bytes + 3 * CLASSES  # the last layer of the file writes floats
    pairs = list(zip(file.kernels(), ours.kernels(), strict=True))
    assert all(a.traffic_bytes == b.traffic_bytes and a.dtype == b.dtype for a, b in pairs[:-1])
    conversions = [a.name for a, b in pairs if b.module.endswith("conversion")]
    assert conversions == ["oracle.quantize", "oracle.dequantize", "oracle.quantize"]  # after stem, s1, s2
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Conv") == len([kernel for kernel in ours.kernels() if kernel.op_class == "conv"])
