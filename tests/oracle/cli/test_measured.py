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
from oracle.calibration import load_calibration
from oracle.measure import Measurement, read_measurements, write_measurements
from oracle.spec import Workload

Run = Callable[..., Any]

SMALL = ("R-56", "R-110", "NB201-AllConv3x3", "NB201-ResNet", "NB201-AllSkip")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Measurements on an RTX 4090 that reaches half of its roofs, and needs 10 us per kernel."""
    found = []
    for name in SMALL:
        cost = oracle.score(name, ["rtx-4090"], dtype="float16")
        latency = 2 * cost.latency_ms["rtx-4090"] + 0.01 * len(cost.kernels("rtx-4090"))
        found.append(Measurement(name, "rtx-4090", Workload(dtype="float16"), latency, family=name[:2]))
    write_measurements(tmp_path / "m.csv", found)
    return tmp_path / "m.csv"


@pytest.mark.parametrize("command", ["score", "ops", "rank"])
def test_captions_say_what_a_calibrated_time_rests_on(run: Run, command: str) -> None:
    arguments = (command, "R-56", "-d", "rtx-4090", "--dtype", "float16")
    done = run(*arguments, "--model", "calibrated")
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "Times on rtx-4090: calibrated (802 measurements, leave-family-out: " in said
    assert "mean error 8.3 %; 80 % of cases from -9 to +16 %; 0.1172 ms per call are in no kernel." in said
    assert "textbook" not in said
    assert run(*arguments).out == run(*arguments, "--model", "roofline").out
    assert "textbook roofline" in run(*arguments).out


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
            ("score", "R-56", "-d", "t4", "--runtime", "engine", "--model", "calibrated"),
            "no calibration of device='t4'",
        ),
        (("score", "R-56", "-d", "t4", "--model", "magic"), "magic"),
        (("measure", "R-56", "--model", "calibrated"), "a prediction needs --device-file"),
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
    for word in ("Measured", "Predicted", "Error", "Achieved", "Threads: 1", "textbook roofline"):
        assert word.lower() in done.out.lower()
    found = read_measurements(tmp_path / "m.csv")
    assert [(item.device, item.threads, item.clock) for item in found] == [("i9-10940x", 1, "cpu")] * 2
    assert run("validate", "-d", "i9-10940x", "--measurements", "m.csv", "--model", "roofline").code == 0


def test_measurements_name_networks_so_that_they_are_found_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measured(networks: Sequence[str], *, name: str | None, **words: Any) -> list[Measurement]:
        asked.extend(networks)
        return [
            Measurement("?", name or "me", Workload(batch_size=words["batch_size"]), 2.0, repeats=3) for _ in networks
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
