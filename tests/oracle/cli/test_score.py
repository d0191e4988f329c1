"""`oracle score`: tables, JSON and CSV say what the Python call says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.counting.conventions import CONVENTIONS

Run = Callable[..., Any]

NET = """\
_BASE_: ResNet-50
MODEL: {NUM_CLASSES: 10}
COST: {BATCH_SIZE: 4, DTYPE: float16, DEVICES: [t4, rtx-4090]}
"""


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_json_is_the_costs_to_dict_and_the_version(run: Run) -> None:
    done = run("score", "ResNet-50", "ViT-S-16", "-d", "t4", "--batch", "8", "--format", "json")
    costs = [oracle.score(name, ["t4"], batch_size=8) for name in ("ResNet-50", "ViT-S-16")]
    assert done.code == 0
    assert json.loads(done.out) == {
        "oracle": oracle.__version__,
        "networks": [cost.to_dict() for cost in costs],
    }


def test_csv_has_a_row_per_network_and_device_with_units_in_its_names(run: Run) -> None:
    done = run("score", "ResNet-50", "ResNet-101", "-d", "t4", "-d", "rtx-4090", "--format", "csv")
    rows = rows_of(done.out)
    assert [(row["network"], row["device"]) for row in rows] == [
        ("ResNet-50", "t4"),
        ("ResNet-50", "rtx-4090"),
        ("ResNet-101", "t4"),
        ("ResNet-101", "rtx-4090"),
    ]
    cost = oracle.score("ResNet-101", ["rtx-4090"])
    assert float(rows[3]["latency_ms"]) == cost.latency_ms["rtx-4090"]
    assert int(rows[3]["traffic_bytes"]) == cost.traffic_bytes
    assert int(rows[3]["macs"]) == cost.macs
    assert float(rows[3]["ridge_flop_per_byte"]) == pytest.approx(82.6e12 / 1008e9)
    assert rows[3]["expected_error"] == ""
    unitless = {"macs", "flops", "params", "activations", "tokens", "batch_size", "threads", "rank", "expected_error"}
    unitless |= {"past", "tp", "pp", "ep"}
    suffixes = ("_ms", "_bytes", "_per_byte", "_per_token", "_per_s", "_share")
    for name, value in rows[3].items():
        number = value.replace(".", "", 1).replace("e-", "", 1).isdigit()
        assert not number or name in unitless or name.endswith(suffixes), name


def test_the_table_shows_the_figures_to_four_digits(run: Run) -> None:
    done = run("score", "ResNet-50", "-d", "t4", "--batch", "2")
    cost = oracle.score("ResNet-50", ["t4"], batch_size=2)
    assert cost.macs is not None
    assert cost.flops is not None
    assert cost.params is not None
    assert cost.activations is not None
    counts, times = (line.split() for line in done.lines if line.startswith("ResNet-50"))
    expected = [
        cost.params / 1e6,
        cost.macs / 1e9,
        cost.flops / 1e9,
        cost.activations / 1e6,
        cost.traffic_bytes / 1e6,
        cost.intensity,
        cost.peak_memory_bytes / 1e6,
    ]
    assert [float(word) for word in counts[1:]] == pytest.approx(expected, rel=5e-3)
    assert times[1] == "t4"
    assert float(times[2]) == pytest.approx(cost.latency_ms["t4"], rel=1e-3)
    assert cost.times["t4"].interval_ms is not None
    low, to, high, bound = times[3:7]
    assert (float(low), to, float(high)) == (
        pytest.approx(cost.times["t4"].interval_ms[0], rel=1e-2),
        "to",
        pytest.approx(cost.times["t4"].interval_ms[1], rel=1e-2),
    )
    assert float(bound) == pytest.approx(cost.roofline_ms["t4"], rel=1e-3)
    assert float(times[7]) == pytest.approx(cost.throughput_per_s["t4"], rel=1e-3)
    assert times[8] == cost.times["t4"].bound
    assert times[10] == "yes"


def test_the_table_says_what_its_numbers_are(run: Run) -> None:
    words = ("score", "ResNet-50", "-d", "t4", "-b", "2", "--dtype", "float16", "--runtime", "compiled")
    done = run(*words)
    assert done.lines[0] == "Per call of 2 images: float16, inference, compiled, nchw."
    assert "1 MAC = 2 FLOPs" in done.out
    assert "operators known" in done.out
    said = " ".join(done.out.split())
    assert "Latency is the prediction, what a stopwatch should show, or the lower bound itself" in said
    assert "Times on t4: " in said
    assert "error not measured" in said
    assert done.err == ""
    bound = run(*words, "--model", "roofline")
    assert "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache); error" in bound.out
    assert "Lower bound" not in bound.out  # the latency is it


def test_without_a_device_it_counts(run: Run) -> None:
    done = run("score", "R-56")
    assert "Latency" not in done.out
    assert "Times" not in done.out
    row = rows_of(run("score", "R-56", "--format", "csv").out)[0]
    assert (row["device"], row["latency_ms"], row["bound"]) == ("", "", "")
    assert int(row["params"]) == oracle.score("R-56").params


def test_the_configs_own_workload_and_devices_are_the_default(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    rows = rows_of(run("score", "net.yaml", "--format", "csv").out)
    assert [(row["device"], row["batch_size"], row["dtype"]) for row in rows] == [
        ("t4", "4", "float16"),
        ("rtx-4090", "4", "float16"),
    ]
    rows = rows_of(run("score", "net.yaml", "--format", "csv", "-d", "l4", "-b", "1", "--dtype", "float32").out)
    assert [(row["device"], row["batch_size"], row["dtype"]) for row in rows] == [("l4", "1", "float32")]


@pytest.mark.parametrize(
    ("flags", "keywords"),
    [
        (["--batch-size", "3"], {"batch_size": 3}),
        (["--mode", "training", "--optimizer", "adamw"], {"mode": "training", "optimizer": "adamw"}),
        (["--runtime", "engine", "--dtype", "int8"], {"runtime": "engine", "dtype": "int8"}),
        (["--layout", "nhwc"], {"layout": "nhwc"}),
        (["--causal", "half"], {"causal": "half"}),
        (["--dtype", "float16", "--weights", "float16"], {"dtype": "float16", "weights": "float16"}),
        (["--strict"], {"strict": True}),
    ],
)
def test_every_workload_flag_is_the_keyword_of_score(run: Run, flags: list[str], keywords: dict[str, Any]) -> None:
    done = run("score", "R-56", "-d", "t4", "--format", "json", *flags)
    assert json.loads(done.out)["networks"] == [oracle.score("R-56", ["t4"], **keywords).to_dict()]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_is_named_in_the_help_and_counts(run: Run, convention: str) -> None:
    assert convention in run("score", "--help").out
    done = run("score", "R-56", "--convention", convention)
    cost = json.loads(run("score", "R-56", "--convention", convention, "--format", "json").out)["networks"][0]
    assert cost["macs"] == oracle.score("R-56", convention=convention).macs
    assert f"as {convention} counts" in done.out


def test_set_replaces_keys_of_the_config(run: Run) -> None:
    done = run("score", "ResNet-50", "--set", "TRAIN.IM_SIZE", "256", "--set", "MODEL.NUM_CLASSES", "7",
               "--format", "json")  # fmt: skip
    cfg = oracle.load_cfg("ResNet-50", ["TRAIN.IM_SIZE", 256, "MODEL.NUM_CLASSES", 7])
    assert json.loads(done.out)["networks"] == [oracle.score(cfg).to_dict()]


def test_networks_with_different_workloads_get_tables_of_their_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    done = run("score", "net.yaml", "R-56")
    assert [line for line in done.lines if line.startswith("Per call")] == [
        "Per call of 4 images: float16, inference, eager, nchw.",
        "Per call of 1 image: float32, inference, eager, nchw.",
    ]


def test_networks_of_one_name_go_by_their_paths(run: Run, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.yaml").write_text(NET, encoding="utf-8")
    rows = rows_of(run("score", "a", "b", "R-56", "--format", "csv", "-d", "t4").out)
    assert [row["network"] for row in rows] == ["a/net.yaml", "b/net.yaml", "R-56"]


def test_one_failure_prints_nothing_and_names_the_network(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("MODEL: {TYPE: regnet}\nREGNET: {DEPTH: 0}\n", encoding="utf-8")
    done = run("score", "R-56", "bad.yaml", "ResNet-50")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("oracle: error: bad.yaml: REGNET.DEPTH")
    assert done.err.count("\n") == 1


def test_keep_going_prints_the_others_and_still_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("MODEL: {TYPE: regnet}\nREGNET: {DEPTH: 0}\n", encoding="utf-8")
    done = run("score", "R-56", "bad.yaml", "ResNet-50", "--keep-going", "--format", "csv")
    assert done.code == 2
    assert [row["network"] for row in rows_of(done.out)] == ["R-56", "ResNet-50"]
    assert done.err.startswith("oracle: error: bad.yaml: REGNET.DEPTH")
    assert done.err.count("\n") == 1


def test_keep_going_with_nothing_left(run: Run) -> None:
    done = run("score", "no-such-net", "--keep-going")
    assert (done.code, done.out) == (2, "")
    assert "none of 1 networks" in done.err


def test_a_failure_while_scoring_names_the_network_too(run: Run) -> None:
    done = run("score", "ResNet-50", "-d", "p4", "--dtype", "bfloat16")
    assert done.err.startswith("oracle: error: ResNet-50: device='p4' has no matrix peak")


@pytest.mark.parametrize(("suffix", "starts"), [("json", "{"), ("CSV", "network,"), ("txt", "Per call")])
def test_a_files_suffix_chooses_the_format(run: Run, tmp_path: Path, suffix: str, starts: str) -> None:
    done = run("score", "R-56", "-o", f"out.{suffix}")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (tmp_path / f"out.{suffix}").read_text(encoding="utf-8").startswith(starts)
    assert run("score", "R-56", "-o", f"out.{suffix}", "--format", "json").code == 0
    assert json.loads((tmp_path / f"out.{suffix}").read_text(encoding="utf-8"))["networks"]


def test_a_file_without_a_suffix_is_a_table_and_a_format_asked_for_may_have_any(run: Run, tmp_path: Path) -> None:
    assert run("score", "R-56", "-o", "out").code == 0
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith("Per call")
    assert run("score", "R-56", "-o", "out.log", "--format", "csv").code == 0
    assert (tmp_path / "out.log").read_text(encoding="utf-8").startswith("network,")


def test_a_dash_as_file_is_standard_output(run: Run, tmp_path: Path) -> None:
    assert run("score", "R-56", "-o", "-", "--format", "csv").out.startswith("network,")
    assert not list(tmp_path.iterdir())


def test_types_by_stage_are_a_flag_and_a_key(run: Run) -> None:
    words = ("score", "ResNet-50", "-d", "t4", "--engine", "tensorrt", "--dtype", "float16")
    flag = run(*words, "--dtypes", "s3=int8,stem=float32")
    assert "Note: ResNet-50 has s3 in int8, stem in float32, else float16." in " ".join(flag.out.split())
    key = run(*words, "--set", "COST.DTYPES", "{stem: float32, s3: int8}", "--format", "json")
    (cost,) = json.loads(key.out)["networks"]
    ours = oracle.score(
        "ResNet-50", ["t4"], engine="tensorrt", dtype="float16", dtypes={"s3": "int8", "stem": "float32"}
    )
    assert cost == json.loads(json.dumps(ours.to_dict()))
    wrong = run(*words, "--dtypes", "s7=int8")
    assert (wrong.code, wrong.err.strip()) == (
        2,
        "oracle: error: dtypes.s7='int8': ResNet-50 has stem, block, s1, s2, s3, s4, head",
    )
