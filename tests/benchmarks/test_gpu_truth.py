"""The script that measures GPUs, rehearsed on a processor."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import oracle
from oracle.cli import main as oracle_main
from oracle.errors import OracleError
from oracle.measure import probing, read_measurements
from oracle.measure.stopwatch import Place
from tests.benchmarks import gpu_truth, validate
from tests.benchmarks._networks import truth_device, truth_kernels, truth_networks
from tests.benchmarks._truth import Attention, Convolution, Product, attentions, convolutions, products
from tests.benchmarks.gpu_truth import (
    Log,
    OutOfTime,
    Stage,
    Unit,
    kernel_ms,
    main,
    rows_of,
    slug,
    stages_of,
    work_through,
)

QUICK = ("--device", "cpu", "--quick", "--name", "bench")


class Clock:
    """Time that passes when units run."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s

    def unit(self, key: str, seconds: float, error: BaseException | None = None, least_s: float = 0.0) -> Unit:
        def run() -> str:
            self.s += seconds
            if error is not None:
                raise error
            return "done"

        return Unit(key, run, least_s)


def stage(name: str, weight: float, units: list[Unit], guess_s: float = 1.0) -> Stage:
    return Stage(name, weight, guess_s, units)


def test_stages_take_turns_by_weight(tmp_path: Path) -> None:
    clock, said = Clock(), list[str]()
    stages = [
        stage("heavy", 3.0, [clock.unit(f"h{i}", 1.0) for i in range(9)]),
        stage("light", 1.0, [clock.unit(f"l{i}", 1.0) for i in range(9)]),
    ]
    left = work_through(stages, Log(tmp_path / "log.csv"), 8.0, said.append, clock)
    kinds = [row["stage"] for row in rows_of(tmp_path / "log.csv")]
    assert (clock.s, left, len(said)) == (8.0, 10, 8)
    assert (kinds.count("heavy"), kinds.count("light")) == (6, 2)
    assert said[0] == "[1/18] 1 of 8 s  heavy  h0: done"


def test_nothing_starts_that_may_not_end_in_time(tmp_path: Path) -> None:
    clock = Clock()
    stages = [
        stage("slow", 9.0, [clock.unit("a", 5.0), clock.unit("b", 5.0)], guess_s=3.0),
        stage("fast", 1.0, [clock.unit(str(i), 1.0) for i in range(9)]),
    ]
    left = work_through(stages, Log(tmp_path / "log.csv"), 9.0, lambda _: None, clock)
    assert clock.s == 9.0  # a took 5 seconds, so b does not begin where 4 are left, and the others go on
    assert left == 6
    assert [row["key"] for row in rows_of(tmp_path / "log.csv")] == ["a", "0", "1", "2", "3"]


def test_what_the_roofs_forbid_waits_for_more_time(tmp_path: Path) -> None:
    clock = Clock()
    units = [clock.unit("large", 50.0, least_s=20.0), clock.unit("small", 2.0, least_s=0.25), clock.unit("next", 2.0)]
    left = work_through([stage("kind", 1.0, units)], Log(tmp_path / "log.csv"), 60.0, lambda _: None, clock)
    assert (clock.s, left) == (4.0, 1)
    assert [row["key"] for row in rows_of(tmp_path / "log.csv")] == ["small", "next"]


def test_a_unit_that_runs_out_of_time_is_not_done(tmp_path: Path) -> None:
    clock = Clock()
    units = [clock.unit("a", 1.0, OutOfTime()), clock.unit("b", 1.0)]
    assert work_through([stage("kind", 1.0, units)], Log(tmp_path / "log.csv"), 9.0, lambda _: None, clock) == 2
    assert rows_of(tmp_path / "log.csv") == []


@pytest.mark.parametrize(("blocks", "kept"), [(2, False), (3, True)])
def test_a_network_that_is_broken_off_counts_with_three_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, kept: bool
) -> None:
    bench = gpu_truth.Bench(tmp_path, "bench", Place("cpu", 1, "wall"), 9, oracle.load_device("i9-10940x"), 10.0)
    times = iter([0.0] * (blocks - 1) + [11.0] * 99)
    monkeypatch.setattr(gpu_truth.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(Place, "seconds", lambda *_: 1.0)
    monkeypatch.setattr(sys.modules["oracle.measure.latency"], "step_of", lambda *_, **__: lambda: None)
    unit = bench.network("R-56", "networks.csv", 2, {"dtype": "float32"}, graph=False)
    assert unit.least_s == pytest.approx(
        12e-3 * oracle.score("R-56", ["i9-10940x"], batch_size=2).roofline_ms["i9-10940x"]
    )
    if kept:
        assert unit.run() == "1000 ms"
        assert [item.repeats for item in read_measurements(tmp_path)] == [3]
    else:
        with pytest.raises(OutOfTime):
            unit.run()


def test_what_fails_is_left_out_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    clock, log = Clock(), Log(tmp_path / "log.csv")
    units = [clock.unit("a", 1.0, OracleError("too large\nand more")), clock.unit("b", 1.0, KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        work_through([stage("kind", 1.0, units)], log, 99.0, lambda _: None, clock)
    (row,) = rows_of(tmp_path / "log.csv")
    assert (row["key"], row["left_out"]) == ("a", "too large")
    again = [clock.unit("a", 1.0), clock.unit("b", 1.0)]
    assert work_through([stage("kind", 1.0, again)], Log(tmp_path / "log.csv"), 99.0, lambda _: None, clock) == 0
    assert [row["key"] for row in rows_of(tmp_path / "log.csv")] == ["a", "b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsal, interrupted once."""
    out = tmp_path_factory.mktemp("truth") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "available_memory", lambda: 2**26)  # arrays no test should need more of
        patch.setattr(gpu_truth, "measure_kernels", interrupted)
        assert main([str(out), *QUICK]) == 130
        before = {path.name: path.read_text(encoding="utf-8") for path in out.rglob("*.csv")}
        assert {"gemm.csv", "networks.csv", "log.csv"} <= set(before)
        patch.undo()
        assert main([str(out), *QUICK]) == 0
    for path in out.rglob("*.csv"):
        assert path.read_text(encoding="utf-8").startswith(before.get(path.name, ""))
    return out


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_rehearsal_measures_each_kind_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = rows_of(folder / "log.csv")
    assert len({(row["stage"], row["key"]) for row in log}) == len(log)
    assert [row for row in log if row["left_out"]] == []
    assert {row["stage"] for row in log} >= {"products", "attention", "convolutions", "eager", "training", "profiles"}
    found = read_measurements(folder)
    assert {(item.network, item.workload.batch_size, item.workload.mode) for item in found} == {
        (name, size, mode)
        for name in ("R-56", "NB201-AllSkip")
        for size in (1, 2)
        for mode in ("inference", "training")
    }
    assert {item.device for item in found} == {"bench"}
    assert {row["network"] for row in rows_of(folder / "profiles.csv")} == {"R-56", "NB201-AllSkip"}
    facts = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    assert facts["torch"] == torch.__version__
    before = (folder / "log.csv").read_bytes()
    assert main([str(folder), *QUICK]) == 0
    assert (folder / "log.csv").read_bytes() == before
    assert "0 of 18 units left" in capsys.readouterr().out


def test_a_folder_is_of_one_device_and_one_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), *QUICK, "--layout", "nhwc"]) == 2
    assert "holds measurements with layout='nchw', and this is 'nhwc'" in capsys.readouterr().err
    assert main([str(folder), "--device", "abacus"]) == 2
    assert "device='abacus' is not on this host" in capsys.readouterr().err


def test_calibrate_and_validate_read_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device, chosen = str(folder / "bench.yaml"), ("--runtime", "eager", "--mode", "inference")
    mine = str(folder / "my.yaml")
    words = ("-d", device, "--measurements", str(folder), *chosen)
    assert oracle_main(["calibrate", *words, "-o", mine]) == 0
    assert oracle.load_calibration(mine).measurements == 4
    assert oracle_main(["validate", *words, "--calibration", mine]) == 0
    assert "bench: 4 measurements" in capsys.readouterr().out


def test_the_benchmark_of_accuracy_reads_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert truth_device(folder).name == "bench"
    groups = dict(truth_networks(folder))
    assert list(groups) == ["eager.inference.float32.nchw", "eager.training.float32.nchw"]
    group = groups["eager.inference.float32.nchw"]
    bench = oracle.load_device(folder / "bench.yaml")
    for name, batch, network in zip(group.names, group.batches, group.networks, strict=True):
        bound = oracle.score(name, [bench], batch_size=batch, model="roofline").latency_ms["bench"]
        assert network.roofline_s * 1e3 == pytest.approx(bound)
    validate.truth(folder)
    said = capsys.readouterr().out
    for title in ("eager.inference.float32.nchw bound", "gemm float32 bound", "attention_decode float32 bound"):
        assert title in said


def test_work_of_single_kernels(folder: Path) -> None:
    groups, bench = dict(truth_kernels(folder)), oracle.load_device(folder / "bench.yaml")
    peak, bandwidth = bench.peak_flops("matrix", "float32"), bench.peak_bandwidth()

    def one(title: str, index: int) -> tuple[float, float]:
        network = groups[title].networks[index]
        return float(network.compute_s[0] * peak), float(network.memory_s[0] * bandwidth)

    assert Product("float32", 32, 64, 128).flops == 2 * 32 * 64 * 128
    assert np.isclose(one("gemm float32", 0), (2 * 32 * 64 * 128, 4 * (32 * 128 + 64 * 128 + 32 * 64))).all()
    # two images of 16 channels in 4 groups, 16 x 16 pixels, 3 x 3 windows
    work = max(one("convolution float32", index) for index in range(3))
    assert np.isclose(work, (2 * 2 * 16 * 16 * 16 * 4 * 9, 4 * (2 * 2 * 16 * 16 * 16 + 16 * 4 * 9))).all()
    # 32 tokens that see 1 to 32 of themselves, by 4 heads of 16
    assert Attention("prefill", "float32", 1, 32, 4, 2, 16).flops == 4 * 4 * 16 * sum(range(1, 33))
    work = one("attention_prefill float32", 0)
    assert np.isclose(work, (4 * 4 * 16 * sum(range(1, 33)), 4 * 16 * (2 * 4 * 32 + 2 * 2 * 32))).all()
    # one token of two sequences, with 31 before it
    assert Attention("decode", "float32", 2, 1, 4, 2, 16, 31).flops == 4 * 2 * 4 * 16 * 32
    work = one("attention_decode float32", 0)
    assert np.isclose(work, (4 * 2 * 4 * 16 * 32, 4 * 16 * 2 * (2 * 4 + 2 * 2 * 32))).all()


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [
        (Product("bfloat16", 3, 5, 7), (3, 5)),
        (Attention("prefill", "float32", 2, 6, 4, 2, 8), (2, 4, 6, 8)),
        (Attention("decode", "bfloat16", 2, 1, 4, 4, 8, 9), (2, 4, 1, 8)),
        (Attention("encoder", "float32", 1, 5, 2, 2, 8), (1, 2, 5, 8)),
        (Convolution("float32", "nhwc", 2, 4, 8, 3, 2, 2, 9), (2, 8, 5, 5)),
    ],
)
def test_steps_do_what_their_rows_say(kernel: Any, shape: tuple[int, ...]) -> None:
    step = kernel.step("cpu")
    with FlopCounterMode(display=False) as counter:
        out = step()
    assert out.shape == shape
    assert kernel.row()["dtype"] == kernel.dtype
    assert kernel.elements > out.numel()
    if isinstance(kernel, Convolution):
        assert counter.get_total_flops() == kernel.flops
        assert (kernel.out_size, out.is_contiguous(memory_format=torch.channels_last)) == (shape[-1], True)


def test_what_torch_cannot_run_is_left_out() -> None:
    with pytest.raises(OracleError, match="groups"):
        Convolution("float32", "nchw", 1, 4, 8, 3, 1, 3, 9).step("cpu")


@pytest.mark.parametrize("table", ["gemm", "attention_prefill", "attention_decode", "attention_encoder"])
def test_columns_are_those_of_the_tables_that_are_known(folder: Path, shared_data: Path, table: str) -> None:
    with (shared_data / "gpu_kernels" / f"{table}.csv").open(encoding="utf-8") as stream:
        known = next(csv.reader(stream))
    assert list(rows_of(folder / "gpu_kernels" / f"{table}.csv")[0]) == known


def test_small_kernels_are_replayed_several_times_from_a_graph() -> None:
    held: list[int] = []

    def capture(step: Callable[[], Any], calls: int) -> Any:
        held.append(calls)
        return step

    def place(seconds: float, cache: str = "warm") -> Any:
        return SimpleNamespace(cache=cache, seconds=lambda _: seconds, samples=lambda *_: [9.0, 1.0, 2.0])

    assert kernel_ms(print, place(1e-4), capture) == pytest.approx(2e3 / 5)
    assert kernel_ms(print, place(1e-9), capture) == pytest.approx(2e3 / 20)
    assert kernel_ms(print, place(0.1), capture) == kernel_ms(print, place(1e-4, "cold"), capture) == 2e3
    assert kernel_ms(print, place(1e-4), None) == 2e3
    assert held == [5, 20, 1, 1]
    assert kernel_ms(print, place(3.0), capture) == 3e3  # timed once, and captured no more
    assert held == [5, 20, 1, 1]


def test_a_gpu_has_all_stages_and_each_unit_a_key_of_its_own(tmp_path: Path) -> None:
    bench = gpu_truth.Bench(tmp_path, "gpu", SimpleNamespace(device="cuda", cache="warm"), 7, oracle.load_device("t4"))
    stages = {item.name: item for item in stages_of(bench, "float16", "nchw", quick=False)}
    assert set(stages) >= {
        "products",
        "attention",
        "convolutions",
        "eager",
        "training",
        "profiles",
        "graphs",
        "compiled",
    }
    for item in stages.values():
        assert len({unit.key for unit in item.units}) == len(item.units)
    for name in ("eager", "training", "graphs", "compiled"):
        assert len(stages[name].units) == 90
        assert all(unit.least_s > 0 for unit in stages[name].units)
    assert set(gpu_truth.NETWORKS) <= set(oracle.list_networks())
    assert len(set(gpu_truth.NETWORKS)) == 30


def test_shapes_are_distinct_and_of_every_kind() -> None:
    for found in (list(products(("float32",))), list(attentions(("float32",))), list(convolutions(("float32",)))):
        assert len(set(found)) == len(found) > 80
    assert {kernel.kind for kernel in attentions(("float32",))} == {"prefill", "decode", "encoder"}
    groups = {(kernel.groups == 1, kernel.groups == kernel.w_in) for kernel in convolutions(("float32",))}
    assert groups == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-80gb-hbm3"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "intel-xeon-e5-2690-v4"),
        ("?", "device"),
    ],
)
def test_names_of_devices(title: str, name: str) -> None:
    assert slug(title) == name
