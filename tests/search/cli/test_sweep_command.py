"""`oracle-search sweep`, `pareto` and `spaces`: what they write, print and refuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle._resources import shipped
from search.cli import _parser
from search.space import load_space
from tests.programs import printed

Run = Callable[..., Any]
SMALL = """
SETUP:
  NUM_SAMPLES: 120
  CHUNK_SIZE: 40
  SAMPLERS:
    REGNET: {TYPE: regnet_sampler, DEPTH: [6, 9], W0: [16, 48], WA: [8, 32], GROUP_W: [8, 16]}
  CONSTRAINTS: {REGNET: {NUM_STAGES: [0, 0]}, CX: {PARAMS: [0, %s]}}
  BASE_CFG: {MODEL: {TYPE: regnet, NUM_CLASSES: 10}, TRAIN: {IM_SIZE: 32}}
"""
DEVICES = ("t4", "pixel-4")
ON_BOTH = [flag for device in DEVICES for flag in ("-d", device)]


@pytest.fixture
def swept(run: Run, tmp_path: Path) -> list[dict[str, str]]:
    """The lines of a sweep into `out`."""
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    done = run("sweep", "small.yaml", *ON_BOTH, "--out", "out", "--batch", "2", "--top", "2")
    assert (done.code, done.err) == (0, "")
    rows = read((tmp_path / "out" / "candidates.csv").read_text())
    assert f"{len(rows)} candidates in out/candidates.csv" in done.out
    assert "Per call of 2 images" in done.out
    fastest = sorted(rows, key=lambda row: float(row["latency_ms@pixel-4"]))[:2]
    shown = done.out.split("pixel-4: 2 of ")[1].splitlines()
    assert [line.split()[0] for line in shown if line.strip()[:1].isdigit()][-2:] == [row["row"] for row in fastest]
    return rows


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def front(rows: list[dict[str, str]], device: str) -> set[str]:
    """By definition: those that no other beats in one of two objectives without losing in the other."""

    def beats(a: dict[str, str], b: dict[str, str]) -> bool:
        times, macs = [float(r[f"latency_ms@{device}"]) for r in (a, b)], [int(r["macs"]) for r in (a, b)]
        return times[0] <= times[1] and macs[0] >= macs[1] and (times[0], -macs[0]) != (times[1], -macs[1])

    return {row["row"] for row in rows if not any(beats(other, row) for other in rows)}


def test_fronts_agreement_and_flips_are_those_of_the_definition(run: Run, swept: list[dict[str, str]]) -> None:
    fronts = {device: front(swept, device) for device in DEVICES}
    done = run("pareto", "out", "--format", "json")
    said = json.loads(done.out)
    assert (done.code, said["candidates"], said["oracle"]) == (0, len(swept), oracle.__version__)
    assert {item["device"]: {str(row["row"]) for row in item["candidates"]} for item in said["fronts"]} == fronts
    assert {str(row["row"]) for row in said["on_every_front"]} == set.intersection(*fronts.values())
    times = [[float(row[f"latency_ms@{device}"]) for device in DEVICES] for row in swept]
    flips = [(a, b) for a, b in combinations(times, 2) if (a[0] - b[0]) * (a[1] - b[1]) < 0]
    (pair,) = said["agreement"]
    assert (pair["flips"], pair["pairs"]) == (len(flips), len(swept) * (len(swept) - 1) // 2)
    largest = max(min(max(a[i], b[i]) / min(a[i], b[i]) for i in (0, 1)) for a, b in flips)
    assert min(pair["largest_flip"]["times_faster"].values()) == pytest.approx(largest)
    assert -1 <= pair["kendall_tau"] <= 1


def test_csv_lists_every_front_with_ranks(run: Run, swept: list[dict[str, str]]) -> None:
    rows = read(run("pareto", "out", "--format", "csv").out)
    for device in DEVICES:
        own = [row for row in rows if row["front"] == device]
        assert {row["row"] for row in own} == front(swept, device)
        latencies = [float(row[f"latency_ms@{device}"]) for row in own]
        assert latencies == sorted(latencies)
        everyone = [float(row[f"latency_ms@{device}"]) for row in swept]
        assert [int(row[f"rank@{device}"]) for row in own] == [1 + sum(t < x for t in everyone) for x in latencies]


def test_a_table_fits_100_columns_and_names_everything(run: Run, swept: list[dict[str, str]]) -> None:
    members = len(read(run("pareto", "out", "--device", "t4", "--format", "csv").out))
    assert f"t4: the first 1 of {members} on the front" in run("pareto", "out", "--top", "1").out
    out = run("pareto", "out", "--top", "3").out
    assert all(len(line) <= 100 for line in out.splitlines())
    for word in ("t4: ", "pixel-4: ", "on the front", "on every front", "Kendall tau-b", "Flips", "Largest flip: row "):
        assert word in out
    assert f"{len(swept)} candidates of out/candidates.csv: min latency_ms, max macs" in out
    assert "Per call of 2 images: float32, inference, eager, nchw." in out
    said = " ".join(out.split())
    assert "Latency is the prediction, what a stopwatch should show, or the lower bound itself" in said
    assert all(f"Times on {device}: " in said for device in DEVICES)


def test_one_front_of_any_columns(run: Run, swept: list[dict[str, str]]) -> None:
    words = ["--objective", "min params", "--objective", "min latency_ms@t4", "--objective", "min traffic_bytes"]
    rows = read(run("pareto", "out/candidates.csv", *words, "--format", "csv").out)
    triples = [(int(r["params"]), float(r["latency_ms@t4"]), int(r["traffic_bytes"])) for r in swept]
    best = {
        row["row"]
        for row, mine in zip(swept, triples, strict=True)
        if not any(all(a <= b for a, b in zip(t, mine, strict=True)) and t != mine for t in triples)
    }
    assert {row["row"] for row in rows} == best
    assert {row["front"] for row in rows} == {""}


def test_a_file_of_ones_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("name,accuracy,latency_ms@t4\na,0.9,2.0\nb,0.8,1.0\nc,0.7,1.5\nd,,0.5\n")
    rows = read(
        run(
            "pareto", "trials.csv", "--objective", "max accuracy", "--objective", "min latency_ms", "--format", "csv"
        ).out
    )
    assert [row["name"] for row in rows] == ["a", "b"]


def test_rows_without_a_number_are_counted_as_left_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("name,accuracy,latency_ms@t4\na,0.9,2.0\nb,0.8,1.0\nc,,0.5\nd,nan,0.1\n")
    words = ["pareto", "w.csv", "--objective", "max accuracy", "--objective", "min latency_ms"]
    said = json.loads(run(*words, "--format", "json").out)
    assert [(front["size"], front["left_out"]) for front in said["fronts"]] == [(2, 2)]
    out = run(*words).out
    assert "t4: 2 on the front; 2 without a number are left out" in out
    assert "Times: as w.csv states them; it says neither what they hold for nor what made them." in out


def test_a_front_of_a_sweep_as_configs_that_score_the_same(
    run: Run, swept: list[dict[str, str]], tmp_path: Path
) -> None:
    done = run("pareto", "out", "--top", "2", "--configs", "front")
    listed = {row["row"]: row for row in read(run("pareto", "out", "--top", "2", "--format", "csv").out)}
    files = sorted((tmp_path / "front").iterdir())
    assert [file.name for file in files] == sorted(f"row-{row}.yaml" for row in listed)
    assert f"{len(files)} configs in front; the same numbers: oracle score front" in done.out
    by_row = {row["row"]: row for row in swept}
    for file in files:
        cost = oracle.score(file)  # the batch of 2 and the devices are the file's
        row = by_row[file.stem.removeprefix("row-")]
        assert (cost.name, cost.workload.batch_size, tuple(cost.latency_ms)) == (file.stem, 2, DEVICES)
        assert (cost.macs, cost.params, cost.traffic_bytes) == tuple(
            int(row[name]) for name in ("macs", "params", "traffic_bytes")
        )
        for device, latency in cost.latency_ms.items():
            assert latency == float(row[f"latency_ms@{device}"])
    done = run("pareto", "out", "--top", "1", "--configs", "front")
    assert done.code == 2
    assert "configs='front' is not empty, and configs would mix" in done.err


def test_configs_of_a_trained_half_precision_sweep_keep_its_workload(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    device = "TITLE: My board\nKIND: desktop-cpu\nVECTOR: {FP32_TFLOPS: 1.0, FP16_TFLOPS: 2.0}\nBANDWIDTH_GBPS: 50\n"
    (tmp_path / "board.yaml").write_text(device)
    flags = [
        "--batch",
        "8",
        "--mode",
        "training",
        "--optimizer",
        "adamw",
        "--dtype",
        "float16",
        "--runtime",
        "compiled",
    ]
    assert run("sweep", "small.yaml", "-d", "t4", "-d", "board.yaml", "--n", "5", "--out", "out", *flags).code == 0
    out = run("pareto", "out", "--configs", "front", "--objective", "min latency_ms@t4").out
    assert "Not in them, being no shipped devices: board" in out
    (file,) = (tmp_path / "front").iterdir()
    cost, (row,) = (
        oracle.score(file),
        read(run("pareto", "out", "--objective", "min latency_ms@t4", "--format", "csv").out),
    )
    assert (cost.workload.optimizer, cost.workload.mode, cost.workload.dtype) == ("adamw", "training", "float16")
    assert (cost.macs, cost.peak_memory_bytes) == (int(row["macs"]), int(row["peak_memory_bytes"]))
    assert cost.latency_ms == pytest.approx({"t4": float(row["latency_ms@t4"])}, rel=1e-12)


def test_configs_need_the_space_that_a_manifest_tells(run: Run, swept: list[dict[str, str]], tmp_path: Path) -> None:
    assert swept
    (tmp_path / "own.csv").write_bytes((tmp_path / "out" / "candidates.csv").read_bytes())
    done = run("pareto", "own.csv", "--configs", "front")
    assert (done.code, done.out) == (2, "")
    assert "--configs needs the space of a sweep, and no manifest.json is beside own.csv" in done.err
    assert not (tmp_path / "front").exists()


def test_only_some_devices(run: Run, swept: list[dict[str, str]]) -> None:
    assert swept
    said = json.loads(run("pareto", "out", "-d", "t4", "--format", "json").out)
    assert ([item["device"] for item in said["fronts"]], said["agreement"]) == (["t4"], [])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["pareto", "none"], "none: no directory of a sweep, no file of candidates, and no study in none.journal"),
        (["pareto", "."], ".: holds no sweep; expected candidates.csv or candidates.parquet"),
        (["pareto", "out", "--objective", "latency_ms"], "objective='latency_ms': expected `min COLUMN`"),
        (["pareto", "out", "--objective", "min latency"], "no column 'latency'; did you mean"),
        (["pareto", "out", "--objective", "min macs", "--objective", "max macs"], "macs is an objective already"),
        (["pareto", "out", "-d", "l4"], "device='l4' is not in out/candidates.csv; there are t4, pixel-4"),
        (["pareto", "out", "--objective", "min name"], "no column 'name'"),
        (["sweep", "small.yaml"], "the following arguments are required: --out"),
        (["sweep", "small.yaml", "--out", "x", "--n", "1.5"], "'1.5' is not a positive integer"),
        (["sweep", "small.yaml", "--out", "x", "-d", "t5"], "device='t5' is unknown"),
        (["sweep", "small", "--out", "x"], "no shipped config called 'small'"),
        (["sweep", "small.yaml", "--out", "small.yaml"], "small.yaml"),
        (
            ["sweep", "small.yaml", "-d", "t4", "--out", "out"],
            "out='out' holds another sweep: workload.batch_size is 2",
        ),
        (["spaces", "regnetz"], "did you mean regnet"),
        (["swep"], "invalid choice: 'swep'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    run: Run, swept: list[dict[str, str]], arguments: list[str], complaint: str
) -> None:
    assert swept
    done = run(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("oracle-search: error: ")
    assert complaint in done.err


def test_nothing_feasible_is_exit_code_2_and_an_explanation_in_lines(run: Run, tmp_path: Path) -> None:
    tight = SMALL % "10"  # of two limits the one that the nearest misses by more is the tighter one
    (tmp_path / "small.yaml").write_text(tight.replace("PARAMS: [0, 10]", "PARAMS: [0, 1.0e+5], ACTS: [0, 1]"))
    done = run("sweep", "small.yaml", "--out", "out")
    assert (done.code, done.out) == (2, "")
    first, *lines = done.err.splitlines()
    assert first == "oracle-search: error: out: 0 of 120 candidates are feasible; what rejects most stands first"
    assert all(line.startswith("  ") and len(line) <= 100 for line in lines)
    assert lines[0].startswith("  CX.ACTS rejects ")
    assert "nearest is" in lines[0]
    assert any(line.startswith("  CX.PARAMS rejects ") for line in lines)
    *_, overlap, first, second = lines
    assert overlap == "  A candidate that breaks several limits is counted for each of them."
    assert " ".join((first + second).split()).startswith("CX.FLOPS and CX.ACTS count as pycls does")
    assert run("pareto", "out").code == 2


def test_feasible_is_a_share_of_what_was_drawn(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    out = run("sweep", "small.yaml", "--out", "out", "--n", "3").out
    cells = {line.rsplit(maxsplit=2)[0]: line.split()[-2:] for line in out.splitlines() if len(line.split()) > 2}
    assert cells["drawn"] == ["40", "100"]
    feasible = int(cells["feasible"][0])
    assert feasible > 3
    assert float(cells["feasible"][1]) == pytest.approx(100 * feasible / 40, abs=0.05)
    assert f"{feasible - 3} more are feasible and were left out, as 3 were wanted" in out
    assert "surplus" not in out
    assert "counted for each" not in out  # no two reasons overlap here


def test_a_stream_that_ends_too_early_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    done = run("sweep", "small.yaml", "--out", "out", "--n", "1000")
    assert done.code == 0
    assert "fewer than 1,000: the stream of 120 has ended; --samples draws more" in done.out


def test_spaces_are_listed_and_shown(run: Run) -> None:
    said = json.loads(run("spaces", "--format", "json").out)["spaces"]
    assert [space["space"] for space in said] == sorted(shipped("spaces"))
    assert {space["space"]: space["combinations"] for space in said}["nasbench201"] == 15_625
    table = run("spaces").out
    assert "50,625" in table
    for name in shipped("spaces"):
        out = run("spaces", name).out
        assert all(key in out for key, _ in load_space(name).samplers)
        assert all(len(line) <= 100 for line in out.splitlines())
    assert "CX.PARAMS          at most 2,000,000" in run("spaces", "cifar-regnet").out


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["numpy", "optuna", "rich", "torch", "yacs", "yaml"]
    commands = ["--help", "--version", "sweep --help", "pareto --help", "spaces --help"]
    ran = f"import sys\nfrom search.cli import main\nassert not any(main(words.split()) for words in {commands!r})"
    said = printed(f"{ran}\nassert sys.modules.keys().isdisjoint({heavy!r})", tmp_path, COLUMNS="100")
    assert all(f"usage: oracle-search {words.removesuffix('--help')}" in said for words in commands[2:])
    assert all(len(line) <= 100 for line in said.splitlines())


def test_every_command_has_a_module_of_its_own() -> None:
    assert {"spaces", "sweep", "pareto"} <= set(_parser.COMMANDS)
    assert len(set(_parser.COMMANDS.values())) == len(_parser.COMMANDS)


def test_why_there_is_no_network_is_said(run: Run, tmp_path: Path) -> None:
    text = (SMALL % "0").replace("GROUP_W: [8, 16]", "GROUP_W: [8, 16], WM: [1, 1]")
    (tmp_path / "small.yaml").write_text(text)
    done = run("sweep", "small.yaml", "--out", "out")
    assert done.code == 2
    assert "  REGNET.WM rejects 120; value 1.0: expected a number above 1 and at most 1048576\n" in done.err


def test_the_first_of_a_grid_are_said_to_be_its_first(run: Run, tmp_path: Path) -> None:
    grid = """
SETUP:
  CHUNK_SIZE: 4
  SAMPLERS:
    ANYNET.STEM_W: {TYPE: grid_sampler, VALUES: [8, 16, 24, 32]}
    ANYNET.WIDTHS: {TYPE: value_sampler, VALUES: [[16], [24], [32]]}
  BASE_CFG:
    MODEL: {TYPE: anynet}
    ANYNET: {DEPTHS: [1], STRIDES: [2], BLOCK_TYPE: vanilla_block}
    TRAIN: {IM_SIZE: 32}
"""
    (tmp_path / "grid.yaml").write_text(grid)
    said = "these are the first of 12; --samples 4 draws from all of it at random"
    assert said in " ".join(run("sweep", "grid.yaml", "--n", "3", "--out", "three").out.split())
    for words in ([], ["--n", "0"]):
        out = run("sweep", "grid.yaml", *words, "--out", "all" + "".join(words)).out
        assert "12 candidates in" in out
        assert "these are the first" not in out


def test_what_pyclss_limits_count_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        (SMALL % "0").replace("PARAMS", "MACS: [0, 1.0e+12], FLOPS: [0, 1.0e+12], PARAMS")
    )
    lines = run("spaces", "small.yaml").out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("CX.") and " at most " in line] == [
        "CX.MACS",
        "CX.FLOPS",
    ]
    assert "CX.FLOPS and CX.ACTS count as pycls does" in lines[-2]


def test_limits_in_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    flags = ("small.yaml", "-d", "t4", "--batch", "64")
    assert run("sweep", *flags, "--out", "all").code == 0
    every = read((tmp_path / "all" / "candidates.csv").read_text())
    limit = sorted(float(row["latency_high_ms@t4"]) for row in every)[len(every) // 2]
    words = ("--limit", f"latency_ms@t4 <= {limit!r} at 90%", "--limit", "params >= 1e5")
    done = run("sweep", *flags, *words, "--out", "some")
    assert (done.code, done.err) == (0, "")
    expected = [r["row"] for r in every if float(r["latency_high_ms@t4"]) <= limit and float(r["params"]) >= 1e5]
    assert [row["row"] for row in read((tmp_path / "some" / "candidates.csv").read_text())] == expected
    assert "rejected: latency_ms@t4 at 90%" in done.out
    said = run("sweep", "small.yaml", "-d", "t4", "--out", "all", "--limit", "params >= 1e5")
    assert (said.code, "holds another sweep" in said.err) == (2, True)
    said = run("sweep", "small.yaml", "--limit", "latency_ms@rtx-4090 <= 3 at 90%", "--out", "none")
    assert (said.code, "no error is known of latencies on device='rtx-4090'" in said.err) == (2, True)
    assert not (tmp_path / "none").exists()


def test_a_limit_on_a_bound_is_named_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL % "2.0e+6")
    flags = ("--runtime", "compiled", "--limit", "latency_ms@apple-m1-gpu <= 100")
    done = run("sweep", "small.yaml", "--out", "out", *flags)
    assert done.code == 0
    said = "Warning: latency_ms@apple-m1-gpu (at most 100) is judged by roofline_ms@apple-m1-gpu"
    assert said in " ".join(done.out.split())
    assert run("report", "out", "-o", "page.html").code == 0
    assert said in (tmp_path / "page.html").read_text()


def test_members_of_a_front_that_tie(run: Run, swept: list[dict[str, str]]) -> None:
    said = json.loads(run("pareto", "out", "--format", "json").out)
    by_row = {row["row"]: row for row in swept}
    ratios = {
        device: float(row[f"latency_high_ms@{device}"]) / float(row[f"latency_low_ms@{device}"])
        for device in DEVICES
        for row in swept[:1]
    }
    for one in said["fronts"]:
        device = one["device"]
        members = [str(row["row"]) for row in one["candidates"]]
        for row in one["candidates"]:
            own = by_row[str(row["row"])]
            tied = {
                int(name)
                for name in members
                if name != own["row"]
                and int(by_row[name]["macs"]) >= int(own["macs"])
                and float(by_row[name][f"latency_ms@{device}"])
                <= float(own[f"latency_ms@{device}"]) * ratios[device] ** 0.5**0.5
            }
            assert set(row["tied_with"]) == tied
    table = run("pareto", "out")
    assert "Tied" in table.out
    assert "Tied: members of the front that are no worse but for latencies within the error" in " ".join(
        table.out.split()
    )
    assert run("pareto", "out", "--objective", "max macs").out.count("Tied") == 0
