from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils.flop_counter import FlopCounterMode

from oracle.closedform import TemplateStore, network_form
from oracle.config import load_cfg
from oracle.counting.networks import count_net
from oracle.errors import TraceError
from oracle.families import to_spec
from oracle.query import profile
from oracle.spec import CellSpec, NetSpec, Workload
from oracle.trace import isolated, undisturbed


class Watching(TorchDispatchMode):
    """A user's mode: nothing of ours may reach it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        pytest.fail(f"{func} reached the caller's mode")


class WatchingFunctions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") != "torch._C":
            return func(*args, **(kwargs or {}))
        pytest.fail(f"{func} reached the caller's mode")


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=False)


AROUND: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "CPU autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "a device": lambda: torch.device("cpu"),
    "a dispatch mode": Watching,
    "deterministic algorithms": deterministic,
}


def numbers(cost: Any) -> tuple[Any, ...]:
    return cost.macs, cost.flops, cost.params, cost.activations, cost.traffic_bytes, cost.peak_memory_bytes


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", AROUND)
def test_a_profile_is_the_same_whatever_is_around_it(name: str, mode: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 5))
    x = torch.zeros(2, 3, 8, 8)
    expected = numbers(profile(module, x, mode=mode, dtype="float16"))
    with AROUND[name]():
        assert numbers(profile(module, x, mode=mode, dtype="float16")) == expected


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", [*AROUND, "float64 by default"])
def test_a_score_is_the_same_whatever_is_around_it(name: str, mode: str) -> None:
    net = to_spec(load_cfg("R-56"))
    # A network of its own for each case: what one case traced, the next would find in the cache.
    own = NetSpec((*net.cells[:2], net.cells[-1]), (3, 33 + [*AROUND, "float64 by default"].index(name), 32))
    head = dict(own.cells[-1].params) | {"w_in": dict(own.cells[1].params)["w_out"]}
    own = NetSpec((*own.cells[:2], CellSpec.make("head", **head)), own.input_shape)
    workload = Workload(mode=mode, batch_size=2)
    around = default_dtype(torch.float64) if name == "float64 by default" else AROUND[name]()
    with around:
        forms = network_form(TemplateStore(), own, workload)
        whole = count_net(own, workload)
    again = count_net(own, workload)
    assert forms.memory == whole.memory == again.memory
    assert forms.sums["traffic_bytes"] == sum(k.read_bytes + k.write_bytes for k in again.kernels)


def test_the_callers_modes_come_back() -> None:
    counter = FlopCounterMode(display=False)
    with counter:
        before = _get_current_dispatch_mode_stack()
        with isolated():
            assert _get_current_dispatch_mode_stack() == []
            assert not torch.is_inference_mode_enabled()
        assert _get_current_dispatch_mode_stack() == before
        with pytest.raises(TraceError):
            profile(nn.Linear(4, 4), torch.zeros(2, 5))
        assert _get_current_dispatch_mode_stack() == before
        torch.zeros(2, 3) @ torch.zeros(3, 4)
    assert counter.get_total_flops() == 2 * 2 * 3 * 4  # the caller's own product, and nothing of ours


def test_function_modes_come_back() -> None:
    with WatchingFunctions() as mode, isolated():
        assert torch._C._len_torch_function_stack() == 0
        torch.zeros(3).exp()
    assert torch._C._len_torch_function_stack() == 0
    assert isinstance(mode, WatchingFunctions)


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_nothing_global_changes_even_when_it_fails(mode: str) -> None:
    def state() -> tuple[Any, ...]:
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch._C._len_torch_function_stack(),
            len(_get_current_dispatch_mode_stack()),
            torch.get_rng_state().tolist(),
        )

    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    before = state()
    profile(module, torch.zeros(2, 4), mode=mode)
    assert state() == before
    with pytest.raises(TraceError):
        profile(module, torch.zeros(2, 5), mode=mode)
    assert state() == before
    with torch.no_grad():
        profile(module, torch.zeros(2, 4), mode=mode)
        assert not torch.is_grad_enabled()


def test_an_interrupt_waits_until_torch_has_finished() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []

    def work() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            reached.append("end")

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["end"]


def test_another_thread_has_no_handlers_to_hold_back() -> None:
    found = []

    def work() -> None:
        with undisturbed():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
