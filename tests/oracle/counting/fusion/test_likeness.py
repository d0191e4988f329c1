from __future__ import annotations

from itertools import product

import pytest

from oracle.closedform.structural.stock import StockKey, stock_of
from oracle.closedform.template import Format
from oracle.counting.fusion import kernels_of
from oracle.counting.fusion.likeness import likeness
from oracle.counting.memory import lifetimes_of
from oracle.families.graphs import structure_of
from oracle.families.nasbench201 import CELL, OPERATIONS, STRING
from oracle.spec import Workload

CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")


def tables(workload: Workload, archs: list[str]) -> list[object]:
    structure = structure_of(CELL)
    assert structure is not None
    form = Format.image(workload.autocast_dtype or workload.module_dtype, 4, workload.layout)
    stock = stock_of(StockKey(CELL, workload, (), form, None))
    found = [stock.compose(structure.graph(arch)) for arch in archs]
    return [composed.table for composed in found if composed is not None]


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_convolutions_of_any_window_are_alike_and_nothing_else_is(mode: str) -> None:
    alone = tables(Workload(mode=mode), [f"|{operation}~0|" for operation in OPERATIONS])
    like = dict(zip(OPERATIONS, map(likeness, alone), strict=True))

    for one, other in product(OPERATIONS, OPERATIONS):
        same = one == other or {one, other} == set(CONVOLUTIONS)
        assert (like[one] == like[other]) is same, (one, other)


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
@pytest.mark.parametrize(
    ("mode", "dtype"), [("inference", "float32"), ("inference", "float16"), ("training", "float16")]
)
def test_alike_operations_make_the_same_kernels_and_lifetimes(runtime: str, mode: str, dtype: str) -> None:
    workload = Workload(mode=mode, dtype=dtype, runtime=runtime, layout="nhwc" if mode == "training" else "nchw")
    rests = [
        ("{}", "{}", "skip_connect", "none", "avg_pool_3x3", "{}"),
        ("none", "{}", "{}", "{}", "skip_connect", "{}"),
        ("{}", "none", "none", "{}", "avg_pool_3x3", "none"),
    ]
    for rest in rests:
        text = STRING.format(*rest)
        archs = [text.format(*choice) for choice in product(CONVOLUTIONS, repeat=text.count("{}"))]
        seen = set()
        for table in tables(workload, archs):
            kernels = kernels_of(table, runtime)
            border = [
                (k.rows, k.main, k.folded, [(r, u.value) for r, u in k.reads], [(r, u.value) for r, u in k.writes])
                for k in kernels
            ]
            seen.add((repr(border), repr(lifetimes_of(table, kernels, runtime))))
        assert len(seen) == 1
