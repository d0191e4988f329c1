from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from oracle.closedform.structural.stock import StockKey, stock_of
from oracle.closedform.template import Format
from oracle.counting.fusion import kernels_of
from oracle.counting.memory import Lifetimes, lifetimes_of
from oracle.counting.networks import TensorSpec, trace_cell
from oracle.families.graphs import structure_of
from oracle.families.nasbench201 import CELL
from oracle.optable import OpTable, Shape
from oracle.spec import CellSpec, Workload

DIMS = (2, 8, 6, 10)
TRACED = [
    Workload(dtype=dtype, layout=layout, mode=mode, optimizer=optimizer)
    for dtype, layout, mode, optimizer in (
        ("float32", "nchw", "inference", "sgd"),
        ("float16", "nhwc", "inference", "sgd"),
        ("bfloat16", "nchw", "inference", "sgd"),
        ("float32", "nchw", "training", "sgd"),
        ("float32", "nhwc", "training", "adamw"),
        ("float16", "nchw", "training", "adamw"),
        ("bfloat16", "nhwc", "training", "sgd"),
    )
]
NAMES = [f"{w.dtype}-{w.layout}-{w.mode}" for w in TRACED]


def composed(arch: str, workload: Workload, dims: tuple[int, ...], form: Format, gradient: Format | None) -> OpTable:
    structure = structure_of(CELL)
    assert structure is not None
    pinned = tuple((f"d{axis}", size) for axis, size in enumerate(dims) if size < 2)
    stock = stock_of(StockKey(CELL, workload, pinned, form, gradient))
    found = stock.compose(structure.graph(arch), stock.at(tuple((f"d{axis}", d) for axis, d in enumerate(dims))))
    assert found is not None
    return plain(found.table)


def traced(arch: str, workload: Workload, dims: tuple[int, ...], form: Format, gradient: Format | None) -> OpTable:
    cell = CellSpec.make(CELL, width=dims[1], arch=arch, bn_eps=1e-5, bn_momentum=0.1)
    x, behind = (None if one is None else spec(dims, one) for one in (form, gradient))
    assert x is not None
    return plain(trace_cell(cell, x, behind, False, workload).table)


def spec(dims: tuple[int, ...], form: Format) -> TensorSpec:
    dtype = getattr(torch, form.dtype)
    return TensorSpec.of(torch.empty_permuted(dims, form.order, dtype=dtype, device="meta"))


def plain(table: OpTable) -> OpTable:
    """The table without calls, types named."""

    def tree(value: Any) -> Any:
        if isinstance(value, tuple):
            return (Shape if isinstance(value, Shape) else tuple)(map(tree, value))
        return str(value) if isinstance(value, (torch.dtype, torch.layout, torch.device)) else value

    rows = tuple(
        row._replace(args=tree(row.args), kwargs={name: tree(value) for name, value in row.kwargs.items()})
        for row in table.rows
    )
    return replace(table, rows=rows, calls=(), functions=())


def check(arch: str, workload: Workload, dims: tuple[int, ...], gradient: Format | None = None) -> None:
    form = Format.image(workload.autocast_dtype or workload.module_dtype, 4, workload.layout)
    ours, theirs = (way(arch, workload, dims, form, gradient) for way in (composed, traced))
    for mine, other in zip(ours.rows, theirs.rows, strict=True):
        assert mine == other
    # Which tensors are held for longer than they are used is known of the nodes alone, and nothing else is.
    assert replace(ours, released=()) == replace(theirs, released=())
    if not workload.training:
        assert lifetimes(ours) == lifetimes(theirs)


def lifetimes(table: OpTable) -> Lifetimes:
    return lifetimes_of(table, kernels_of(table, "eager"), "eager")


@pytest.mark.parametrize("under", TRACED, ids=NAMES)
def test_a_composed_table_is_the_trace_row_by_row(under: Workload, archs: Callable[..., list[str]]) -> None:
    for arch in archs(7, seed=TRACED.index(under)):
        check(arch, under, DIMS)


@pytest.mark.parametrize("dims", [(1, 8, 6, 10), (4, 8, 1, 1)])
def test_dimensions_of_one_are_traced_apart(dims: tuple[int, ...], archs: Callable[..., list[str]]) -> None:
    for workload in (TRACED[0], TRACED[3]):
        for arch in archs(2, seed=9):
            check(arch, workload, dims)


def test_gradients_may_come_in_another_layout(archs: Callable[..., list[str]]) -> None:
    for arch in archs(4, seed=10):
        check(arch, Workload(mode="training"), DIMS, Format.image("float32", 4, "nhwc"))


@pytest.mark.parametrize("under", [TRACED[0], TRACED[4]], ids=["inference", "training"])
def test_any_number_of_nodes_will_do(under: Workload) -> None:
    more = "|skip_connect~0|none~1|nor_conv_1x1~2|avg_pool_3x3~3|"
    for arch in (
        "|nor_conv_3x3~0|",
        "|skip_connect~0|+|avg_pool_3x3~0|skip_connect~1|",
        f"|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|skip_connect~1|skip_connect~2|+{more}",
    ):
        check(arch, under, DIMS)


def test_what_has_no_part_is_left_to_the_trace() -> None:
    structure = structure_of(CELL)
    assert structure is not None
    stock = stock_of(StockKey(CELL, Workload(), (), Format.image("float32", 4, "nchw"), None))
    assert stock.compose(structure.graph("|conv_7x7~0|")) is None
