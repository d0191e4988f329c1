from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.errors import TraceError
from oracle.optable import OpTable
from oracle.spec import Workload
from oracle.trace import trace_module
from oracle.trace.autocast import FLOAT32, FLOAT32_INSIDE, HALF, REFUSED, WIDEST
from tests.modules import Call, tensors_in

HALF_TYPES = ["float16", "bfloat16"]


def table(module: nn.Module, *inputs: torch.Tensor, dtype: str = "float16", mode: str = "inference") -> OpTable:
    return trace_module(module, inputs, {}, Workload(dtype=dtype, mode=mode))


def forms(of: OpTable) -> list[tuple[str, str, str]]:
    """Name, type of the first input and type of the first result of each row before the optimiser."""
    return [
        (row.name.removeprefix("aten."), row.reads[0].dtype, row.writes[0].dtype)
        for row in of.rows
        if row.phase != "optimizer"
    ]


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


# -- the lists -----------------------------------------------------------------------------------------------


def test_every_function_is_on_one_list() -> None:
    lists = [HALF, FLOAT32, FLOAT32_INSIDE, WIDEST, REFUSED]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))


def test_the_lists_are_those_of_torch() -> None:
    registered = torch._C._dispatch_get_registrations_for_dispatch_key("AutocastCUDA")
    theirs = {name.removeprefix("aten::").split(".")[0] for name in registered if name.startswith("aten::")}
    # what only C++ calls, below a function on our lists
    inside = {"_scaled_dot_product_flash_attention", "cudnn_convolution", "cudnn_convolution_transpose"}
    inside |= {name for name in theirs if name.startswith(("_thnn_fused", "_cudnn_rnn"))}
    inside |= theirs & {"linalg_matrix_sqrth"}  # younger than the release we test with
    # operators of Python, and functions that a listed one is the core of
    beside = {"__matmul__", "__rmatmul__", "__rpow__", "nll_loss_nd", "norm"}
    beside |= {"lstm", "gru", "rnn_tanh", "rnn_relu"}  # cast by the kernels of cuDNN

    ours = (HALF | FLOAT32 | FLOAT32_INSIDE | WIDEST | REFUSED) - {"windowed_attention"}  # of our own cells
    assert theirs - ours == inside
    assert ours - theirs == beside - theirs


@pytest.fixture(scope="module")
def lists_of_torch() -> dict[str, list[str]]:
    """The functions in torch's own autocast tests; read elsewhere, for importing them changes global state."""
    script = """
import json, sys, types
sys.modules["expecttest"] = types.SimpleNamespace(TestCase=object)
from torch.testing._internal.autocast_test_lists import AutocastTestLists
found = vars(AutocastTestLists("cpu"))
print(json.dumps({name: sorted({case[0] for case in cases}) for name, cases in found.items() if "16" in name
    or "32" in name or name == "torch_need_autocast_promote"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this torch keeps its lists of autocast tests elsewhere")
    lists: dict[str, list[str]] = json.loads(done.stdout)
    return lists


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("torch_fp16", HALF),
        ("nn_fp16", HALF),
        ("methods_fp16", HALF),
        ("linalg_fp16", HALF),
        ("torch_fp32", FLOAT32 | FLOAT32_INSIDE),
        ("nn_fp32", FLOAT32),
        ("torch_need_autocast_promote", WIDEST),
    ],
)
def test_the_functions_that_torch_tests_are_listed(
    lists_of_torch: dict[str, list[str]], theirs: str, ours: frozenset[str]
) -> None:
    names = set(lists_of_torch[theirs]) - {"cudnn_convolution", "cudnn_convolution_transpose"}
    assert names
    assert names <= ours


# -- what becomes of a call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.linear(x, x),
        lambda x: x @ x,
        lambda x: x.__rmatmul__(x),
        lambda x: torch.einsum("ij,kj->ik", x, x),
        lambda x: F.conv1d(x[None], x[:, :, None]),
        lambda x: F.scaled_dot_product_attention(*[x[None, None]] * 3),
        lambda x: F.prelu(x, x[0]),
        lambda x: torch.linalg.multi_dot([x, x, x]),
    ],
    ids=["linear", "@", "right @", "einsum", "conv", "attention", "prelu", "multi_dot"],
)
def test_contractions_run_in_half_precision(function: Callable[..., Any], dtype: str) -> None:
    rows = table(Call(function), meta(4, 4), dtype=dtype).rows
    casts = [row for row in rows if row.name == "aten._to_copy"]
    work = [row for row in rows if row.name != "aten._to_copy"]

    assert [(row.reads[0].dtype, row.writes[0].dtype) for row in casts] == [("float32", dtype)] * len(casts)
    assert casts
    assert work
    assert {use.dtype for row in work for use in row.reads} == {dtype}


@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (torch.exp, "exp"),
        (lambda x: x**2, "pow"),
        (lambda x: 2**x, "pow"),
        (lambda x: F.layer_norm(x, (4,)), "native_layer_norm"),
        (lambda x: F.group_norm(x, 2), "native_group_norm"),
        (lambda x: F.rms_norm(x, (4,)), "oracle.rms_norm"),
        (F.softplus, "softplus"),
        (lambda x: x.logsumexp(0), "logsumexp"),
        (lambda x: F.interpolate(x[None], scale_factor=2.0, mode="linear"), "upsample_linear1d"),
    ],
    ids=["exp", "power", "exponent", "layer norm", "group norm", "rms norm", "softplus", "logsumexp", "interpolate"],
)
def test_sensitive_functions_run_in_float32(function: Callable[..., Any], operator: str, dtype: str) -> None:
    x = meta(4, 4, dtype=getattr(torch, dtype))
    assert forms(table(Call(function), x, dtype=dtype)) == [
        ("_to_copy", dtype, "float32"),
        (operator, "float32", "float32"),
    ]


@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize(
    ("function", "operator"),
    [(torch.sum, "sum"), (torch.prod, "prod"), (torch.norm, "linalg_vector_norm"), (lambda x: x.cumsum(0), "cumsum")],
    ids=["sum", "prod", "norm", "cumsum"],
)
def test_reductions_read_half_and_answer_in_float32(function: Callable[..., Any], operator: str, dtype: str) -> None:
    x = meta(4, 4, dtype=getattr(torch, dtype))
    assert forms(table(Call(function), x, dtype=dtype)) == [(operator, dtype, "float32")]


@pytest.mark.parametrize(
    "function",
    [torch.softmax, torch.log_softmax, F.softmax, F.log_softmax],
    ids=["torch.softmax", "torch.log_softmax", "F.softmax", "F.log_softmax"],
)
def test_softmax_widens_float16_only(function: Callable[..., Any]) -> None:
    # CUDA has one kernel from float16 to float32, and none from bfloat16.
    name = "_log_softmax" if "log" in function.__name__ else "_softmax"
    module = Call(lambda x: function(x, dim=-1))
    assert forms(table(module, meta(4, 4, dtype=torch.float16))) == [(name, "float16", "float32")]
    assert forms(table(module, meta(4, 4, dtype=torch.bfloat16), dtype="bfloat16")) == [
        ("_to_copy", "bfloat16", "float32"),
        (name, "float32", "float32"),
    ]


def test_a_type_that_the_forward_asks_for_is_kept() -> None:
    module = Call(lambda x: x.sum(dtype=torch.float16))
    assert forms(table(module, meta(4, dtype=torch.float16))) == [("sum", "float16", "float16")]


def test_mixed_arguments_run_in_the_widest_type() -> None:
    mixed = meta(4, 4, dtype=torch.float16), meta(4, 4)
    assert forms(table(Call(lambda x, y: torch.addcmul(x, y, y)), *mixed)) == [
        ("_to_copy", "float16", "float32"),
        ("addcmul", "float32", "float32"),
    ]
    assert forms(table(Call(torch.atan2), mixed[0], mixed[0])) == [("atan2", "float16", "float16")]


@pytest.mark.parametrize(
    "function",
    [F.relu, F.gelu, lambda x: x + 1, lambda x: x.mean(0), lambda x: x.exp_(), lambda x: torch.exp(x, out=x)],
    ids=["relu", "gelu", "add", "mean", "in place", "out"],
)
def test_other_functions_run_in_the_type_of_their_input(function: Callable[..., Any]) -> None:
    ((_, read, written),) = forms(table(Call(function), meta(4, 4, dtype=torch.float16)))
    assert (read, written) == ("float16", "float16")


def test_float64_and_integers_are_never_cast() -> None:
    double = meta(4, 4, dtype=torch.float64)
    assert forms(table(Call(lambda x: (x @ x).exp()), double)) == [
        ("mm", "float64", "float64"),
        ("exp", "float64", "float64"),
    ]
    assert forms(table(Call(torch.sum), meta(4, dtype=torch.int64))) == [("sum", "int64", "int64")]


def test_cross_entropy_takes_its_softmax_in_half_and_its_loss_in_float32() -> None:
    # cross_entropy is on no list: it tells log_softmax its type, and nll_loss is cast.
    x, target = meta(4, 5, dtype=torch.float16), meta(4, dtype=torch.int64)
    assert forms(table(Call(F.cross_entropy), x, target)) == [
        ("_log_softmax", "float16", "float16"),
        ("_to_copy", "float16", "float32"),
        ("nll_loss_forward", "float32", "float32"),
    ]


def test_what_torch_refuses_is_an_error() -> None:
    x = meta(4)
    with pytest.raises(TraceError, match="binary_cross_entropy is unsafe"):
        table(Call(F.binary_cross_entropy), x, x)


# -- casts of weights ----------------------------------------------------------------------------------------


def weight_casts(of: OpTable, phase: str) -> int:
    return sum(
        row.name == "aten._to_copy" and row.phase == phase and of.storage_of(row.reads[0]).kind == "parameter"
        for row in of.rows
    )


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_weight_is_cast_once_per_pass(mode: str) -> None:
    layer = nn.Linear(4, 4)
    found = table(nn.Sequential(layer, nn.ReLU(), layer, layer), meta(2, 4), mode=mode)
    assert weight_casts(found, "forward") == 2  # weight and bias
    assert weight_casts(found, "backward") == 0


def test_a_frozen_weight_is_cast_at_every_use() -> None:
    # as torch: only what wants a gradient is kept
    layer = nn.Linear(4, 4).requires_grad_(requires_grad=False)
    assert weight_casts(table(nn.Sequential(layer, layer), meta(2, 4)), "forward") == 4


def test_the_gradient_of_a_weight_used_twice_is_cast_once() -> None:
    layer = nn.Linear(4, 4, bias=False)
    found = table(nn.Sequential(layer, layer), meta(2, 4), mode="training")
    back = [row for row in found.rows if row.phase == "backward"]
    casts = [row for row in back if row.name == "aten._to_copy"]
    assert [(row.reads[0].dtype, row.writes[0].dtype) for row in casts] == [("float16", "float32")]
    assert [row.name for row in back].count("aten.add") == 1  # the two gradients meet in half precision


def test_the_optimiser_steps_in_float32() -> None:
    found = table(nn.Linear(4, 4), meta(2, 4), mode="training")
    step = [row for row in found.rows if row.phase == "optimizer"]
    assert step
    assert {use.dtype for row in step for use in (*row.reads, *row.writes)} == {"float32"}


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> Any:
        run = checkpoint.checkpoint
        return run(lambda y: self.second(y).relu(), self.first(x), use_reentrant=self.reentrant)


def test_a_checkpoint_is_autocast_again() -> None:
    found = table(Checkpointed(reentrant=False), meta(2, 4), mode="training")
    products = [row for row in found.rows if row.name == "aten.addmm"]
    assert [row.phase for row in products] == ["forward", "forward", "backward"]
    assert {row.writes[0].dtype for row in products} == {"float16"}


def test_a_reentrant_checkpoint_is_autocast_again_in_its_second_forward() -> None:
    rows = table(Checkpointed(reentrant=True), meta(2, 4), mode="training").rows
    assert {row.writes[0].dtype for row in rows if row.op_class == "linear"} == {"float16"}


def test_functions_inside_a_backward_are_not_autocast() -> None:
    class Squared(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grads[0] * x.exp()

    layer = nn.Linear(4, 4)
    found = table(nn.Sequential(layer, Call(Squared.apply)), meta(2, 4), mode="training")
    (exponential,) = (row for row in found.rows if row.name == "aten.exp")
    assert (exponential.phase, exponential.writes[0].dtype) == ("backward", "float16")


# -- equal to torch ------------------------------------------------------------------------------------------


class Recorded(TorchDispatchMode):
    """What reaches the dispatcher, as it is: operators that write memory, with the types of their tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in([args, kwargs])}
        mutates = any(
            argument.alias_info is not None and argument.alias_info.is_write for argument in func._schema.arguments
        )
        fresh = [
            tensor for tensor in tensors_in(out) if tensor.untyped_storage()._cdata not in given and tensor.numel()
        ]
        name = str(func.overloadpacket)
        if (fresh or mutates) and "empty" not in name:
            self.found.append((name, tuple(str(tensor.dtype) for tensor in tensors_in(out) if tensor.numel())))
        return out


def recorded_by_us(module: nn.Module, inputs: tuple[Any, ...], dtype: str, mode: str) -> Counter[Any]:
    found = table(module, *inputs, dtype=dtype, mode=mode)
    return Counter(
        # all but the running statistics, which torch's schema of batch norm keeps quiet about
        (row.name, tuple(f"torch.{use.dtype}" for use in row.writes[: 3 if "batch_norm" in row.name else None]))
        for row in found.rows
        if row.phase != "optimizer"
    )


def recorded_on_cpu(module: nn.Module, inputs: tuple[Any, ...], dtype: str, mode: str) -> Counter[Any]:
    """A real run under CPU autocast."""
    recorder = Recorded()
    module.train(mode == "training")
    with torch.set_grad_enabled(mode == "training"), recorder:
        with torch.autocast("cpu", getattr(torch, dtype)):
            out = module(*inputs)
        if mode == "training":
            wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
            torch.autograd.grad([out], wanted, [torch.empty_like(out)])
    return Counter(recorder.found)


class Twice(nn.Module):
    """Weights used several times, and a product of activations."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        z = self.second(self.first(y)) + self.second(y)
        return z @ z.t()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.out = nn.Linear(8, 10, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> Any:
        return self.out(self.embedding(tokens))


class Regions(nn.Module):
    """Autocast turned off, on again, and to another type, in the words of a forward that runs anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(5)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third, fourth, last = self.layers
        kind = x.device.type
        y = first(x)
        with torch.autocast(kind, enabled=False):
            y = second(y.float())
            with torch.autocast(kind, dtype=torch.bfloat16):
                y = third(y)
            y = y.float() @ x.float().t()
        with torch.autocast(kind, dtype=torch.float16):
            y = fourth(y.t() @ y)
        return last(y)


# Of operators on which the CPU's lists agree with CUDA's.
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (lambda: nn.Conv2d(3, 8, 3), (2, 3, 8, 8)),
    "resnet": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        ),
        (2, 3, 8, 8),
    ),
    "squeeze and excitation": (
        lambda: nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, 8, 1), nn.Sigmoid()
        ),
        (2, 8, 4, 4),
    ),
    "transposed and depthwise": (
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 4, 2, 2), nn.SiLU(), nn.Conv2d(4, 4, 3, padding=1, groups=4)),
        (2, 8, 6, 6),
    ),
    "perceptron": (lambda: nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)), (2, 5, 8)),
    "weights used twice": (Twice, (3, 8)),
    "tied weights": (Tied, (3, 4)),
    "regions": (Regions, (8, 8)),
    "layer norm": (lambda: nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8)), (2, 5, 8)),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", NETS)
def test_a_real_run_under_cpu_autocast_executes_the_same(name: str, mode: str) -> None:
    make, shape = NETS[name]
    torch.manual_seed(0)
    module = make()
    inputs = (torch.zeros(shape, dtype=torch.int64) if name == "tied weights" else torch.randn(shape),)

    ours = recorded_by_us(module, inputs, "bfloat16", mode)
    theirs = recorded_on_cpu(module, inputs, "bfloat16", mode)
    if mode == "inference":  # where the CPU, unlike CUDA, fills the statistics of batch norm for nobody
        theirs = Counter({(op, types[:1] if "batch_norm" in op else types): n for (op, types), n in theirs.items()})
    assert ours == theirs


@pytest.mark.parametrize("enter", [torch.autocast, torch.amp.autocast], ids=["torch", "torch.amp"])
def test_a_region_for_cuda_counts_on_a_machine_without_it(enter: Any) -> None:
    def both(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        with enter("cuda", enabled=False):
            y = x @ weight
        with enter("cuda"):
            return y @ weight

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch would say that CUDA is not there
        half, full = (table(Call(both), meta(4, 4), meta(4, 4), dtype=dtype) for dtype in ("bfloat16", "float32"))
    products = [[row.writes[0].dtype for row in found.rows if row.name == "aten.mm"] for found in (half, full)]
    assert products == [["float32", "bfloat16"], ["float32", "float16"]]  # float16 is torch's default for CUDA


def test_a_trace_leaves_autocast_as_it_was() -> None:
    before = {name: vars(torch.autocast)[name] for name in ("__init__", "__enter__", "__exit__")}
    seen: list[bool] = []

    def elsewhere() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            seen.append(torch.is_autocast_enabled("cpu"))
            with torch.autocast("cpu", enabled=False):
                seen.append(torch.is_autocast_enabled("cpu"))

    def forward(x: torch.Tensor) -> torch.Tensor:
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        with torch.autocast("cpu", enabled=False):
            return x @ x

    (row,) = table(Call(forward), meta(4, 4)).rows
    assert (row.writes[0].dtype, seen) == ("float32", [True, False])
    assert {name: vars(torch.autocast)[name] for name in before} == before
    assert not torch.is_autocast_enabled("cpu")


def test_a_recurrent_layer_takes_halves_as_under_torch() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.LSTM(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert torch.is_autocast_enabled()
            return self.second(self.first(x))[0]

    assert table(Recurrent(), meta(3, 2, 4)).rows
    assert not torch.is_autocast_enabled()


@contextmanager
def cuda_autocast(dtype: torch.dtype) -> Iterator[None]:
    """`torch.autocast("cuda")`, which turns itself off on a machine without a GPU."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "l1_loss": lambda x: F.l1_loss(x, x + 1),
    "kl_div": lambda x: F.kl_div(x, x + 1, reduction="batchmean"),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x + 1),
    "soft_margin_loss": lambda x: F.soft_margin_loss(x, x + 1),
    "normalize": F.normalize,
    "standard deviation": lambda x: x.std(-1),
    "attention by hand": lambda x: (x @ x.t()).softmax(-1) @ x,
    "bilinear": lambda x: F.interpolate(x[None, None], scale_factor=2.0, mode="bilinear"),
    "concatenation": lambda x: torch.cat([x, x.float()]),
    "cdist": lambda x: torch.cdist(x, x + 1),
    "index_put": lambda x: x.index_put((torch.zeros(2, dtype=torch.int64, device=x.device),), x[:2].float()),
    "tensordot": lambda x: torch.tensordot(x, x, 1),
    "outer": lambda x: torch.outer(x[0], x[0]),
    "sum of integers": lambda x: (x > 0).sum(),
}


@pytest.mark.skipif(torch.version.cuda is None, reason="needs a torch that is linked with CUDA (no GPU is used)")
@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_cuda_autocast_of_fake_tensors_executes_the_same(name: str, dtype: str) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    module = Call(FUNCTIONS[name])
    half = getattr(torch, dtype)
    recorder = Recorded()
    with FakeTensorMode():
        x = torch.empty((8, 8), dtype=half, device="cuda")
        with torch.no_grad(), recorder, cuda_autocast(half):
            module(x)
    assert recorded_by_us(module, (meta(8, 8, dtype=half),), dtype, "inference") == Counter(recorder.found)
