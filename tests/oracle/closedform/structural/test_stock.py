from __future__ import annotations

import pytest

from oracle.closedform.structural.sizes import Poly
from oracle.closedform.structural.stock import Stock, StockKey, stock_of
from oracle.closedform.template import Format
from oracle.counting import count
from oracle.errors import OracleError
from oracle.families.nasbench201 import CELL
from oracle.spec import Workload

KEY = StockKey(CELL, Workload(), (), Format.image("float32", 4, "nchw"), None)
VALUES = (("width", 8), ("d0", 2), ("d1", 8), ("d2", 6), ("d3", 10))


def test_a_stock_is_made_once_per_key() -> None:
    assert stock_of(KEY) is stock_of(KEY._replace())
    with pytest.raises(OracleError, match="cell kind='head': expected one that spells out a graph"):
        Stock(KEY._replace(kind="head"))


def test_the_same_parts_open_at_primes_and_at_values() -> None:
    stock = stock_of(KEY)
    convolution = next(at for at in stock.keys if at.operation == "nor_conv_3x3")
    number = stock.numbers[convolution]
    assert stock.part(number) is stock.parts[convolution]
    assert stock.symbols == tuple(sorted({"d0", "d1", "d2", "d3", "width"}))

    left_open, primes, here = stock.open_pieces, stock.at_primes, stock.at(VALUES)
    weights = [
        storage.elements
        for pieces in (left_open, primes, here)
        for storage in pieces[convolution].table.storages
        if storage.kind == "parameter"
    ]
    assert isinstance(weights[0], Poly)
    assert weights[-3:] == [8 * 8 * 9, 8, 8]
    sizes = {storage.elements for storage in primes[convolution].table.storages}
    images = {storage.elements for storage in here[convolution].table.storages if storage.kind == "input"}
    assert images == {2 * 8 * 6 * 10}
    assert all(isinstance(size, int) for size in sizes)
    assert set(iter(here)) == set(stock.parts)


def test_a_piece_is_counted_alone() -> None:
    stock = stock_of(KEY)
    number = next(number for number, at in enumerate(stock.keys) if at.operation == "nor_conv_1x1")
    counts = stock.alone(number, VALUES)
    assert sum(kernel.macs for kernel in counts.kernels) == 2 * 6 * 10 * 8 * 8
    assert counts.params == 8 * 8 + 2 * 8
    assert counts.kernels == count(stock.at(VALUES)[stock.keys[number]].table, Workload()).kernels
