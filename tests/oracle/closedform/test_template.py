"""Templates against concrete traces, per kernel and per field."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from oracle.calibration import kernel_class
from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.cells import templates_for
from oracle.closedform.columns import Columns
from oracle.closedform.desk import answers_of
from oracle.closedform.evaluate import covered, evaluate
from oracle.closedform.inputs import CellInputs, split_params
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format, KernelMeta, Template
from oracle.counting import count
from oracle.counting.conventions import recount
from oracle.counting.fusion import main_row
from oracle.counting.memory import measure
from oracle.counting.networks import TensorSpec, trace_cell
from oracle.devices import load_device
from oracle.memory import CellMemory
from oracle.optable import shapes_text
from oracle.spec import CellSpec, Workload
from tests.nightly import unless

_BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
_BLOCK = CellSpec.make(
    "res_bottleneck_block", w_in=24, w_out=40, stride=2, w_b=40, groups=5, w_se=6, stride_1x1=False, **_BN
)
_MBCONV = CellSpec.make("mbconv", w_in=16, w_exp=96, kernel=5, stride=1, w_se=4, w_out=16, drop_connect=0.0, **_BN)
_ENCODER = CellSpec.make("vit_encoder", hidden_dim=48, num_heads=3, mlp_dim=96, ln_eps=1e-6)

_CASES = [
    (_BLOCK, (4, 24, 15, 17), {"w_in": 32, "w_out": 56, "w_b": 56, "groups": 7, "w_se": 3}, (3, 32, 9, 9)),
    (_MBCONV, (2, 16, 8, 8), {"w_in": 24, "w_exp": 72, "w_se": 6, "w_out": 24}, (5, 24, 7, 9)),
    (_ENCODER, (2, 17, 48), {"hidden_dim": 64, "num_heads": 4, "mlp_dim": 40}, (3, 50, 64)),
]
_WORKLOADS = [
    Workload(),
    Workload(runtime="compiled", dtype="float16"),
    Workload(runtime="engine", dtype="int8"),
    Workload(mode="training", optimizer="adamw"),
    Workload(mode="training", runtime="compiled", dtype="bfloat16"),
]


_T4 = CalibratedDevice(load_device("t4"))


def template_of(cell: CellSpec, dims: tuple[int, ...], workload: Workload) -> Template:
    inputs = CellInputs(cell.kind, cell.params, dims, Format.image("float32", len(dims), "nchw"))
    static, _ = split_params(cell.kind, cell.params)
    return next(templates_for(TemplateStore(), inputs, static, integers(cell, dims), workload))


def table(rows: list[dict[str, int]]) -> Columns:
    return Columns(
        list(rows[0]), [np.array(column) for column in zip(*(row.values() for row in rows), strict=True)], len(rows)
    )


def integers(cell: CellSpec, dims: tuple[int, ...]) -> dict[str, int]:
    _, values = split_params(cell.kind, cell.params)
    return values | {f"d{axis}": size for axis, size in enumerate(dims)}


def tensor(dims: tuple[int, ...]) -> TensorSpec:
    stride = [1]
    for size in reversed(dims[1:]):
        stride.insert(0, stride[0] * size)
    return TensorSpec(dims, tuple(stride), "float32")


@pytest.mark.parametrize(
    ("cell", "dims", "changes", "other", "workload"),
    unless(
        lambda case: (_CASES.index(case[:4]) + _WORKLOADS.index(case[4])) % 2 == 0,
        ((*case, workload) for case, workload in product(_CASES, _WORKLOADS)),
    ),
)
def test_other_integers_give_the_concrete_trace(
    cell: CellSpec, dims: tuple[int, ...], changes: dict[str, int], other: tuple[int, ...], workload: Workload
) -> None:
    template = template_of(cell, dims, workload)
    changed = CellSpec(cell.kind, tuple((name, changes.get(name, value)) for name, value in cell.params))
    values = integers(changed, other)
    arguments = [values[name] for name in template.program.symbols]
    assert covered(template, table([values])) is True

    traced = trace_cell(changed, tensor(other), None, False, workload).table
    counted = count(traced, workload)
    alone, kernels = answers_of(template)(*arguments), counted.kernels
    assert alone is not None
    assert np.frombuffer(alone[-1], dtype=np.int64).reshape(-1, 4).tolist() == [
        [k.matrix_flops, k.vector_flops, k.read_bytes + k.write_bytes, k.weight_bytes] for k in kernels
    ]
    for (meta, macs, shapes), k in zip(template.described(arguments), kernels, strict=True):
        kind = kernel_class(traced, k.rows, workload.runner)
        assert meta == KernelMeta(k.name, k.op_class, kind, k.module, k.phase, k.matrix_dtype, k.vector_dtype)
        assert macs == k.macs
        assert shapes == shapes_text(traced.rows[main_row(traced, k.rows)].main_shapes)

    answer = evaluate(template, table([values]), [])
    pycls = recount(traced, "pycls")
    assert dict(zip(SUMS, answer.sums, strict=True)) == {
        "macs": sum(k.macs for k in counted.kernels),
        "flops": sum(k.matrix_flops + k.vector_flops + k.masked_flops for k in counted.kernels),
        "masked_flops": sum(k.masked_flops for k in counted.kernels),
        "traffic_bytes": sum(k.read_bytes + k.write_bytes for k in counted.kernels),
        "params": counted.params,
        "activations": counted.activations,
        "pycls_macs": pycls.macs,
        "pycls_activations": pycls.activations,
    }
    memory = measure(counted.lifetimes, counted.sizes)
    fields = CellMemory.__dataclass_fields__ if workload.training else ("weights", "forward")
    assert {n: getattr(answer.memory, n) for n in fields} == {n: getattr(memory, n) for n in fields}


def test_arrays_give_what_ints_give() -> None:
    template = template_of(_BLOCK, (4, 24, 15, 17), Workload())
    rows = [integers(_BLOCK, (4, 24, 15, 17)), integers(_BLOCK, (2, 24, 8, 30)) | {"w_se": 9}]
    together = evaluate(template, table(rows), [_T4])
    for position, row in enumerate(rows):
        alone = evaluate(template, table([row]), [_T4])
        assert [int(np.broadcast_to(column, 2)[position]) for column in together.sums] == list(alone.sums)
        assert np.broadcast_to(together.memory.forward, 2)[position] == alone.memory.forward
        assert together.latency_s[0][position] == pytest.approx(alone.latency_s[0], rel=1e-12)


@pytest.mark.parametrize("workload", _WORKLOADS[::3], ids=lambda workload: workload.mode)
def test_many_rows_in_parts_give_what_few_give_whole(workload: Workload) -> None:
    """Sums and maxima are taken apart by the columns they depend on, and put together again."""
    template = template_of(_BLOCK, (4, 24, 15, 17), workload)
    start, rng = integers(_BLOCK, (4, 24, 15, 17)), np.random.default_rng(0)
    rows = [
        start | {"w_out": 8 * int(a), "w_b": 5 * int(b), "w_se": int(c), "d2": int(d), "d3": int(d)}
        for a, b, c, d in rng.integers(4, 12, (5_000, 4))
    ]
    assert covered(template, table(rows)) is True
    parts, few = evaluate(template, table(rows), [_T4]), evaluate(template, table(rows[:100]), [_T4])
    kept = np.arange(100)
    for name in ("sums", "output"):
        for column, expected in zip(getattr(parts, name), getattr(few, name), strict=True):
            assert np.array_equal(np.broadcast_to(column, 5_000)[kept], np.broadcast_to(expected, 100))
    for name in CellMemory.__dataclass_fields__:
        column = np.broadcast_to(getattr(parts.memory, name), 5_000)
        assert np.array_equal(column[kept], np.broadcast_to(getattr(few.memory, name), 100)), name
    assert parts.latency_s[0][kept] == pytest.approx(few.latency_s[0], rel=1e-12)
    without_projection = [start | {"w_out": 24 + 8 * (number % 2)} for number in range(5_000)]
    assert np.array_equal(covered(template, table(without_projection)), np.arange(5_000) % 2 == 1)


def test_guards_reject_what_runs_otherwise() -> None:
    template = template_of(_BLOCK, (4, 24, 15, 17), Workload())
    good = integers(_BLOCK, (4, 24, 15, 17))
    depthwise = good | {"groups": good["w_b"]}
    without_projection = good | {"w_in": good["w_out"], "d1": good["w_out"]}
    foreign_input = good | {"d1": 25}
    for values, holds in ((good, True), (depthwise, False), (foreign_input, False)):
        assert covered(template, table([values])) is holds
    # Stride 2 projects whether or not the widths are equal, but the trace had asked: it needs another template.
    assert covered(template, table([without_projection])) is False
