from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from oracle.errors import OracleError
from oracle.imports.averages import read_averages
from oracle.imports.counted import counted_operators
from oracle.imports.kineto import read_trace
from oracle.imports.replay import OperatorCall, replay
from oracle.spec import Workload

FIXTURES = Path(__file__).parent / "fixtures"


def test_kernels_find_the_outermost_operator() -> None:
    found = read_trace(FIXTURES / "trace.json")
    conv, transpose, gemm, triton, copy = found.kernels
    assert (conv.operator, transpose.operator, gemm.operator) == (
        "aten::conv2d",
        "aten::conv2d",
        "aten::addmm",
    )
    assert conv.time_s == pytest.approx(400.5e-6)
    assert conv.device == "NVIDIA A100-SXM4-40GB"
    assert (triton.operator, triton.flops) == ("", 1000.0)
    assert triton.dram_bytes == pytest.approx(4e6)
    assert copy.dram_bytes == 1_204_224
    assert (conv.flops, conv.dram_bytes) == (None, None)
    assert found.notes == ("2 of 5 kernels belong to no operator",)
    assert [call.name for call in found.operators] == ["aten::conv2d", "aten::addmm"]
    assert [call.seconds for call in found.operators] == pytest.approx([500e-6, 12e-6])


def test_flops_come_from_input_shapes() -> None:
    conv, gemm = counted_operators(read_trace(FIXTURES / "trace.json"))
    assert conv.flops == 2 * (8 * 64 * 56 * 56) * (64 * 3 * 3)
    assert gemm.flops == 2 * 32 * 256 * 128 + 32 * 128
    assert conv.achieved_flops_per_s == pytest.approx(conv.flops / 500e-6)


def test_old_category_names_and_the_join_by_correlation() -> None:
    found = read_trace(FIXTURES / "old_trace.json")
    (kernel,) = found.kernels
    assert kernel.operator == "aten::addmm"
    assert kernel.time_s == pytest.approx(21e-6)
    (operator,) = counted_operators(found)
    assert operator.flops is None  # no shapes were recorded
    with pytest.raises(OracleError, match="shapes"):
        operator.require("flops")


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "trace.json.gz"
    path.write_bytes(gzip.compress((FIXTURES / "trace.json").read_bytes()))
    assert [kernel.name for kernel in read_trace(path).kernels] == [
        kernel.name for kernel in read_trace(FIXTURES / "trace.json").kernels
    ]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OracleError, match=r"trace\.json\.gz: cannot be read"):
        read_trace(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"traceEvents": [\n{"ph": "X"', r":2: broken JSON"),
        ('{"events": []}', "expected a Chrome trace"),
        ('{"traceEvents": []}', "expected events of category cpu_op or kernel"),
        ('{"traceEvents": [{"ph": "X", "cat": "kernel", "ts": 1}]}', r"traceEvents\[0\]: ts=1, dur=None"),
        ('[{"ph": "X", "cat": "kernel", "ts": 1, "dur": -1}]', r"traceEvents\[0\]: .*expected microseconds"),
        ('[{"ph": "X", "cat": "kernel", "ts": 1, "dur": 1, "args": {"correlation": "x"}}]', "integer"),
        ('[{"ph": "X", "cat": "kernel", "ts": 1, "dur": 1, "args": {"kernel_flop": "x"}}]', "a number"),
    ],
)  # fmt: skip
def test_broken_traces(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OracleError, match=complaint):
        read_trace(path)


def traced(module: nn.Module, x: Any, tmp_path: Path) -> Any:
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        module(x)
    path = tmp_path / "trace.json"
    profiler.export_chrome_trace(str(path))
    return profiler, read_trace(path)


def test_a_trace_of_this_torch(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, groups=1), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(), nn.Linear(288, 5))
    _, found = traced(module.eval(), torch.rand(2, 3, 8, 8), tmp_path)
    assert found.kernels == ()
    assert [call.name.removeprefix("aten::") for call in found.operators] == [
        "conv2d", "batch_norm", "gelu", "flatten", "linear"
    ]  # fmt: skip
    flops = [kernel.flops for kernel in counted_operators(found)]
    out = 2 * 8 * 6 * 6
    assert flops == [2 * out * 27 + out, 2 * out, 5 * out, 0, 2 * 2 * 288 * 5 + 2 * 5]
    assert all(call.seconds > 0 for call in found.operators)


def test_attention_is_counted_fused(tmp_path: Path) -> None:
    class Attention(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    _, found = traced(Attention(), torch.rand(1, 2, 7, 16), tmp_path)
    (call,) = found.operators
    (kernel,) = replay(call) or ()
    assert (kernel.op_class, kernel.macs) == ("attention", 2 * 2 * 7 * 7 * 16)


def test_what_cannot_be_replayed_is_unknown_not_zero() -> None:
    assert replay(OperatorCall("aten::mm")) is None
    assert replay(OperatorCall("mylib::op", ((2, 2),), ("float",))) is None
    assert replay(OperatorCall("aten::mm", ((2, 3), (4, 5)), ("float", "float"))) is None
    assert replay(OperatorCall("aten::mm", ((2, 3), (3, 5)), ("quaternion", "float"))) is None
    assert replay(OperatorCall("aten::t", ((2, 3),), ("float",))) == ()


def test_autocast_casts_are_part_of_the_operator() -> None:
    call = OperatorCall("aten::mm", ((2, 3), (3, 5)), ("float", "float"))
    names = [kernel.name for kernel in replay(call, Workload(dtype="bfloat16")) or ()]
    assert names == ["aten._to_copy", "aten._to_copy", "aten.mm"]


def test_key_averages_give_self_times(tmp_path: Path) -> None:
    profiler, found = traced(nn.Linear(64, 32), torch.rand(16, 64), tmp_path)
    averages = profiler.key_averages()
    rows = {kernel.name: kernel for kernel in read_averages(averages).kernels}
    assert sum(kernel.require("time_s") * kernel.invocations for kernel in rows.values()) == pytest.approx(
        sum(row.self_cpu_time_total for row in averages) * 1e-6
    )
    assert rows["aten::linear"].flops is None  # its work is addmm's
    total = sum(call.seconds for call in found.operators)
    assert rows["aten::addmm"].require("time_s") <= total


def test_key_averages_count_flops_where_the_time_is() -> None:
    class Row:
        def __init__(self, key: str, flops: int) -> None:
            self.key, self.flops, self.count = key, flops, 2
            self.self_cpu_time_total, self.self_device_time_total = 5.0, 30.0

    conv, gemm = read_averages([Row("aten::conv2d", 100), Row("aten::mm", 100)]).kernels
    assert conv.flops is None
    assert (gemm.flops, gemm.invocations) == (50.0, 2)
    assert gemm.time_s == pytest.approx(15e-6)
    with pytest.raises(OracleError, match="row=dict"):
        read_averages([json.loads("{}")])
