from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from oracle.measure import timers
from oracle.measure.timers import EventTimer, HostTimer, last_level_bytes, sweeper
from tests.oracle.measure.cudas import FakeCuda


def test_events_enclose_a_block_of_calls() -> None:
    cuda = FakeCuda()
    cuda.launch("before", 100.0)
    seconds = EventTimer(cuda).block(partial(cuda.launch, "kernel", 2.0), 5)
    assert seconds == pytest.approx(2e-3)
    assert cuda.ran == ["before", *["kernel"] * 5]


def test_events_leave_out_what_runs_between_the_calls() -> None:
    cuda, times = FakeCuda(), iter([1.0, 9.0, 2.0])
    step = lambda: cuda.launch("kernel", next(times))  # noqa: E731
    assert EventTimer(cuda).alone(step, partial(cuda.launch, "sweep", 50.0), 3) == pytest.approx(2e-3)  # the median
    assert cuda.ran == ["sweep", "kernel"] * 3


def test_the_host_times_calls_alone_without_warming_up_again() -> None:
    ran: list[str] = []
    clock = iter([0.0, 1.0, 10.0, 13.0, 20.0, 22.0])
    timer = HostTimer(1, lambda: next(clock))
    assert timer.alone(lambda: ran.append("call"), lambda: ran.append("before"), 3) == 2.0
    assert ran == ["before", "call"] * 3


def test_the_host_times_blocks() -> None:
    ran: list[int] = []
    seconds = HostTimer(1, lambda: 3.0 * len(ran)).block(lambda: ran.append(1), 7)
    assert seconds == pytest.approx(3.0)


def test_a_sweep_writes_twice_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, torch.dtype]] = []
    empty = torch.empty

    def recorded(size: int, *, dtype: torch.dtype, device: str) -> torch.Tensor:
        made.append((size, dtype))
        return empty(size, dtype=dtype, device=device)

    monkeypatch.setattr(torch, "empty", recorded)
    for known, size in ((1000, 2000), (0, 2 * 64 * 2**20)):
        monkeypatch.setattr(timers, "last_level_bytes", lambda _, known=known: known)
        assert not sweeper("cpu")().any()
        assert made.pop() == (size, torch.int8)


def test_the_cache_of_a_gpu_is_what_torch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(L2_cache_size=50 * 2**20))
    assert last_level_bytes("cuda:0") == 50 * 2**20
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace())
    assert last_level_bytes("cuda") == 0
    assert last_level_bytes("mps") == 0
