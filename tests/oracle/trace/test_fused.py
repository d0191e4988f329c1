from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.errors import TraceError
from oracle.optable import OpTable
from oracle.spec import Workload
from oracle.trace import trace_module


def traced(
    module: nn.Module | Callable[..., Any], *inputs: torch.Tensor, mode: str = "inference", **kwargs: Any
) -> OpTable:
    class Call(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.empty(()))

        def forward(self, x: Any, *args: Any) -> Any:
            return module((x * self.scale) if mode == "training" else x, *args)

    made = module if isinstance(module, nn.Module) else Call()
    return trace_module(made, inputs, kwargs, Workload(mode=mode))


def names(table: OpTable, phase: str = "forward") -> list[str]:
    return [row.name.removeprefix("aten.") for row in table.rows if row.phase == phase]


Q = torch.empty(2, 6, 5, 4)


# -- attention -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        ([(2, 6, 5, 4)] * 3, {}),
        ([(2, 6, 5, 4), (2, 6, 7, 4), (2, 6, 7, 3)], {}),
        ([(2, 6, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4)], {"enable_gqa": True}),
        ([(1, 6, 5, 4), (2, 6, 7, 4), (2, 6, 7, 4)], {}),
    ],
    ids=["4-D", "cross", "grouped", "broadcast"],
)
def test_attention_is_one_operator_with_the_shape_that_torch_gives(shapes: Any, options: dict[str, Any]) -> None:
    inputs = [torch.zeros(shape) for shape in shapes]
    found: list[Any] = []

    def attend(*qkv: Any) -> Any:
        found.append(F.scaled_dot_product_attention(*qkv, **options).shape)
        return F.scaled_dot_product_attention(*qkv, **options)

    table = traced(attend, *inputs)
    assert found == [F.scaled_dot_product_attention(*inputs, **options).shape]
    assert set(names(table)) == {"oracle.attention"}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (6, 5, 4), (2, 3, 6, 5, 4)], ids=["2-D", "3-D", "5-D"])
def test_attention_of_other_ranks_runs_what_torch_runs(shape: tuple[int, ...], masked: bool) -> None:
    class Seen(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.names: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(func.__name__.split(".")[0])
            return func(*args, **(kwargs or {}))

    inputs = [torch.zeros(shape) for _ in range(3)] + [torch.zeros(5, 5)] * masked
    with torch.no_grad(), Seen() as seen:
        F.scaled_dot_product_attention(*inputs)
    assert {"mm", "bmm"} & set(seen.names)
    views = {"view", "expand", "transpose", "_unsafe_view", "unsqueeze", "squeeze"}
    found = names(traced(F.scaled_dot_product_attention, *inputs))
    assert found == [name for name in seen.names if name not in views]


def test_attention_never_writes_its_scores() -> None:
    (row,) = traced(F.scaled_dot_product_attention, Q, Q, Q).rows
    assert [use.shape for use in row.reads] == [Q.shape]
    assert [use.shape for use in row.writes] == [Q.shape, Q.shape[:-1]]  # and the log-sum-exp of each row
    assert [use.dtype for use in row.writes] == ["float32", "float32"]


def test_heads_merge_without_a_copy() -> None:
    table = traced(lambda q: F.scaled_dot_product_attention(q, q, q).transpose(1, 2).reshape(2, 5, 24), Q)
    assert names(table) == ["oracle.attention"]


def test_the_backward_of_attention_gives_the_gradients_that_are_wanted() -> None:
    table = traced(lambda q, k: F.scaled_dot_product_attention(q, k, k), Q, Q, mode="training")
    (row,) = (row for row in table.rows if row.name == "oracle.attention_backward")
    # gradient, query, key (which is the value, too), output and log-sum-exp
    assert [use.shape for use in row.reads] == [Q.shape] * 4 + [Q.shape[:-1]]
    assert [use.shape for use in row.writes] == [Q.shape]  # only the query depends on a parameter


def test_a_learned_mask_gets_a_gradient() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mask = nn.Parameter(torch.empty(6, 5, 5))

        def forward(self, q: torch.Tensor) -> torch.Tensor:
            return F.scaled_dot_product_attention(q, q, q, self.mask)

    table = traced(Biased(), Q, mode="training")
    (row,) = (row for row in table.rows if row.name == "oracle.attention_backward")
    assert [use.shape for use in row.writes] == [(6, 5, 5)]


@pytest.mark.parametrize(
    ("key", "options"),
    [
        (torch.empty(2, 6, 5, 3), {}),
        (torch.empty(2, 5, 5, 4), {}),
        (Q, {"attn_mask": torch.empty(5, 5, device="meta"), "is_causal": True}),
    ],
    ids=["width", "heads", "mask and causal"],
)
def test_attention_that_torch_refuses_is_an_error(key: torch.Tensor, options: dict[str, Any]) -> None:
    with pytest.raises(TraceError, match="forward failed"):
        traced(lambda q, k: F.scaled_dot_product_attention(q, k, k, **options), Q, key)


def test_our_operators_are_defined_once_however_many_ask() -> None:
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda _: traced(F.scaled_dot_product_attention, Q, Q, Q), range(16)))
    assert {names(table)[0] for table in tables} == {"oracle.attention"}


# -- norms, dropout, softmax ---------------------------------------------------------------------------------


def test_rms_norm_is_one_operator_each_way() -> None:
    norm = nn.RMSNorm(4)
    table = traced(nn.Sequential(nn.Linear(4, 4), norm), torch.empty(3, 4), mode="training")
    assert "oracle.rms_norm" in names(table)
    (back,) = (row for row in table.rows if row.name == "oracle.rms_norm_backward")
    assert [use.shape for use in back.writes] == [(3, 4), (4,)]
    assert [use.shape for use in back.reads] == [(3, 4), (3, 4), (3, 1), (4,)]
    (row,) = traced(norm, torch.empty(3, 4)).rows
    assert [use.shape for use in row.writes] == [(3, 4), (3, 1)]


@pytest.mark.filterwarnings("ignore:Mismatch dtype:UserWarning")
def test_rms_norm_of_mixed_types_is_taken_apart_as_on_a_device() -> None:
    norm = nn.RMSNorm(4, dtype=torch.float64)
    assert "oracle.rms_norm" not in names(traced(norm, torch.empty(3, 4)))


def test_a_rms_norm_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(TraceError, match="forward failed"):
        traced(nn.RMSNorm(5), torch.empty(3, 4))


def test_dropout_is_one_kernel_in_training_and_none_in_inference() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3))
    assert names(traced(net, torch.empty(3, 4))) == ["addmm"]
    table = traced(net, torch.empty(3, 4), mode="training")
    assert names(table) == ["addmm", "native_dropout"]
    dropout = table.rows[1]
    assert [use.dtype for use in dropout.writes] == ["float32", "bool"]  # the mask takes a byte per element
    assert "native_dropout_backward" in names(table, "backward")


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_or_everything_is_what_torch_makes_of_it(p: float) -> None:
    table = traced(nn.Sequential(nn.Linear(4, 4), nn.Dropout(p)), torch.empty(3, 4), mode="training")
    assert "native_dropout" not in names(table)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_a_softmax_that_widens_is_one_kernel(name: str) -> None:
    half = torch.empty(3, 4, dtype=torch.float16)
    for function in (getattr(F, name), getattr(torch, name)):
        (row,) = traced(lambda x, call=function: call(x, dim=-1, dtype=torch.float32), half).rows
        assert (row.reads[0].dtype, row.writes[0].dtype) == ("float16", "float32")
        assert names(traced(lambda x, call=function: call(x, -1, dtype=torch.float64), half))[0] == "_to_copy"


# -- torch's own layers ask about masks ----------------------------------------------------------------------


def encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)


@pytest.mark.parametrize(
    "options",
    [
        {"src_key_padding_mask": torch.zeros(2, 5, dtype=torch.bool)},
        {"mask": nn.Transformer.generate_square_subsequent_mask(5)},
        {"mask": nn.Transformer.generate_square_subsequent_mask(5), "is_causal": True},
    ],
    ids=["padding", "mask", "causal"],
)
def test_masks_of_an_encoder_are_no_data(options: dict[str, Any]) -> None:
    tokens = torch.empty(2, 5, 8)
    table = traced(encoder(), tokens, **options)
    bare = traced(encoder(), tokens)
    assert [row.op_class for row in table.rows].count("attention") == 2
    assert [row.name for row in table.rows if row.op_class == "linear"] == [
        row.name for row in bare.rows if row.op_class == "linear"
    ]


def test_other_questions_about_data_stay_errors() -> None:
    with pytest.raises(TraceError, match="depends on the data"):
        traced(lambda x: x if (x == 1).all() else -x, torch.empty(3))
