from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.optable import ITEMSIZE, OpTable, Shape, Storage, Use, prod
from oracle.spec import Workload
from oracle.trace import trace_module


def traced(function: Any, *shapes: tuple[int, ...]) -> OpTable:
    class Call(nn.Module):
        def forward(self, *args: Any) -> Any:
            return function(*args)

    return trace_module(Call(), tuple(torch.empty(shape) for shape in shapes), {}, Workload())


def producers(table: OpTable, row: int) -> set[int]:
    values = (value for use in table.rows[row].reads for value in table.lineage(use.value))
    return {table.values[value].producer for value in values} - {-1}


def test_every_dtype_of_torch_has_its_size() -> None:
    dtypes = {dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
    assert {str(dtype).removeprefix("torch."): dtype.itemsize for dtype in dtypes}.items() <= ITEMSIZE.items()


def test_a_product_of_nothing_is_one() -> None:
    assert (prod([]), prod([2, 3, 4])) == (1, 24)


def test_a_shape_is_no_list_of_integers() -> None:
    row = traced(lambda x: x.sum((0, 1)), (2, 3)).rows[0]
    assert isinstance(row.args[0], Shape)
    assert not isinstance(row.args[1], Shape)
    assert row.out == Shape()


@pytest.mark.parametrize(
    ("tensor", "elements"),
    [
        (torch.empty(2, 3), 6),
        (torch.empty(2, 3).t(), 6),
        (torch.empty(1, 3).expand(5, 3), 3),
        (torch.empty(()).expand(4, 4), 1),
        (torch.empty(4, 6)[:, ::2], 12),
        (torch.empty(()), 1),
        (torch.empty(0, 3), 0),
    ],
    ids=["dense", "transposed", "expanded", "expanded number", "sliced", "number", "empty"],
)
def test_a_use_counts_a_broadcast_dimension_once(tensor: torch.Tensor, elements: int) -> None:
    assert Use(0, tuple(tensor.shape), tensor.stride(), 0, "float32").elements == elements


def test_a_tensor_and_its_transpose_are_the_same_memory() -> None:
    use = Use(0, (2, 3), (3, 1), 0, "float32")
    assert use.memory == Use(0, (3, 2), (1, 3), 0, "float32").memory
    assert use.memory == Use(0, (1, 2, 3), (6, 3, 1), 0, "float32").memory
    assert use.memory != use._replace(offset=6).memory
    assert use.memory != use._replace(value=1).memory


def test_edges_follow_the_data_through_views() -> None:
    table = traced(lambda x: (x.exp().view(6) + 1).sum() * x.log().sum(), (2, 3))
    names = [row.name.removeprefix("aten.") for row in table.rows]
    assert names == ["exp", "add", "sum", "log", "sum", "mul"]
    assert [producers(table, row) for row in range(6)] == [set(), {0}, {1}, set(), {3}, {2, 4}]


def test_edges_follow_the_data_through_writes() -> None:
    def write(x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y[0].zero_()  # overwrites a part: the sum needs both
        return y.sum()

    table = traced(write, (2, 3))
    assert [row.name for row in table.rows] == ["aten.exp", "aten.zero_", "aten.sum"]
    assert producers(table, 2) == {0, 1}


def test_rows_have_their_classes() -> None:
    table = traced(lambda x, w: F.relu(F.conv2d(x, w)).softmax(1), (1, 3, 8, 8), (4, 3, 3, 3))
    assert [row.op_class for row in table.rows] == ["conv", "activation", "softmax"]


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (lambda x: x > 0, "bool"),
        (lambda x: x.max(0), "float32"),
        (lambda x: x.to(torch.float64), "float64"),
        (lambda x: torch.view_as_complex(x.view(-1, 2)) * 2, "complex64"),
    ],
    ids=["comparison", "values and indices", "cast", "complex"],
)
def test_a_row_knows_the_type_it_computes_in(function: Any, dtype: str) -> None:
    assert traced(function, (4, 2)).rows[-1].dtype == dtype


@pytest.mark.parametrize("kind", ["parameter", "buffer", "constant"])
def test_weights_are_there_before_the_call_and_stay(kind: str) -> None:
    assert Storage(1, "float32", kind).is_weight
    assert not any(Storage(1, "float32", other).is_weight for other in ("input", "activation", "gradient", "state"))


def test_a_mapped_table_has_other_sizes_and_the_same_numbers() -> None:
    table = traced(lambda x: x.exp().sum(1, keepdim=True), (2, 3))
    found = table.mapped(lambda size: 10 * size)
    assert [row.reads[0].shape for row in found.rows] == [(20, 30), (20, 30)]
    assert [row.reads[0].stride for row in found.rows] == [(30, 10), (30, 10)]
    assert found.rows[1].args == (Shape((20, 30)), (1,), True)
    assert found.rows[1].out == Shape((20, 10))
    assert [storage.elements for storage in found.storages] == [10 * storage.elements for storage in table.storages]
    assert (found.values, found.calls, found.outputs) == (table.values, table.calls, table.outputs)
