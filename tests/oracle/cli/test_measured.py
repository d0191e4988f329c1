"""probe, measure, calibrate, validate; and --model calibrated."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.calibration import Calibration, calibration_of, load_calibration, save_calibration
from oracle.measure import Measurement, read_measurements, write_measurements
from oracle.roofline import Efficiency
from oracle.spec import Workload

Run = Callable[..., Any]

SMALL = ("R-56", "R-110", "NB201-AllConv3x3", "NB201-ResNet", "NB201-AllSkip")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Measurements on an RTX 4090 that reaches half of its roofs, and needs 10 us per kernel."""
    found = []
    for name in SMALL:
        cost = oracle.score(name, ["rtx-4090"], dtype="float16")
        latency = 2 * cost.roofline_ms["rtx-4090"] + 0.01 * len(cost.kernels("rtx-4090"))
        found.append(Measurement(name, "rtx-4090", Workload(dtype="float16"), latency, family=name[:2]))
    write_measurements(tmp_path / "m.csv", found)
    return tmp_path / "m.csv"


@pytest.mark.parametrize("command", ["score", "ops", "rank"])
def test_captions_say_what_a_calibrated_time_rests_on(run: Run, command: str) -> None:
    arguments = (command, "ResNet-50", "-d", "rtx-4090", "--dtype", "float16", "--batch", "256")
    done = run(*arguments)
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    known = calibration_of(oracle.load_device("rtx-4090"), Workload(dtype="float16"))
    assert known is not None
    assert known.error is not None
    assert f"Times on rtx-4090: calibrated ({known.measurements} measurements, leave-family-out: " in said
    time = oracle.score("ResNet-50", ["rtx-4090"], dtype="float16", batch_size=256).times["rtx-4090"]
    assert time.interval_ms is not None
    call = f"; {time.call_ms:.4f} ms per call are in no kernel" if command != "rank" else ""
    assert f"mean error {100 * known.error:.1f} %{call}" in said
    if command != "ops":
        assert " {:.3g} to {:.3g} ".format(*time.interval_ms) in said
    assert "Latency is the prediction, what a stopwatch should show, or the lower bound itself" in said
    assert run(*arguments, "--model", "calibrated").out == done.out
    bound = " ".join(run(*arguments, "--model", "roofline").out.split())
    assert "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache)" in bound
    assert "prediction" not in bound


def test_captions_say_what_a_calibration_was_not_fitted_to(run: Run) -> None:
    said = " ".join(run("score", "R-56", "-d", "rtx-4090", "--dtype", "float16").out.split())
    known = calibration_of(oracle.load_device("rtx-4090"), Workload(dtype="float16"))
    assert known is not None
    assert known.domain.batch_size is not None
    least, most = known.domain.batch_size
    assert f"batches of {least} to {most}, this is 1); error not measured" in said


def test_a_calibration_is_made_used_and_checked(run: Run, table: Path) -> None:
    done = run("calibrate", "-d", "rtx-4090", "--measurements", "m.csv", "--source", "us", "-o", "my.yaml")
    assert (done.code, done.err) == (0, "")
    assert "Fitted to 5 measurements" in done.out
    assert "us (unstated)" in done.out
    assert all(len(line) <= 100 for line in done.lines)
    calibration = load_calibration(table.with_name("my.yaml"))
    assert (calibration.device, calibration.measurements) == ("rtx-4090", 5)
    text = run("calibrate", "-d", "rtx-4090", "--measurements", "m.csv", "--source", "us").out
    assert text == table.with_name("my.yaml").read_text(encoding="utf-8")

    words = ("-d", "rtx-4090", "--calibration", "my.yaml")
    done = run("score", "R-56", "--dtype", "float16", *words, "--format", "json")
    (time,) = json.loads(done.out)["networks"][0]["devices"].values()
    assert time["model"] == "calibrated"
    assert time["source"].endswith("us (unstated)")

    done = run("validate", *words, "--measurements", "m.csv")
    assert (done.code, done.err) == (0, "")
    assert "rtx-4090: 5 measurements" in done.out
    for line in ("Kendall tau", "Spearman rho", "Mean error", "Median error", "Within 10 %", "Pareto front", "Regret"):
        assert line in done.out
    assert "it looks better than it is" in done.out
    assert all(len(line) <= 100 for line in done.lines)


def test_a_calibration_names_its_engine(run: Run, tmp_path: Path) -> None:
    workload = Workload(runtime="engine", engine="ncnn", threads=4)
    row = Measurement("ResNet-50", "raspberry-pi-4", workload, 300.0)
    write_measurements(tmp_path / "pi.csv", [row])
    done = run("calibrate", "-d", "raspberry-pi-4", "--measurements", "pi.csv", "-o", "pi.yaml")
    assert done.out.startswith("raspberry-pi-4: float32, inference, ncnn, nchw. Shares of the roofs")


def test_calibrate_says_the_error_that_its_file_says(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files have four digits: .15649 is .1565 there, and 15.7 % wherever it is shown."""
    found = Calibration(
        *("rtx-4090", "eager", "inference", "float16", "nchw", Efficiency()), measurements=5, error=0.15649
    )
    monkeypatch.setattr("oracle.query.calibrate", lambda *_, **__: found)
    words = ("-d", "rtx-4090", "--measurements", str(table))
    assert "Mean error 15.7 %" in run("calibrate", *words, "-o", "my.yaml").out
    assert "mean error 15.7 %" in " ".join(run("validate", *words, "--calibration", "my.yaml").out.split())


def test_validate_as_data(run: Run, table: Path) -> None:
    arguments = ("validate", "-d", "rtx-4090", "--measurements", str(table), "--model", "roofline")
    data = json.loads(run(*arguments, "--format", "json").out)
    errors = [case["error"] for case in data["cases"]]
    assert data["mape"] == pytest.approx(sum(map(abs, errors)) / 5)
    assert max(errors) < -0.5
    assert (data["interval_coverage"], set(data["by_family"])) == (None, {"R-", "NB"})
    rows = run(*arguments, "--format", "csv").lines
    assert len(rows) == 6
    assert rows[0].startswith("network,family,device,batch_size,")
    worst = run(*arguments, "--worst", "1").out
    assert worst.split("The worst cases")[1].count("\nR-") + worst.split("The worst cases")[1].count("\nNB201") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("validate", "-d", "t4", "--measurements", "m.csv"), "device='t4': no measurement is of it"),
        (("validate", "-d", "rtx-4090", "--measurements", "none.csv"), "none.csv: cannot be read"),
        (("validate", "-d", "rtx-4090", "--measurements", "m.csv", "--dtype", "int8"), "there are float16, inference"),
        (("validate", "-d", "rtx-4090", "--measurements", "m.csv", "--calibration", "m.csv"), "m.csv"),
        (("calibrate", "-d", "rtx-4090"), "--measurements"),
        (("calibrate", "-d", "no-device", "--measurements", "m.csv"), "no-device"),
        (("calibrate", "-d", "rtx-4090", "--measurements", "m.csv", "-o", "no/where.yaml"), "cannot be written"),
        (
            ("score", "R-56", "-d", "edge-tpu", "--runtime", "engine", "--model", "calibrated"),
            "no calibration of device='edge-tpu'",
        ),
        (("score", "R-56", "-d", "t4", "--model", "magic"), "magic"),
        (("measure", "R-56", "--model", "calibrated"), "a prediction needs --device-file"),
        (("measure", "torchvision:resnet50"), "network='torchvision:resnet50': measuring takes configs"),
        (
            ("measure", "R-56", "--engine", "tensorrt"),
            "engine='tensorrt' is measured on cuda, got device='cpu'; or run trtexec",
        ),
        (("measure", "R-56", "--engine", "ncnn", "--dtype", "int8"), "dtype='int8': expected float32 or float16"),
        (("measure", "R-56", "--on", "abacus"), "device='abacus' is not on this host"),
        (("probe", "--on", "abacus"), "device='abacus' is not on this host"),
        (("probe", "--seconds", "0"), "seconds=0.0"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("table")
def test_what_cannot_be_done_is_one_line(run: Run, arguments: Sequence[str], complaint: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert complaint in done.err


def test_measure_for_real(run: Run, tmp_path: Path) -> None:
    words = ("--repeats", "1", "--threads", "1", "--clock", "cpu")
    done = run("measure", "R-56", "NB201-AllSkip", "--device-file", "i9-10940x", *words, "-o", "m.csv")
    assert (done.code, done.err) == (0, "")
    for word in ("Measured", "Predicted", "Error", "Achieved", "Threads: 1", "Times on i9-10940x: "):
        assert word.lower() in done.out.lower()
    found = read_measurements(tmp_path / "m.csv")
    assert [(item.device, item.workload.threads, item.clock) for item in found] == [("i9-10940x", 1, "cpu")] * 2
    assert run("validate", "-d", "i9-10940x", "--measurements", "m.csv", "--model", "roofline").code == 0


def test_measure_in_an_engine_and_calibrate(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install onnxruntime onnxscript")
    pytest.importorskip("onnxscript", reason="pip install onnxruntime onnxscript")
    small = {"REGNET.DEPTH": 2, "REGNET.W0": 16, "REGNET.WA": 16.0, "REGNET.WM": 2.0, "TRAIN.IM_SIZE": 32}
    (tmp_path / "net.yaml").write_text(oracle.load_cfg("RegNetX-400MF", small).dump(), encoding="utf-8")
    words = ("--engine", "onnxruntime", "--threads", "1", "--repeats", "1", "--models", "models")
    for dtype in ("float32", "int8"):
        done = run("measure", "net.yaml", *words, "--dtype", dtype, "--device-file", "i9-10940x", "-o", f"{dtype}.csv")
        assert (done.code, done.err) == (0, "")
        assert "onnxruntime" in done.out
    assert len(list((tmp_path / "models").iterdir())) == 2
    (found,) = read_measurements(tmp_path / "int8.csv")
    assert (found.workload.engine, found.workload.dtype, found.workload.threads) == ("onnxruntime", "int8", 1)
    assert found.release.startswith("onnxruntime ")
    arguments = ("-d", "i9-10940x", "--measurements", "int8.csv", "--engine", "onnxruntime", "--threads", "1")
    assert run("calibrate", *arguments, "-o", "my.yaml").code == 0
    assert "ENGINE: onnxruntime" in (tmp_path / "my.yaml").read_text(encoding="utf-8")
    assert run("validate", *arguments, "--calibration", "my.yaml").code == 0
    done = run("measure", "net.yaml", *words, "--operators", "3")
    assert (done.code, done.err) == (0, "")
    assert "node of its graph by the engine's profiler" in done.out
    assert all(len(line) <= 100 for line in done.lines)


def test_measure_operator_by_operator(run: Run, tmp_path: Path) -> None:
    mine = Calibration("i9-10940x", "eager", "inference", "float32", "nchw", Efficiency(call_s=1e-3))
    save_calibration(mine, tmp_path / "my.yaml")
    words = ("measure", "NB201-AllConv3x3", "--repeats", "1", "--threads", "1", "--device-file", "i9-10940x")
    done = run(*words, "--operators", "3", "--calibration", "my.yaml")
    assert done.code == 0
    for word in ("By class, the slowest first", "The 3 slowest of", "of roof", "threads: 1 on CPUs", "Predicted"):
        assert word in done.out
    assert all(len(line) <= 100 for line in done.lines)
    data = json.loads(run(*words, "--operators", "3", "--format", "json").out)
    cost = oracle.score("NB201-AllConv3x3", ["i9-10940x"])
    assert sum(row["flops"] for row in data["operators"]) == cost.flops
    assert sum(row["roof_s"] for row in data["operators"]) * 1e3 == pytest.approx(cost.roofline_ms["i9-10940x"])
    for row in data["operators"]:
        assert row["roof_share"] == pytest.approx(row["roof_s"] / row["time_s"])
        assert row["achieved_flops_per_s"] == pytest.approx(row["flops"] / row["time_s"])
    refused = run(*words, "--operators", "3", "--runtime", "compiled")
    assert (refused.code, "in eager and in engines only" in refused.err) == (2, True)


def test_a_sweep_over_batch_sizes_and_the_kernels_that_ran(run: Run, tmp_path: Path) -> None:
    words = ("measure", "R-56", "--repeats", "1", "--threads", "1", "--batch", "2,1", "--kernels", "2")
    done = run(*words, "--device-file", "i9-10940x", "-o", "m.csv")
    assert done.code == 0
    assert [item.workload.batch_size for item in read_measurements(tmp_path / "m.csv")] == [1, 2]
    rows = [line.split() for line in done.lines if line.startswith("R-56 ")]
    assert [row[1] for row in rows] == ["1", "2"]
    assert done.out.count("The 2 slowest of ") == 2
    assert "aten::conv2d" in done.out
    assert all(len(line) <= 100 for line in done.lines)
    data = json.loads(run(*words, "--cache", "cold", "--format", "json").out)
    assert [row["cache"] for row in data["measurements"]] == ["cold", "cold"]
    for size in (1, 2):
        assert sum(row["share"] for row in data["kernels"] if row["batch_size"] == size) == pytest.approx(1)
    mixed = run("measure", "R-56", "--cuda-graphs")
    assert (mixed.code, "graph=True needs a CUDA device, got 'cpu'" in mixed.err) == (2, True)


def test_a_fit_takes_one_state_of_the_cache(run: Run, table: Path) -> None:
    rows = read_measurements(table)
    write_measurements(table, [replace(rows[0], cache="cold"), *rows[1:]])
    done = run("calibrate", "-d", "rtx-4090", "--measurements", "m.csv")
    assert (done.code, done.out) == (2, "")
    assert "with and without a swept cache or CUDA graphs: expected a file of each" in done.err
    table.rename(table.with_name("networks.csv"))
    assert run("calibrate", "-d", "rtx-4090", "--measurements", str(table.parent)).err == done.err


def test_a_parity_plot(run: Run, table: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("validate", "-d", "rtx-4090", "--measurements", str(table), "-o", "parity.svg")
    assert (done.code, done.err) == (0, "")
    assert "Kendall tau" in done.out
    assert table.with_name("parity.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_network_measured_elsewhere_says_so(run: Run, table: Path) -> None:
    words = ("score", "R-56", "-d", "rtx-3090", "--dtype", "float16", "--transfer")
    done = run(*words, f"rtx-4090={table.name}", "--model", "roofline")
    assert (done.code, done.err) == (0, "")
    assert "Times on rtx-3090: transfer (" in done.out
    assert "carried over by the ratio of the two rooflines); error not measured." in " ".join(done.out.split())
    done = run(*words, f"rtx-4090={table.name}")
    assert "transfer (" in done.out
    assert "of both); mean error " in " ".join(done.out.split())
    assert run(*words, f"rtx-4090={table.name}", "--model", "calibrated").out == done.out
    for text, complaint in (
        ("rtx-4090", "transfer='rtx-4090': expected DEVICE=FILE"),
        (f"t4={table.name}", "transfer from device='t4': no measurement is of it, only of rtx-4090"),
        ("rtx-4090=none.csv", "none.csv: cannot be read"),
    ):
        refused = run(*words, text)
        assert (refused.code, refused.out, complaint in refused.err) == (2, "", True)


def test_measurements_name_networks_so_that_they_are_found_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measured(networks: Sequence[str], *, name: str | None, **words: Any) -> list[Measurement]:
        asked.extend(networks)
        return [
            Measurement("?", name or "me", Workload(batch_size=words["batch_size"][0]), 2.0, repeats=3)
            for _ in networks
        ]

    monkeypatch.setattr(oracle, "measure", measured)
    (tmp_path / "mine.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    done = run("measure", "configs/networks/cifar", "mine.yaml", "-b", "4", "--format", "csv")
    assert (done.code, done.err) == (0, "")
    assert asked == ["R-110", "R-56", "mine.yaml"]
    (tmp_path / "m.csv").write_text(done.out, encoding="utf-8")
    assert [item.network for item in read_measurements(tmp_path / "m.csv")] == asked
    data = json.loads(run("measure", "mine.yaml", "-b", "4", "--format", "json").out)
    assert [row["latency_ms"] for row in data["measurements"]] == ["2"]
    assert "Predicted" not in run("measure", "mine.yaml", "-b", "4").out


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Let measuring end after a number of blocks, which take 2 ms a call."""

    def install(blocks: int, stop: BaseException) -> None:
        left = [0.002] * blocks

        def seconds(_place: Any, _step: Any, number: int = 1) -> float:
            if number > 1:  # a block; one call finds out how many fill it
                if not left:
                    raise stop
                left.pop()
            return 0.002

        monkeypatch.setattr(sys.modules["oracle.measure.stopwatch"].Place, "seconds", seconds)

    return install


def test_an_interrupt_keeps_what_is_measured(
    run: Run, tmp_path: Path, interrupted: Callable[[int, BaseException], None]
) -> None:
    interrupted(7, KeyboardInterrupt())
    done = run("measure", "R-56", "R-110", "--device-file", "i9-10940x", "-o", "m.csv")
    assert done.code == 130
    assert done.err == "oracle: warning: interrupted: kept 2 of 2 networks, 3 or 4 of 10 repeats each\n"
    assert "Median of 3 or 4 blocks" in done.out
    assert [(item.network, item.repeats) for item in read_measurements("m.csv")] == [("R-56", 4), ("R-110", 3)]
    interrupted(5, KeyboardInterrupt())
    done = run("measure", "R-56", "R-110", "-o", "m.csv")
    assert (done.code, "kept 1 of 2 networks, 3 of 10 repeats each" in done.err) == (130, True)
    assert [(item.network, item.repeats) for item in read_measurements("m.csv")] == [("R-56", 3)]
    before = (tmp_path / "m.csv").read_bytes()
    interrupted(4, KeyboardInterrupt())
    done = run("measure", "R-56", "R-110", "-o", "m.csv")
    assert (done.code, done.out, done.err.count("\n")) == (130, "", 1)
    assert "no network had enough finished repeats, nothing is kept" in done.err
    assert (tmp_path / "m.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_rows_that_vary_are_named_where_they_are_made_and_where_they_are_fitted(
    run: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_measurements(table)
    shaken = [replace(item, iqr_ms=share * item.latency_ms) for item, share in zip(rows, (0.5, 0.1), strict=False)]
    other = replace(rows[0], device="t4", iqr_ms=9 * rows[0].latency_ms)  # of no interest to a fit of another device
    write_measurements(table, [*shaken, *rows[2:], other])
    said = "in 1 of 5 measurements (R-56 50 %): something else kept the host busy"
    done = run("calibrate", "-d", "rtx-4090", "--measurements", "m.csv", "-o", "my.yaml")
    assert (done.code, done.err.count("\n"), said in done.err) == (0, 1, True)
    assert "Fitted to 5 measurements" in done.out
    assert "m.csv (unstated)" in done.out

    monkeypatch.setattr(oracle, "measure", lambda *_, **__: shaken)
    done = run("measure", "R-56", "R-110", "--format", "csv")
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "above 20 % in 1 of 2 measurements (R-56 50 %)" in done.err
    assert done.out.startswith("network,")


def test_an_error_half_way_keeps_what_is_measured(run: Run, interrupted: Callable[[int, BaseException], None]) -> None:
    interrupted(5, RuntimeError("out of memory"))
    done = run("measure", "R-56", "R-110", "--format", "csv")
    assert (done.code, len(done.lines)) == (2, 2)
    said = "network='R-110' fails in repeat 3: out of memory; kept 1 of 2 networks, 3 of 10 repeats each"
    assert done.err == f"oracle: error: {said}\n"
    interrupted(1, RuntimeError("out of memory"))
    done = run("measure", "R-56", "R-110")
    assert (done.code, done.out) == (2, "")
    assert done.err == "oracle: error: network='R-110' fails in repeat 1: out of memory\n"


def test_an_interrupt_while_operators_are_profiled_keeps_the_networks(
    run: Run, monkeypatch: pytest.MonkeyPatch, interrupted: Callable[[int, BaseException], None]
) -> None:
    def profiled(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    interrupted(99, KeyboardInterrupt())
    monkeypatch.setattr(sys.modules["oracle.measure"], "measure_operators", profiled)
    done = run("measure", "R-56", "--operators", "3", "--format", "csv")
    assert (done.code, len(done.lines)) == (130, 2)
    assert "interrupted: kept 1 of 1 networks, 10 of 10 repeats each" in done.err


def test_probe_writes_a_device_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def probed(device: str, *, name: str, **words: Any) -> oracle.Device:
        asked.append((device, name, words))
        return replace(oracle.load_device("i9-10940x"), name=name, aliases=())

    monkeypatch.setattr(sys.modules["oracle.measure"], "probe", probed)
    done = run("probe", "--threads", "1", "--clock", "cpu", "--seconds", "3", "-o", "desk.yaml")
    assert (done.code, done.err) == (0, "")
    assert asked == [("cpu", "desk", {"threads": 1, "clock": "cpu", "seconds": 3.0})]
    assert done.out.startswith("desk: ")
    assert oracle.load_device(tmp_path / "desk.yaml").bandwidth == oracle.load_device("i9-10940x").bandwidth
    assert run("score", "R-56", "-d", "desk.yaml").code == 0
    assert run("probe").out == (tmp_path / "desk.yaml").read_text(encoding="utf-8")
    assert asked[1][:2] == ("cpu", "host")
