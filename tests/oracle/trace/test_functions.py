from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.optable import OpTable
from oracle.spec import Workload
from oracle.trace import trace_module
from oracle.trace.functions import CallRecorder


def traced(function: Any, *shapes: tuple[int, ...], mode: str = "inference") -> OpTable:
    class Call(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, *args: Any) -> Any:
            return function(self, *args)

    return trace_module(Call(), tuple(torch.empty(shape) for shape in shapes), {}, Workload(mode=mode))


def test_rows_of_one_call_share_its_number_and_name() -> None:
    table = traced(lambda _, x, y: torch.einsum("bij,bkj->bik", x.exp(), y), (2, 3, 4), (2, 5, 4))
    exp, *product = table.rows
    assert exp.function == "exp"
    assert {row.function for row in product} == {"einsum"}
    assert {row.call for row in product} == {product[0].call}
    assert product[0].call > exp.call


def test_python_functions_are_seen_by_what_they_call() -> None:
    def normed(_: Any, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(F.interpolate(F.relu(x), scale_factor=2.0), (8,))

    table = traced(normed, (2, 3, 4))
    assert [row.function for row in table.rows] == ["relu", "upsample_nearest1d", "layer_norm"]
    calls = [row.call for row in table.rows]
    assert calls == sorted(set(calls))


def test_attention_inside_a_python_function_is_caught() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    table = traced(lambda _, x: attention(x, x, x, need_weights=False)[0], (2, 3, 4))
    assert [row.function for row in table.rows if row.op_class == "attention"] == ["scaled_dot_product_attention"]


def test_backward_rows_come_from_later_calls() -> None:
    table = traced(lambda self, x: self.linear(x).relu(), (3, 4), mode="training")
    backward = [row for row in table.rows if row.phase == "backward"]
    assert min(row.call for row in backward) > max(row.call for row in table.rows if row.phase == "forward")


def test_functions_of_torch_stay_as_they_are() -> None:
    before = dict(vars(F))
    traced(lambda _, x: F.gelu(F.softmax(F.dropout(x, 0.5), -1)), (3, 4), mode="inference")
    assert dict(vars(F)) == before


def test_a_call_recorder_without_autocast_changes_nothing() -> None:
    class Seen(TorchDispatchMode):
        names: tuple[str, ...] = ()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names += (str(func),)
            return func(*args, **(kwargs or {}))

    x = torch.empty(3, 4, device="meta")
    plain, recorded = Seen(), Seen()
    with plain:
        expected = F.linear(x, x).relu().sum()
    with recorded, CallRecorder() as calls:
        found = F.linear(x, x).relu().sum()
    assert recorded.names == plain.names
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert calls.call == 3
