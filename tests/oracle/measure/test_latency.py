from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import oracle
from oracle.errors import OracleError
from oracle.measure import latency, measure, places, steps, stopwatch
from oracle.measure.engines import Models
from oracle.measure.timers import EventTimer, HostTimer
from oracle.spec import CellSpec, NetSpec, Workload


def small(name: str, image: int = 32) -> NetSpec:
    return oracle.to_spec(oracle.load_cfg(name, ["TRAIN.IM_SIZE", image]))


def test_measurements_say_what_was_run() -> None:
    networks = [small("R-56"), small("ViT-S-16")]
    done: list[tuple[int, int]] = []
    found = measure(
        networks,
        name="bench",
        repeats=2,
        block_s=0,
        threads=1,
        batch_size=2,
        progress=lambda *at: done.append(at),
    )
    assert [item.network for item in found] == ["R-56", "ViT-S-16"]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for item in found:
        assert (item.device, item.repeats, item.clock, item.release) == ("bench", 2, "wall", "")
        assert item.workload == Workload(batch_size=2, threads=1)
        assert item.torch == torch.__version__
        assert item.affinity
        assert item.min_ms is not None
        assert 0 < item.min_ms <= item.latency_ms
        assert item.iqr_ms is not None
        assert item.iqr_ms >= 0


@pytest.mark.parametrize(
    "workload",
    [
        {"mode": "training", "optimizer": "adamw", "batch_size": 2},
        {"mode": "training", "dtype": "bfloat16", "batch_size": 2},
        {"dtype": "bfloat16", "layout": "nhwc"},
    ],
)
def test_workloads(workload: dict[str, Any]) -> None:
    (found,) = measure(small("R-56"), repeats=1, block_s=0, threads=1, clock="cpu", **workload)
    assert found.workload == Workload(**workload, threads=1)
    assert found.clock == "cpu"
    assert found.latency_ms > 0


def test_an_engine_is_one_more_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, Workload, int, Path]] = []

    def engine_step_of(net: NetSpec, workload: Workload, threads: int, models: Models) -> Any:
        asked.append((net.name, workload, threads, models.folder))
        return lambda: None

    monkeypatch.setattr(latency, "engine_step_of", engine_step_of)
    monkeypatch.setattr(latency, "check_workload", lambda *_: None)  # installed or not
    monkeypatch.setattr(latency, "release_of", lambda name: f"{name} 1.0")
    words = Workload(dtype="int8", runtime="engine", engine="openvino", threads=2)
    (found,) = measure(small("R-56"), repeats=2, block_s=0, threads=2, engine="openvino", dtype="int8", models=tmp_path)
    assert (found.workload, found.release, found.repeats) == (words, "openvino 1.0", 2)
    assert asked == [("R-56", words, 2, tmp_path)]


def test_threads_are_the_configs_where_nobody_says_more() -> None:
    cfgs = [oracle.load_cfg("R-56", ["COST.THREADS", threads]) for threads in (1, 2)]
    (found,) = measure([cfgs[0]], repeats=1, block_s=0, clock="cpu")
    assert found.workload.threads == 1
    with pytest.raises(OracleError, match="threads: networks ask for 1 and 2; give one number"):
        measure(cfgs, repeats=1)


def test_networks_by_name_keep_their_config() -> None:
    net, workload = latency.resolve("R-56", batch_size=3)
    assert (net.input_shape, workload.batch_size) == ((3, 32, 32), 3)
    with pytest.raises(OracleError, match="network=int"):
        latency.resolve(3)


def test_the_order_is_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def step_of(net: NetSpec, *_: Any, **__: Any) -> Any:
        return lambda: ran.append(net.name)

    monkeypatch.setattr(latency, "step_of", step_of)
    measure([small("R-56"), small("R-110")], repeats=3, block_s=0, threads=1)
    turns = [name for name, before in zip(ran, ["", *ran], strict=False) if name != before]
    assert turns[-4:] == ["R-56", "R-110", "R-56", "R-110"]


def scripted(monkeypatch: pytest.MonkeyPatch, script: list[Any]) -> None:
    """Let the stopwatch say what a script says, one network after the other; an exception in it is raised."""
    left = iter(script)

    def seconds(*_: Any) -> float:
        said = next(left)
        if isinstance(said, BaseException):
            raise said
        return float(said)

    monkeypatch.setattr(stopwatch.Place, "seconds", seconds)
    monkeypatch.setattr(latency, "step_of", lambda *_, **__: lambda: None)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RuntimeError("out of memory\nand more")])
def test_what_ends_early_hands_over_what_it_has(monkeypatch: pytest.MonkeyPatch, stop: BaseException) -> None:
    first = [9, 0.001, 9, 0.002]  # one call to find the number of calls, then the first block of each
    scripted(monkeypatch, [*first, 0.002, 0.003, 0.009, stop])
    kept: list[Any] = []
    with pytest.raises((KeyboardInterrupt, OracleError)) as raised:
        measure([small("R-56"), small("R-110")], repeats=9, name="bench", on_stop=kept.extend)
    if isinstance(stop, RuntimeError):
        assert str(raised.value) == "network='R-110' fails in repeat 3: out of memory"
    found, missing = kept
    assert missing is None
    assert (found.network, found.device, found.repeats) == ("R-56", "bench", 3)
    assert (found.latency_ms, found.min_ms, found.iqr_ms) == pytest.approx((2, 1, 4))  # of 1, 2 and 9


def test_no_more_repeats_are_enough_than_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [9, 0.001, KeyboardInterrupt()])
    kept: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        measure([small("R-56"), small("R-110")], repeats=1, on_stop=kept.extend)
    assert [item and item.repeats for item in kept] == [1, None]
    scripted(monkeypatch, [9, 0.001])
    measure(small("R-56"), repeats=1, on_stop=lambda _: pytest.fail("nothing ended early"))


def test_threads_and_torch_settings_are_as_before() -> None:
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32, torch.is_grad_enabled()
    measure(small("R-56"), repeats=1, block_s=0, threads=1)
    assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32, torch.is_grad_enabled()) == before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"runtime": "engine"}, "runtime='engine': no engine is named"),
        ({"dtype": "tf32"}, "dtype='tf32' needs a CUDA device"),
        ({"device": "abacus"}, "device='abacus' is not on this host; there are cpu"),
        ({"threads": 0}, "threads=0"),
        ({"threads": 2, "clock": "cpu"}, "clock='cpu' needs"),
        ({"clock": "sand"}, "clock='sand'"),
        ({"clock": "events"}, "clock='events' needs a CUDA device"),
        ({"cache": "tepid"}, "cache='tepid'"),
        ({"graph": True}, "graph=True needs a CUDA device, got 'cpu'"),
        ({"batch_size": [1, 0]}, "batch_size=0"),
        ({"repeats": 0}, "repeats=0"),
    ],
)
def test_what_cannot_be_measured(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(OracleError, match=complaint):
        measure(small("R-56"), **{"repeats": 1, **changes})


def test_memory_is_checked_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    job = (small("R-56"), Workload())
    peak = oracle.score(job[0]).peak_memory_bytes
    weights = oracle.score(job[0]).memory.weights_bytes
    steps.check_memory([job] * 2, "cpu", available=3 * peak)
    with pytest.raises(OracleError, match=r"network='R-56': needs .* GiB at its peak, and cpu has"):
        steps.check_memory([job], "cpu", available=peak)
    with pytest.raises(OracleError, match=r"9 networks need .*measure fewer at a time"):
        steps.check_memory([job] * 9, "cpu", available=peak + 7 * weights)
    monkeypatch.setattr(steps, "available_memory", lambda: 1000)
    monkeypatch.setattr(latency, "step_of", lambda *_, **__: pytest.fail("built"))
    with pytest.raises(OracleError, match="GiB"):
        measure(job[0])


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*_: Any) -> Any:
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", lambda _, **__: call)
    with pytest.raises(OracleError, match=r"network='R-56': runtime='compiled': torch\.compile fails here: no C"):
        measure(small("R-56"), runtime="compiled")


def test_a_network_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "build", lambda _: torch.nn.Linear(7, 7))
    with pytest.raises(OracleError, match=r"network='R-56' does not run on cpu: mat1 and mat2"):
        measure(small("R-56"), repeats=1)


def test_a_network_that_cannot_train_is_refused_unbuilt() -> None:
    with pytest.raises(OracleError, match="Expected more than 1 value per channel"):
        measure(small("ResNet-50"), mode="training", batch_size=1, repeats=1)


def test_compiled_runs_through_torch_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def compile_(function: Any, *, fullgraph: bool, dynamic: bool) -> Any:
        assert (fullgraph, dynamic) == (True, False)  # all of it or an error, for this very batch size
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    (found,) = measure(small("R-56"), runtime="compiled", repeats=1, block_s=0, threads=1)
    assert len(compiled) == 1
    assert found.workload.runtime == "compiled"


def test_any_number_of_networks_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **words: compile_(function, backend=backend, **words))
    for width in range(1, 11):  # torch.compile keeps eight graphs of one piece of code, and then stops compiling
        words = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
        net = NetSpec((CellSpec.make("simple_stem_in", w_in=3, w_out=width, **words),), (3, 8, 8))
        steps.step_of(net, Workload(runtime="compiled"), "cpu")
    assert len(graphs) == 10


def test_a_sweep_over_batch_sizes() -> None:
    found = measure([small("R-56"), small("R-110")], batch_size=[1, 4], repeats=1, block_s=0, threads=1)
    sizes = [(item.network, item.workload.batch_size) for item in found]
    assert sizes == [("R-56", 1), ("R-56", 4), ("R-110", 1), ("R-110", 4)]
    assert {(item.cache, item.workload.cuda_graphs) for item in found} == {("warm", False)}


def test_a_cold_cache_is_swept_before_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(stopwatch, "sweeper", lambda device: lambda: ran.append(device))
    monkeypatch.setattr(latency, "step_of", lambda *_, **__: lambda: ran.append("call"))
    (found,) = measure(small("R-56"), repeats=1, block_s=0, threads=1, cache="cold")
    assert found.cache == "cold"
    assert ran[1:] == ["cpu", "call"] * 2  # the first call warms up; one block finds how many calls fill it


def test_a_graph_holds_what_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    ran: list[str] = []

    def step_of(*_: Any, capturable: bool) -> Any:
        asked.append(capturable)
        return lambda: ran.append("step")

    monkeypatch.setattr(latency, "step_of", step_of)
    monkeypatch.setattr(latency, "captured", lambda step: lambda: ran.append("replay"))
    latency._prepared(small("R-56"), Workload(), stopwatch.Place("cpu", 1, "wall"), True, Models(Path()))()
    assert (asked, ran) == ([True], ["replay", "replay"])


@pytest.mark.parametrize(("takes_s", "calls"), [(1e-3, 10), (0.1, 3), (9.0, 0)])
def test_a_gpu_is_warmed_up_for_a_while(monkeypatch: pytest.MonkeyPatch, takes_s: float, calls: int) -> None:
    ran: list[int] = []
    monkeypatch.setattr(stopwatch.Place, "seconds", lambda *_: takes_s)
    monkeypatch.setattr(latency, "step_of", lambda *_, **__: lambda: ran.append(1))
    latency._prepared(small("R-56"), Workload(), stopwatch.Place("cuda", 1, "events"), False, Models(Path()))
    assert len(ran) == 1 + calls


def test_cuda_is_timed_by_events_on_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []

    @contextmanager
    def device(name: str) -> Iterator[None]:
        entered.append(name)
        yield

    monkeypatch.setattr(stopwatch, "places", lambda: ("cpu", "cuda:0", "cuda:1"))
    monkeypatch.setattr(torch.cuda, "device", device)
    place = stopwatch.Place.of("cuda:1", 1)
    assert (place.clock, type(place.timer)) == ("events", EventTimer)
    assert type(stopwatch.Place.of("cuda", 1, "wall").timer) is HostTimer
    with place.threaded():
        assert entered == ["cuda:1"]


def test_memory_that_the_allocator_keeps_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 30)
    assert steps.free_bytes("cuda:0") == 140


def test_the_cpu_is_always_there() -> None:
    assert places()[0] == "cpu"
