from __future__ import annotations

import pytest

from oracle.closedform.structural import desk as desks
from oracle.closedform.structural.desk import Desk, desk_of
from oracle.closedform.structural.stock import StockKey, stock_of
from oracle.closedform.template import Format
from oracle.families.nasbench201 import CELL, STRING
from oracle.spec import Workload

KEY = StockKey(CELL, Workload(), (), Format.image("float32", 4, "nchw"), None)
VALUES = (("width", 8), ("d0", 2), ("d1", 8), ("d2", 6), ("d3", 10))
CONVOLUTION, POOL = (
    STRING.format(*["none"] * 4, operation, "skip_connect") for operation in ("nor_conv_3x3", "avg_pool_3x3")
)


def test_a_desk_is_made_once_per_key() -> None:
    assert desk_of(KEY) is desk_of(KEY._replace())
    assert desk_of(KEY).stock is stock_of(KEY)


def test_operations_that_are_alike_share_a_structure() -> None:
    desk = Desk(stock_of(KEY))
    wide, narrow, pool = desk.cells([CONVOLUTION, CONVOLUTION.replace("3x3", "1x1"), POOL])[0]
    assert wide is not None
    assert narrow is not None
    assert pool is not None
    assert wide.spans is narrow.spans
    assert wide.spans is not pool.spans
    assert wide.signs != narrow.signs

    sizes = desk.bytes_of(VALUES)
    larger = sorted(sizes[wide.sizes].tolist(), reverse=True)
    assert sum(larger) - int(sizes[narrow.sizes].sum()) == 4 * 8 * 8 * (9 - 1)
    assert len(wide.sizes) == len(narrow.sizes)


def test_bytes_beyond_64_bits_overflow() -> None:
    desk = Desk(stock_of(KEY))
    desk.cells([CONVOLUTION])
    with pytest.raises(OverflowError):
        desk.bytes_of((("width", 2**20), ("d0", 2**20), ("d1", 2**20), ("d2", 2**12), ("d3", 2**12)))


def test_what_has_no_part_is_no_cell() -> None:
    assert Desk(stock_of(KEY)).cells(["|conv_7x7~0|"])[0] == [None]
    other = Desk(stock_of(KEY._replace(input=Format("float64", (0, 1, 2, 3)))))
    assert other.cells([other.stock.structure.alone("none")])[0] == [None]


def test_what_grew_too_large_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(stock_of(KEY))
    (before,), signs = desk.cells([CONVOLUTION])
    monkeypatch.setattr(desks, "_MOST_SIGNS", 0)
    (after,), others = desk.cells([CONVOLUTION])
    assert before is not None
    assert after is not None
    assert others is not signs
    assert signs.counts(before.signs, VALUES) == others.counts(after.signs, VALUES)
