"""`oracle ops`: kernels one by one and in groups; whatever the grouping, the sum is the network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.report.breakdown import GROUPINGS, ORDERS

Run = Callable[..., Any]


def rows_of(run: Run, *flags: str) -> list[dict[str, str]]:
    done = run("ops", *flags, "--format", "csv")
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def test_csv_has_every_kernel_in_order_of_execution(run: Run) -> None:
    rows = rows_of(run, "ResNet-50", "-d", "t4")
    kernels = oracle.score("ResNet-50", ["t4"]).kernels("t4")
    assert [(row["module"], row["name"], int(row["flops"]), int(row["traffic_bytes"])) for row in rows] == [
        (kernel.module, kernel.name, kernel.flops, kernel.traffic_bytes) for kernel in kernels
    ]
    for row, kernel in zip(rows, kernels, strict=True):
        assert float(row["time_ms"]) == kernel.time_ms
        assert float(row["intensity_flop_per_byte"]) == kernel.intensity
        assert float(row["achieved_flops_per_s"]) == kernel.achieved_flops_per_s


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_groups_add_up_to_the_network(run: Run, by: str, mode: str) -> None:
    rows = rows_of(run, "R-56", "-d", "t4", "--by", by, "--mode", mode)
    cost = oracle.score("R-56", ["t4"], mode=mode)
    for field in ("macs", "flops", "traffic_bytes"):
        assert sum(int(row[field]) for row in rows) == getattr(cost, field)
    call_ms, latency_ms = cost.times["t4"].call_ms, cost.latency_ms["t4"]  # some of a call is in no kernel
    assert call_ms > 0
    assert sum(float(row["time_ms"]) for row in rows) == pytest.approx(latency_ms - call_ms)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1 - call_ms / latency_ms)
    assert sum(int(row["kernels"]) for row in rows) == len(cost.kernels("t4"))
    assert len({row["name"] for row in rows}) == len(rows)


def test_depth_cuts_module_paths_and_means_by_module(run: Run) -> None:
    shallow = rows_of(run, "ResNet-50", "--depth", "1")
    assert [row["name"] for row in shallow][:4] == ["stem", "s1_b1", "s1_b2", "s1_b3"]
    deeper = rows_of(run, "ResNet-50", "--depth", "2", "--by", "module")
    assert {row["name"].split(".")[0] for row in deeper} == {row["name"] for row in shallow}
    assert len(deeper) > len(shallow)


def test_fused_kernels_go_by_their_main_operator(run: Run) -> None:
    rows = rows_of(run, "ResNet-50", "--runtime", "engine", "--by", "op")
    assert [row["name"] for row in rows if "convolution" in row["name"]] == ["aten.convolution"]


@pytest.mark.parametrize(("order", "field"), ORDERS.items())
def test_sort_puts_the_largest_first(run: Run, order: str, field: str) -> None:
    rows = rows_of(run, "ResNet-50", "-d", "t4", "--sort", order)
    kernels = list(oracle.score("ResNet-50", ["t4"]).kernels("t4"))
    if field:
        kernels.sort(key=lambda kernel: -float(getattr(kernel, field)))
    assert [row["module"] for row in rows] == [kernel.module for kernel in kernels]


def test_top_shows_the_slowest_and_sums_up_the_others(run: Run) -> None:
    done = run("ops", "ResNet-50", "-d", "t4", "--top", "4")
    kernels = sorted(oracle.score("ResNet-50", ["t4"]).kernels("t4"), key=lambda kernel: -kernel.time_ms)
    table = done.out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table[4:8]] == [kernel.module for kernel in kernels[:4]]
    rest, call, whole = (line.split() for line in table[9:12])
    time = oracle.score("ResNet-50", ["t4"]).times["t4"]
    assert call[:3] == ["(per", "call)", "0"]
    assert float(call[5]) == pytest.approx(time.call_ms, rel=0.2)
    assert float(whole[6]) == pytest.approx(time.latency_ms, rel=1e-3)
    assert rest[:2] == [str(len(kernels) - 4), "more"]
    assert whole[:3] == ["total", str(len(kernels)), "kernels"]
    shares = [float(line.split()[-3]) for line in table[4:8]]
    assert sum(shares) + float(rest[-2]) == pytest.approx(100, abs=0.3)
    assert float(whole[-2]) == pytest.approx(100)
    assert float(whole[3]) == pytest.approx(8.218, rel=1e-3)  # GFLOP


@pytest.mark.parametrize("flags", [(), ("--by", "class"), ("--mode", "training", "--by", "phase")], ids=" ".join)
def test_a_table_adds_up_to_the_latency(run: Run, flags: tuple[str, ...]) -> None:
    """A GPU that waits for its host: most of the time is in no kernel, and has a line of its own."""
    _, header, _, _, *rows = run("ops", "R-56", "-d", "rtx-4090", *flags).out.split("\n\n")[1].splitlines()
    edge = header.index("Time") + len("Time")  # numbers end where their title ends
    times = {row.split("  ")[0]: float(row[:edge].split()[-1]) for row in rows if not row.startswith("--")}
    cost = oracle.score("R-56", ["rtx-4090"], mode="training" if "training" in flags else "inference")
    assert times["(per call)"] == pytest.approx(cost.times["rtx-4090"].call_ms, rel=1e-3)
    assert times["total"] == pytest.approx(cost.latency_ms["rtx-4090"], rel=1e-3)
    if flags:
        assert sum(times.values()) == pytest.approx(2 * times["total"], rel=1e-3)
    assert "(per call)" not in run("ops", "R-56", "-d", "rtx-4090", *flags, "--model", "roofline").out


def test_without_a_device_there_are_no_times(run: Run) -> None:
    done = run("ops", "ResNet-50", "--by", "class")
    assert "Time" not in done.out
    assert "Bound" not in done.out
    rows = rows_of(run, "ResNet-50")
    cost = oracle.score("ResNet-50", ["t4"])
    assert [int(row["flops"]) for row in rows] == [kernel.flops for kernel in cost.kernels("t4")]
    assert {(row["device"], row["time_ms"], row["share"], row["bound"]) for row in rows} == {("", "", "", "")}


def test_json_has_the_network_and_its_lines(run: Run) -> None:
    found = json.loads(run("ops", "R-56", "-d", "t4", "-d", "l4", "--by", "class", "--format", "json").out)
    assert found["network"] == oracle.score("R-56", ["t4", "l4"]).to_dict()
    assert found["by"] == "class"
    assert [line["device"] for line in found["lines"]] == sorted(
        (line["device"] for line in found["lines"]), reverse=True
    )
    assert json.loads(run("ops", "R-56", "--format", "json").out)["lines"][0]["time_ms"] is None


def test_every_device_has_a_table_with_its_ridge_point(run: Run) -> None:
    done = run("ops", "R-56", "-d", "t4", "-d", "rtx-4090", "--by", "class")
    assert "R-56 on t4; ridge point 25.4 FLOP/byte" in done.out
    assert "R-56 on rtx-4090; ridge point 81.9 FLOP/byte" in done.out


def test_a_directory_is_not_one_network(run: Run) -> None:
    done = run("ops", "regnetx")
    said = "regnetx: ops takes one network, such as RegNetX-1.6GF; here are 12"
    assert (done.code, done.err) == (2, f"oracle: error: {said}\n")


def test_of_a_directory_of_ones_own_a_file_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("RegNetX-1.6GF", "b"):
        (tmp_path / "mine" / f"{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert f"such as {Path('mine', 'RegNetX-1.6GF.yaml')}; here are 2" in run("ops", "mine").err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--depth", "0"], "argument --depth: '0' is not a positive integer"),
        (["--top", "-3"], "argument --top: '-3' is not a positive integer"),
        (["--by", "op", "--depth", "1"], "--depth 1 is about module paths"),
        (["--sort", "time"], "--sort time needs a device"),
        (["--by", "colour"], "argument --by: invalid choice: 'colour'"),
    ],
)
def test_flags_that_make_no_sense(run: Run, flags: list[str], complaint: str) -> None:
    done = run("ops", "R-56", *flags)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err
    assert done.err.count("\n") == 1
