from __future__ import annotations

from collections.abc import Callable

import numpy as np

from oracle.closedform.structural.memory import Curves, spans_of
from oracle.closedform.structural.stock import StockKey, stock_of
from oracle.closedform.template import MEMORY_SIZES, Format
from oracle.counting.fusion import kernels_of
from oracle.counting.memory import lifetimes_of, measure
from oracle.families.graphs import structure_of
from oracle.families.nasbench201 import CELL
from oracle.spec import Workload


def test_curves_of_many_cells_are_those_of_each(workload: Workload, archs: Callable[..., list[str]]) -> None:
    rng = np.random.default_rng(5)
    structure = structure_of(CELL)
    assert structure is not None
    form = Format.image(workload.autocast_dtype or workload.module_dtype, 4, workload.layout)
    stock = stock_of(StockKey(CELL, workload, (), form, None))
    bytes_of = rng.integers(0, 1000, 40)
    cells, expected = [], []
    for arch in archs(6, seed=3):
        composed = stock.compose(structure.graph(arch))
        assert composed is not None
        kernels = kernels_of(composed.table, workload.runtime)
        lifetimes = lifetimes_of(composed.table, kernels, workload.runtime)
        sizes = rng.integers(0, len(bytes_of), len(composed.table.storages))
        cells.append((spans_of(lifetimes, training=workload.training), sizes))
        expected.append(measure(lifetimes, bytes_of[sizes].tolist()))
    found = Curves(cells).memory(bytes_of)

    for name in MEMORY_SIZES if workload.training else ("weights", "forward"):
        assert getattr(found, name).tolist() == [getattr(memory, name) for memory in expected], name
    for name in ("output_retained", "input_retained"):
        flags = np.broadcast_to(getattr(found, name), len(cells)).tolist()
        assert flags == [getattr(memory, name) for memory in expected]
