from __future__ import annotations

from collections.abc import Callable

import pytest

from oracle.calibration import kernel_class
from oracle.closedform.structural.desk import Desk
from oracle.closedform.structural.signs import Signs
from oracle.closedform.structural.stock import Stock, StockKey, stock_of
from oracle.closedform.template import Format
from oracle.counting import KernelCount, count
from oracle.errors import OracleError
from oracle.families.nasbench201 import CELL, STRING
from oracle.spec import Workload

VALUES = (("width", 8), ("d0", 2), ("d1", 8), ("d2", 6), ("d3", 10))
NUMBERS = ("macs", "matrix_flops", "vector_flops", "read_bytes", "write_bytes", "weight_bytes")


def stock_for(workload: Workload) -> Stock:
    form = Format.image(workload.autocast_dtype or workload.module_dtype, 4, workload.layout)
    return stock_of(StockKey(CELL, workload, (), form, None))


def numbers(kernels: list[KernelCount] | tuple[KernelCount, ...]) -> list[tuple[object, ...]]:
    return [tuple(getattr(kernel, name) for name in NUMBERS) for kernel in kernels]


def test_signs_are_counted_as_the_kernels_of_each_table(workload: Workload, archs: Callable[..., list[str]]) -> None:
    stock = stock_for(workload)
    cells, signs = Desk(stock).cells(archs(5, seed=4))
    for cell, arch in zip(cells, archs(5, seed=4), strict=True):
        composed = stock.compose(stock.structure.graph(arch), stock.at(VALUES))
        assert composed is not None
        assert cell is not None
        expected = count(composed.table, workload).kernels
        assert numbers([found for found, _ in signs.counts(cell.signs, VALUES)]) == numbers(expected)
        classes = [kernel_class(composed.table, kernel.rows, workload.runner) for kernel in expected]
        assert list(signs.classes(cell.signs)) == classes


def test_equal_kernels_of_different_cells_are_one_sign() -> None:
    desk = Desk(stock_for(Workload()))
    one, other = (STRING.format(*["none"] * 4, operation, "none") for operation in ("nor_conv_3x3", "avg_pool_3x3"))
    (first, second), signs = desk.cells([one, other])
    assert first is not None
    assert second is not None
    known = len(signs)
    assert set(first.signs) & set(second.signs)
    assert len(set(first.signs) | set(second.signs)) == known
    again, _ = desk.cells([one])
    assert again[0] is not None
    assert again[0].signs == first.signs
    assert len(signs) == known


def test_kernels_are_counted_once_per_size(monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,), signs = Desk(stock_for(Workload())).cells(["|nor_conv_3x3~0|"])
    assert cell is not None
    counts = signs.counts(cell.signs, VALUES)
    monkeypatch.setattr(Signs, "_counted_at", None)
    assert signs.counts(cell.signs, VALUES) == counts


def test_what_cannot_be_composed_any_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = Stock(stock_for(Workload()).key)
    (cell,), signs = Desk(stock).cells(["|nor_conv_3x3~0|"])
    assert cell is not None
    monkeypatch.setattr(stock, "at", lambda values: {})
    with pytest.raises(OracleError, match="was composed, and is not any more"):
        signs.counts(cell.signs, VALUES)
