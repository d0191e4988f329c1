from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.errors import TraceError
from oracle.optable import OpTable, Row
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.modules import tensors_in


class Call(nn.Module):
    """A function as a module, with a linear layer it may use."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.linear = nn.Linear(4, 4)

    def forward(self, *args: Any) -> Any:
        return self.function(self, *args)


def traced(function: Callable[..., Any] | nn.Module, *inputs: Any, **workload: Any) -> OpTable:
    module = function if isinstance(function, nn.Module) else Call(function)
    return trace_module(module, inputs, {}, Workload(**workload))


def names(table: OpTable, phase: str = "forward") -> list[str]:
    return [row.name.removeprefix("aten.") for row in table.rows if row.phase == phase]


def kinds(table: OpTable, row: Row) -> list[str]:
    """Where what a row reads comes from: the kind of memory, or the index of a row."""
    made = [table.values[use.value] for use in row.reads]
    return [table.storages[value.storage].kind if value.producer < 0 else str(value.producer) for value in made]


X = torch.empty(3, 4)


# -- rows and memory -----------------------------------------------------------------------------------------


def test_views_make_no_rows() -> None:
    table = traced(lambda _, x: x.view(12)[2:].reshape(5, 2).t().unsqueeze(0).expand(3, 2, 5).detach(), X)
    assert table.rows == ()
    assert table.outputs == {table.boundary_in}


def test_a_view_is_a_use_of_its_base() -> None:
    (row,) = traced(lambda _, x: x[:, 1:].exp(), X).rows
    assert (row.reads[0].shape, row.reads[0].stride, row.reads[0].offset) == ((3, 3), (4, 1), 1)


def test_chunks_are_uses_of_one_storage() -> None:
    table = traced(lambda _, x: torch.mul(*x.exp().chunk(2, dim=1)), X)
    first, second = table.rows[1].reads
    assert (first.offset, second.offset) == (0, 2)
    assert first.value == second.value
    assert [storage.elements for storage in table.storages if storage.kind == "activation"] == [12, 6]


def test_what_is_read_twice_moves_once() -> None:
    assert len(traced(lambda _, x: x + x, X).rows[0].reads) == 1
    assert len(traced(lambda _, x: x @ x.t(), X).rows[0].reads) == 1
    assert len(traced(lambda _, x: F.scaled_dot_product_attention(x, x, x), X).rows[0].reads) == 1
    assert len(traced(lambda _, x: x[:, :2] + x[:, 2:], X).rows[0].reads) == 2


def test_a_broadcast_dimension_is_read_once() -> None:
    (row,) = traced(lambda _, x: x + x[:1].expand(3, 4), X).rows
    assert [use.elements for use in row.reads] == [12, 4]


def test_an_operator_in_place_reads_one_value_and_writes_the_next() -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y.mul_(2)
        return y.add_(x)

    table = traced(forward, X)
    assert names(table) == ["exp", "mul_", "add_"]
    exp, mul, add = table.rows
    assert mul.reads == exp.writes
    assert add.reads[0] == mul.writes[0]
    storages = {table.values[row.writes[0].value].storage for row in table.rows}
    assert len(storages) == 1
    assert table.outputs == {add.writes[0].value}


def test_a_copy_reads_its_source_only() -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(3, 4)
        return y.copy_(x)

    table = traced(forward, X)
    assert kinds(table, table.rows[1]) == ["input"]


def test_a_copy_within_a_tensor_reads_the_part_it_copies() -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y[1:].copy_(y[:-1].clone())
        y[:1].copy_(y[1:2])
        return y

    table = traced(forward, X)
    assert names(table) == ["exp", "clone", "copy_", "copy_"]
    assert [use.offset for use in table.rows[3].reads] == [4]


def test_a_part_that_is_overwritten_has_a_base() -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y[:, 0].fill_(1.0)
        return y

    table = traced(forward, X)
    exp, fill = table.rows
    assert table.values[fill.writes[0].value].base == exp.writes[0].value
    assert fill.reads == ()


def test_memory_that_was_only_reserved_costs_nothing_and_is_no_base() -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.empty(6, 4)
        y[:3].copy_(x)
        y[3:].copy_(x)
        return y

    table = traced(forward, X)
    assert names(table) == ["copy_", "copy_"]
    first, second = (table.values[row.writes[0].value] for row in table.rows)
    assert first.base == -1
    assert table.values[second.base] == first


def test_an_out_argument_is_written_not_read() -> None:
    table = traced(lambda _, x: torch.exp(x, out=torch.empty(3, 4)), X)
    (row,) = table.rows
    assert (kinds(table, row), row.kwargs) == (["input"], {})
    (row,) = traced(lambda _, x: torch.exp(x, out=x), X).rows
    assert len(row.reads) == 1


def test_shapes_of_other_tensors_are_not_read() -> None:
    table = traced(lambda _, x: torch.zeros_like(x) + x.new_ones(4), X)
    assert [(row.name, len(row.reads)) for row in table.rows] == [
        ("aten.zeros_like", 0),
        ("aten.new_ones", 0),
        ("aten.add", 2),
    ]


def test_batch_norm_reads_and_writes_its_statistics_in_training_only() -> None:
    norm = nn.BatchNorm2d(4)
    image = torch.empty(2, 4, 3, 3)
    (row,) = traced(norm, image).rows
    assert (len(row.reads), len(row.writes)) == (5, 1)

    table = traced(norm, image, mode="training")
    (row,) = (row for row in table.rows if row.name == "aten.native_batch_norm")
    assert [use.shape for use in row.reads] == [(2, 4, 3, 3), (4,), (4,), (4,), (4,)]
    assert [(use.shape, table.storage_of(use).kind) for use in row.writes] == [
        ((2, 4, 3, 3), "activation"),
        ((4,), "activation"),
        ((4,), "activation"),
        ((4,), "buffer"),
        ((4,), "buffer"),
    ]
    assert row.dtype == "float32"
    assert names(table).count("native_batch_norm") == 1


def test_memory_knows_why_it_exists() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(4))
            self.frozen = nn.Parameter(torch.empty(4), requires_grad=False)
            self.register_buffer("buffer", torch.empty(4))
            self.plain = torch.empty(4)
            self.listed = [torch.empty(4)]

        def forward(self, x: torch.Tensor) -> Any:
            assert isinstance(self.buffer, torch.Tensor)
            return x * self.weight + self.frozen * self.buffer + self.plain * self.listed[0]

    table = traced(Holder(), X, mode="training")
    read = [kinds(table, row) for row in table.rows if row.phase == "forward"]
    assert read == [
        ["input", "parameter"],
        ["parameter", "buffer"],
        ["0", "1"],
        ["constant", "constant"],
        ["2", "3"],
    ]
    grads = [storage.requires_grad for storage in table.storages if storage.kind == "parameter"]
    assert grads == [True, False]
    assert {storage.kind for storage in table.storages} >= {"gradient", "state", "activation"}


def test_tied_weights_are_one_storage() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.out = nn.Linear(4, 10, bias=False)
            self.out.weight = self.embedding.weight

        def forward(self, tokens: torch.Tensor) -> Any:
            return self.out(self.embedding(tokens))

    table = traced(Tied(), torch.zeros(2, 3, dtype=torch.long))
    assert [storage.elements for storage in table.storages if storage.kind == "parameter"] == [40]


def test_outputs_of_any_form_are_held() -> None:
    table = traced(lambda _, x: {"a": [x.exp()], "b": (x.log(), None, 3)}, X)
    assert table.outputs == {row.writes[0].value for row in table.rows}
    assert table.boundary_out == table.values[table.rows[0].writes[0].value].storage


def test_shared_inputs_stay_shared() -> None:
    (row,) = traced(lambda _, x, y: x + y, X, X).rows
    assert len(row.reads) == 1


# -- classes -------------------------------------------------------------------------------------------------


def test_a_product_with_a_weight_is_linear() -> None:
    table = traced(lambda self, x: self.linear(x) @ x.t(), X)
    assert [row.op_class for row in table.rows] == ["linear", "matmul"]
    half = traced(lambda self, x: self.linear(x) @ x.t(), X, dtype="float16")
    assert [row.op_class for row in half.rows if row.op_class != "copy"] == ["linear", "matmul"]


def test_gradients_have_the_class_of_what_they_are_gradients_of() -> None:
    table = traced(lambda self, x: self.linear(self.linear(x)) @ self.linear(x).t(), X, mode="training")
    products = [row.op_class for row in table.rows if row.phase == "backward" and row.name == "aten.mm"]
    assert sorted(products) == ["linear"] * 4 + ["matmul"] * 2


# -- modules and phases --------------------------------------------------------------------------------------


def test_rows_carry_the_path_of_the_module_that_ran_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(self.stem(x) + 1)

    table = traced(Net(), X, mode="training")
    forward = [(row.name, row.module) for row in table.rows if row.phase == "forward"]
    assert forward == [
        ("aten.addmm", "stem.0"),
        ("aten.relu", "stem.1"),
        ("aten.add", ""),
        ("aten.addmm", "head"),
    ]
    backward = {row.module for row in table.rows if row.phase == "backward"}
    assert backward == {"head", "stem.1", "stem.0"}
    assert [call.path for call in table.calls] == ["stem.0", "stem.1", "stem", "head", ""]


def test_a_module_called_twice_counts_twice() -> None:
    table = traced(lambda self, x: self.linear(self.linear(x)), X)
    assert names(table) == ["addmm", "addmm"]
    assert [row.module for row in table.rows] == ["linear", "linear"]


def test_a_failure_that_the_forward_catches_leaves_the_path_right() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.broken = nn.Sequential(nn.Linear(5, 5))
            self.sound = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> Any:
            try:
                return self.broken(x)
            except RuntimeError:
                return self.sound(x).exp()

    table = traced(Careful(), X)
    assert [(row.name, row.module) for row in table.rows] == [("aten.addmm", "sound"), ("aten.exp", "")]


def test_the_optimiser_steps_what_has_a_gradient() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).requires_grad_(requires_grad=False))
    table = traced(net, X, mode="training")
    steps = [row for row in table.rows if row.phase == "optimizer"]
    assert {use.shape for row in steps for use in row.writes} == {(4, 4), (4,)}
    assert sum(storage.elements for storage in table.storages if storage.kind == "state") == 20
    assert sum(storage.elements for storage in table.storages if storage.kind == "gradient") == 20


# -- devices, data, errors -----------------------------------------------------------------------------------

DEVICES: dict[str, Callable[..., Any]] = {
    "to a name": lambda self, x: self.linear(x.to("cuda")),
    "to a numbered device": lambda self, x: self.linear(x.to("cuda:1")),
    "to an index": lambda self, x: self.linear(x.to(0)),
    "to a device object": lambda self, x: self.linear(x.to(torch.device("xpu"))),
    "to a keyword": lambda self, x: self.linear(x.to(device="cuda", dtype=torch.float32)),
    "cuda": lambda self, x: self.linear(x.cuda()),
    "cpu": lambda self, x: self.linear(x).cpu(),
    "module": lambda self, x: self.linear.to("cuda")(x),
}


@pytest.mark.parametrize("name", DEVICES)
def test_moving_a_tensor_costs_nothing_and_needs_no_device(name: str) -> None:
    assert names(traced(DEVICES[name], X)) == ["addmm"]


CONSTANTS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "zeros on a device": (lambda _, x: x + torch.zeros(4, device="cuda"), ["zeros", "add"]),
    "zeros on the CPU": (lambda _, x: x + torch.zeros(4, device="cpu"), ["zeros", "add"]),
    "zeros on the input's": (lambda _, x: x + torch.zeros(4, device=x.device), ["zeros", "add"]),
    "arange": (lambda _, x: x + torch.arange(4), ["arange", "add"]),
    "a tensor": (lambda _, x: x * torch.tensor([1.0, 2.0, 3.0, 4.0]), ["mul"]),
    "a tensor on a device": (lambda _, x: x * torch.tensor([1.0] * 4, device="cuda"), ["mul"]),
    "a tensor on the CPU": (lambda _, x: x * torch.tensor([1.0] * 4, device="cpu"), ["mul"]),
    "numpy": (lambda _, x: x * torch.from_numpy(np.ones(4)), ["mul"]),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_of_any_device_are_known(name: str) -> None:
    forward, expected = CONSTANTS[name]
    assert names(traced(forward, X)) == expected


def test_a_cast_to_a_device_and_type_is_a_row() -> None:
    table = traced(lambda _, x: x.to("cuda", torch.float16), X)
    assert [(row.name, row.writes[0].dtype) for row in table.rows] == [("aten._to_copy", "float16")]


DATA: dict[str, Callable[..., Any]] = {
    "item": lambda _, x: x * x.sum().item(),
    "float": lambda _, x: x * float(x.max()),
    "if": lambda _, x: x if x.sum() > 0 else -x,
    "mask": lambda _, x: x[x > 0],
    "nonzero": lambda _, x: x.nonzero(),
    "unique": lambda _, x: x.unique(),
    "tolist": lambda _, x: x.tolist(),
    "numpy": lambda _, x: torch.from_numpy(x.numpy() + 1),
}


@pytest.mark.parametrize("name", DATA)
def test_a_forward_that_looks_at_data_is_an_error(name: str) -> None:
    with pytest.raises(TraceError, match="module=Call: its forward depends on the data"):
        traced(DATA[name], X)


def test_a_failing_forward_names_the_module() -> None:
    class Stage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4))

        def forward(self, x: torch.Tensor) -> Any:
            return self.blocks(x)

    with pytest.raises(TraceError, match=r"module=Stage at 'blocks\.1': forward failed: RuntimeError: .*dim"):
        traced(Stage(), X)


def test_a_failing_backward_says_so() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            raise ValueError("no way back")

    with pytest.raises(TraceError, match="backward failed: ValueError: no way back"):
        traced(lambda self, x: Broken.apply(self.linear(x)), X, mode="training")


@pytest.mark.parametrize(
    "forward", [lambda _, x: x, lambda self, x: self.linear(x).argmax(-1)], ids=["input", "integers"]
)
def test_what_has_no_gradient_cannot_train(forward: Callable[..., Any]) -> None:
    with pytest.raises(TraceError, match="nothing in its output requires a gradient"):
        traced(forward, X, mode="training")


# -- equal to a real run -------------------------------------------------------------------------------------


class Executed(TorchDispatchMode):
    """Operators of a real run that write memory."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in([args, kwargs])}
        fresh = any(tensor.untyped_storage()._cdata not in given for tensor in tensors_in(out))
        mutates = any(
            argument.alias_info is not None and argument.alias_info.is_write for argument in func._schema.arguments
        )
        if (fresh or mutates) and "empty" not in str(func):
            self.names.append(str(func.overloadpacket).removeprefix("aten."))
        return out


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, groups=4), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        ),
        (2, 3, 14, 14),
    ),
    "attention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), (2, 5, 8)),
    "norms": (lambda: nn.Sequential(nn.GroupNorm(2, 8), nn.Conv1d(8, 8, 1), nn.LayerNorm(5), nn.Softmax(1)), (2, 8, 5)),
    "activations": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.PReLU(), nn.ELU()),
        (2, 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", NETS)
def test_the_operators_are_those_of_a_real_run(name: str, mode: str) -> None:
    make, shape = NETS[name]
    module = make().train(mode == "training")
    x = torch.randn(shape)
    inputs = (x, x + 1, x + 2) if name == "attention" else (x,)
    recorder = Executed()
    with torch.set_grad_enabled(mode == "training"), recorder:
        out = module(*inputs)
    outs = [tensor for tensor in tensors_in(out) if tensor.requires_grad]
    if mode == "training":
        starts = [torch.ones_like(tensor) for tensor in outs]
        with recorder:
            torch.autograd.grad(outs, list(module.parameters()), starts)

    table = traced(module, *inputs, mode=mode)
    assert names(table) + names(table, "backward") == recorder.names
