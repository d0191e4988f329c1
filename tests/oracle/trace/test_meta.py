from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.utils.prune
from torch import nn

import oracle
from oracle.errors import TraceError
from oracle.query import profile
from oracle.trace.meta import empty_twin, to_meta, twin_on_meta

X = torch.zeros(2, 3)

Pair = namedtuple("Pair", "first second")  # noqa: PYI024 the kind that users write


@dataclasses.dataclass(frozen=True)
class Batch:
    image: torch.Tensor
    label: int


# -- inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tree",
    [
        [X, 1],
        (X, "word", None),
        {"a": X, "b": [X]},
        OrderedDict(a=X),
        UserDict(a=X),
        Pair(X, 2),
        Batch(X, 3),
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_inputs_of_any_form_keep_it(tree: Any) -> None:
    twin = to_meta(tree)

    def compare(a: Any, b: Any) -> None:
        assert type(a) is type(b)
        if isinstance(a, torch.Tensor):
            assert (b.shape, b.dtype, b.device.type) == (a.shape, a.dtype, "meta")
        elif dataclasses.is_dataclass(a) and not isinstance(a, type):
            compare(vars(a), vars(b))
        elif isinstance(a, (dict, UserDict)):
            assert list(a) == list(b)
            for key in a:
                compare(a[key], b[key])
        elif isinstance(a, (list, tuple)):
            for left, right in zip(a, b, strict=True):
                compare(left, right)
        else:
            assert a == b

    compare(tree, twin)


def test_a_mapping_with_a_factory_keeps_it() -> None:
    tree: defaultdict[str, Any] = defaultdict(list, a=X)
    twin = to_meta(tree)
    assert twin["a"].is_meta
    assert twin["absent"] == []
    assert not X.is_meta
    assert tree["a"] is X


def test_a_shared_tensor_stays_shared() -> None:
    first, second = to_meta([X, {"a": X}])
    assert first is second["a"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.float16, torch.complex64])
def test_a_twin_has_shape_strides_and_type(dtype: torch.dtype) -> None:
    tensor = torch.zeros(2, 3, 4, 5, dtype=dtype).to(memory_format=torch.channels_last)
    twin = empty_twin(tensor)
    assert (twin.shape, twin.stride(), twin.dtype) == (tensor.shape, tensor.stride(), tensor.dtype)
    assert twin.is_meta


def test_a_sparse_tensor_is_an_error() -> None:
    with pytest.raises(TraceError, match=r"layout=torch\.sparse_coo"):
        to_meta([torch.zeros(2, 3).to_sparse()])


# -- modules -------------------------------------------------------------------------------------------------


def test_a_twin_holds_no_data_and_shares_none() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4).requires_grad_(requires_grad=False))
    twin = twin_on_meta(module)
    assert all(tensor.is_meta for tensor in [*twin.parameters(), *twin.buffers()])
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in module.parameters()]
    assert list(twin.state_dict()) == list(module.state_dict())
    assert not any(tensor.is_meta for tensor in module.state_dict().values())
    assert not {id(part) for part in twin.modules()} & {id(part) for part in module.modules()}


def test_tied_parameters_stay_tied() -> None:
    module = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    twin = twin_on_meta(module)
    assert isinstance(twin, nn.Sequential)
    assert twin[0].weight is twin[1].weight


def test_tensors_and_modules_in_plain_containers_are_replaced() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plain = torch.zeros(3)
            self.listed = [torch.zeros(3), {"deep": (torch.zeros(3),)}]
            self.layers = [nn.Linear(3, 3)]
            self.table = {"head": nn.Linear(3, 2)}

    module = Holder()
    twin = twin_on_meta(module)
    assert isinstance(twin, Holder)
    deep = twin.listed[1]
    assert isinstance(deep, dict)
    assert all(tensor.is_meta for tensor in (twin.plain, twin.listed[0], deep["deep"][0]))
    assert twin.layers[0].weight.is_meta
    assert twin.table["head"].weight.is_meta
    assert not module.layers[0].weight.is_meta


def test_results_of_a_forward_that_a_module_kept_are_no_obstacle() -> None:
    module = nn.Linear(3, 3)
    module.last = module(X)  # has a grad_fn, which Python cannot copy
    assert profile(module, X).macs == 18


def test_a_large_module_is_copied_without_its_data() -> None:
    with torch.device("meta"):
        module = nn.Linear(10**6, 10**6)  # 4 TB
    twin = twin_on_meta(module)
    assert sum(parameter.numel() for parameter in twin.parameters()) == 10**12 + 10**6


def test_what_hooks_of_the_user_do_stays_in_the_twin() -> None:
    ran: list[str] = []
    module = nn.Sequential(nn.Linear(3, 3))
    module.register_forward_hook(lambda *_: ran.append("forward"))
    module[0].register_forward_pre_hook(lambda *_: ran.append("before"))
    module[0].register_full_backward_hook(lambda *_: ran.append("backward"))
    profile(module, X, mode="training")
    assert ran == []
    module(X)
    assert ran == ["before", "forward"]


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_hooks_that_compute_weights_are_kept(mode: str) -> None:
    plain = profile(nn.Linear(3, 3), X, mode=mode)
    for wrap in (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm):
        assert profile(wrap(nn.Linear(3, 3)), X, mode=mode).flops > plain.flops
    pruned = nn.utils.prune.l1_unstructured(nn.Linear(3, 3), "weight", 0.5)
    assert profile(pruned, X, mode=mode).flops > plain.flops


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_both_forms_of_weight_norm_cost_the_same() -> None:
    old, new = nn.utils.weight_norm(nn.Linear(3, 3)), nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    costs = [profile(module, X, mode="training") for module in (old, new)]
    assert costs[0].flops == costs[1].flops
    assert costs[0].params == costs[1].params == 3 * 3 + 3 + 3
    assert costs[0].unknown == costs[1].unknown == ()


def test_compiled_modules_are_unwrapped_and_never_compiled() -> None:
    def refuse(*_: Any) -> Any:
        pytest.fail("the module was compiled")

    plain = profile(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), X)
    whole = torch.compile(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), backend=refuse)
    nested = nn.Sequential(torch.compile(nn.Linear(3, 3), backend=refuse), nn.ReLU())
    in_place = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    in_place.compile(backend=refuse)
    for module in (whole, nested, in_place):
        cost = profile(module, X)
        assert (cost.flops, cost.traffic_bytes) == (plain.flops, plain.traffic_bytes)
    assert type(nested[0]).__name__ == "OptimizedModule"


def test_a_module_that_calls_a_compiled_function_costs_what_the_function_does() -> None:
    double = torch.compile(lambda x: x.relu() * 2, backend="eager")

    class Doubling(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return double(x)

    assert profile(Doubling(), X).flops == 12


def test_lazy_modules_are_an_error_until_they_ran() -> None:
    lazy = nn.LazyLinear(4)
    with pytest.raises(TraceError, match="uninitialised lazy parameters"):
        profile(lazy, X)
    lazy(X)
    assert profile(lazy, X).macs == 24


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("nested", [False, True])
def test_script_modules_are_an_error(nested: bool) -> None:
    script = torch.jit.script(nn.Linear(3, 3))
    with pytest.raises(TraceError, match="script modules cannot be traced"):
        profile(nn.Sequential(script) if nested else script, X)


def test_what_cannot_be_copied_is_an_error() -> None:
    class Locked(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 3)
            self.lock = threading.Lock()

    with pytest.raises(TraceError, match="module=Locked: its structure cannot be copied"):
        profile(Locked(), X)


def test_a_graph_module_is_a_module_like_any_other() -> None:
    import torch.fx

    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    assert profile(graph, X).flops == profile(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), X).flops


def test_state_that_a_forward_changes_stays_as_it_was() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(3))
            self.calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert isinstance(self.total, torch.Tensor)
            self.calls += 1
            self.total += x.sum(0)
            return x + self.total

    module = Counting()
    assert profile(module, X + 1).flops == 6 + 3 + 6
    assert module.calls == 0
    assert torch.equal(module.total, torch.zeros(3))  # type: ignore[arg-type]


class Returns(nn.Module):
    """A layer whose result is handed out in some way."""

    def __init__(self, how: Any) -> None:
        super().__init__()
        self.layer, self.how = nn.Linear(16, 16), how

    def forward(self, x: torch.Tensor) -> Any:
        return self.how(self.layer(x))


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
@pytest.mark.parametrize(
    "how",
    [
        lambda y: SimpleNamespace(deep=SimpleNamespace(y=y)),
        lambda y: torch.distributions.Normal(y, y, validate_args=False),
        lambda y: None,
        lambda y: (item for item in [y]),
        lambda y: {"a": y, "b": None},
    ],
    ids=["object", "distribution", "nothing", "generator", "dict"],
)
def test_what_leaves_a_module_is_not_dead_whatever_holds_it(how: Any, runtime: str) -> None:
    cost = oracle.profile(Returns(how), torch.empty(2, 16), runtime=runtime, strict=True)
    assert (cost.macs, cost.traffic_bytes) == (512, 4 * (2 * 16 + 16 * 16 + 16 + 2 * 16))
    assert oracle.profile(Returns(how), torch.empty(2, 16), runtime=runtime, convention="fvcore").macs == 512


def test_a_layer_whose_result_nobody_keeps_is_dead_where_all_that_leaves_is_known() -> None:
    module = Returns(lambda y: torch.ones(3))
    assert oracle.profile(module, torch.empty(2, 16), runtime="engine").executed_flops == 0


def test_modules_nested_deeply_are_copied_once_each() -> None:
    module: nn.Module = nn.Linear(4, 4)
    for _ in range(60):
        module = nn.Sequential(module)
    assert oracle.profile(module, torch.empty(1, 4)).macs == 16
