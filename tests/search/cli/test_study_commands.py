"""`oracle-search run` and what follows it, as a person types them."""

from __future__ import annotations

import csv
import io
import itertools
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import oracle
from oracle._resources import shipped
from oracle.cli import main as oracle_main
from search.cli import main
from search.study import open_results, study_of

STUDY = {
    "SPACE": {
        "SETUP": {
            "SAMPLERS": {
                "REGNET.DEPTH": {"TYPE": "grid_sampler", "RANGE": [2, 6], "STEP": 1},
                "REGNET.W0": {"TYPE": "grid_sampler", "RANGE": [8, 64], "STEP": 8},
            },
            "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
            "BASE_CFG": {
                "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
                "REGNET": {"WA": 0.0, "WM": 2.0, "GROUP_W": 8},
                "TRAIN": {"IM_SIZE": 32},
            },
        }
    },
    "OBJECTIVES": ["maximise macs", "minimise latency_ms@t4"],
    "CONSTRAINTS": ["params <= 20e3"],
    "SAMPLER": {"TYPE": "tpe", "STARTUP": 4},
    "TRIALS": 6,
}

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a study file into an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(tmp_path))

    def write(**changes: object) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(STUDY | changes))
        return path

    return write


def test_from_run_to_a_scored_winner(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study())]) == 0
    assert "on the front: maximise macs, minimise latency_ms@t4" in capsys.readouterr().out
    assert Path("tiny.journal").is_file()

    assert main(["resume", "tiny", "--trials", "8"]) == 0
    assert main(["worker", "tiny"]) == 0  # nothing is left to do
    capsys.readouterr()

    assert main(["trials", "tiny", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    evaluated = [row for row in rows if row["outcome"] == "evaluated"]
    assert len(evaluated) == 8
    assert all(float(row["params"]) <= 20e3 for row in evaluated)

    assert main(["best", "tiny", "--yaml", "best.yaml"]) == 0
    assert "Best feasible" in capsys.readouterr().out
    best = oracle.score(oracle.load_cfg("best.yaml"))
    assert best.macs == max(float(row["macs"]) for row in evaluated)
    assert oracle_main(["score", "best.yaml", "-d", "t4"]) == 0
    capsys.readouterr()
    assert main(["best", "tiny", "--yaml", "-"]) == 0
    assert capsys.readouterr().out == Path("best.yaml").read_text()
    assert main(["best", "tiny", "--yaml", "-", "--plain"]) == 0
    plain = yaml.safe_load(capsys.readouterr().out)
    assert plain == {
        key: value for key, value in yaml.safe_load(Path("best.yaml").read_text()).items() if key != "COST"
    }

    assert main(["pareto", "tiny", "--configs", "front", "--format", "json"]) == 0
    front = json.loads(capsys.readouterr().out)["trials"]
    assert {path.stem for path in Path("front").iterdir()} == {f"trial-{row['trial']}" for row in front}

    assert main(["pareto", "tiny", "-d", "t4", "--format", "json"]) == 0
    own = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in own["fronts"][0]["candidates"]] == [row["trial"] for row in front]
    assert main(["pareto", "tiny", "--objective", "min latency_ms", "--objective", "max params", "--top", "2"]) == 0
    assert "max params" in capsys.readouterr().out
    for words, complaint in (
        (["tiny", "--objective", "max sparams"], "did you mean params"),
        (["tiny", "-d", "p4"], "device='p4' is not in tiny"),
        (["tiny", "--plain"], "--plain is about --configs"),
        (["nothing"], "no directory of a sweep, no file of candidates, and no study in nothing.journal"),
    ):
        assert main(["pareto", *words]) == 2
        assert complaint in capsys.readouterr().err

    assert main(["rerank", "tiny", "--device", "jetson-nano", "--format", "csv"]) == 0
    ranked = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(ranked) == 8
    assert main(["rerank", "tiny", "--device", "jetson-nano"]) == 0
    assert "tiny on jetson-nano" in capsys.readouterr().out

    assert main(["export", "tiny", "-o", "study.json"]) == 0
    exported = json.loads(Path("study.json").read_text())
    assert exported["plan"]["CONSTRAINTS"] == ["params <= 20e3"]
    assert len(exported["trials"]) == len(rows)
    assert main(["export", "tiny", "-o", "trials.parquet"]) == 2
    assert "suffix 'parquet': expected a name that ends in csv, json, txt" in capsys.readouterr().err
    assert main(["trials", "tiny"]) == 0
    assert "closed form" in capsys.readouterr().out


def test_an_enumeration_says_how_much_it_saw(study: Callable[..., Path], capsys: Capture) -> None:
    path = str(study(SAMPLER="exact", OBJECTIVES=["maximise macs"], TRIALS=3))
    assert main(["run", path]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Exact: all 40 members of the space were looked at, " in told
    assert "Best 3: maximise macs" in told
    assert main(["run", path]) == 0
    assert "nothing was left to look at" in capsys.readouterr().err
    assert main(["resume", "tiny", "--format", "json"]) == 0
    coverage = json.loads(capsys.readouterr().out)["coverage"]
    assert (coverage["drawn"], coverage["members"], coverage["done"]) == (40, 40, True)
    for words in (["best", "tiny"], ["trials", "tiny"], ["pareto", "tiny"], ["rerank", "tiny", "-d", "l4"]):
        assert main(words) == 0
    assert main(["report", "tiny", "-o", "page.html"]) == 0
    assert "Exact: all 40 members" in Path("page.html").read_text()


def test_a_study_without_feasible_members_exits_with_2(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study(CONSTRAINTS=["params <= 10"]))]) == 2
    error = capsys.readouterr().err
    assert error.startswith("oracle-search: error: CONSTRAINTS: nothing is feasible")
    assert error.count("\n") == 1
    assert main(["best", "tiny"]) == 2
    assert "has no feasible evaluated trial yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CONSTRAINTS": ["paramz <= 10"]}, "CONSTRAINTS[0]: unknown score 'paramz'"),
        (
            {"OBJECTIVES": ["maximise quality"], "QUALITY": {"TYPE": "call", "FUNCTION": "no.such:f"}},
            "QUALITY.FUNCTION",
        ),
        ({"TRIAL": 5}, "TRIAL: unknown key; did you mean TRIALS?"),
        ({"TRIALS": -3}, "TRIALS: value -3"),
        ({"OBJECTIVES": []}, "OBJECTIVES: expected at least one objective"),
        ({"SAMPLER": "tpee"}, "SAMPLER.TYPE: value 'tpee'"),
        ({"DEVICES": ["t5"]}, "DEVICES[0]: device='t5' is unknown; did you mean t"),
        ({"CONSTRAINTS": ["params <= 1e3", "params >= 2e3"]}, "CONSTRAINTS[1]: nothing can obey params"),
        ({"STORAGE": "grpc://nowhere"}, "expected grpc://host:port"),
        ({"STORAGE": "sqlite:////nowhere/at/all.db"}, "cannot be opened"),
    ],
)
def test_a_bad_study_file_is_one_line(
    study: Callable[..., Path], capsys: Capture, changes: dict[str, object], words: str
) -> None:
    assert main(["run", str(study(**changes))]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


FAILING = {"OBJECTIVES": ["maximise quality"], "QUALITY": {"TYPE": "call", "FUNCTION": "own_quality:quality"}}


def _own_quality(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A module of a user's in the working directory."""
    Path("own_quality.py").write_text(f"def quality(spec, builder, evaluation):\n    {body}\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no\\nluck')", "ValueError: no luck"),
        ("return float('nan')", "OracleError: quality=nan: expected a finite number"),
        ("return 'good'", "OracleError: quality='good': expected a finite number"),
    ],
)
def test_failures_are_told_at_once_and_in_the_end(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    path = study(**FAILING)
    _own_quality(monkeypatch, body)
    assert main(["run", str(path)]) == 2
    told = capsys.readouterr()
    assert f"failed, and the study goes on: {reason}\n" in told.err
    last = told.err.splitlines()[-1]
    assert last.startswith("oracle-search: error: 10 evaluations failed in a row, after 0")
    assert last.endswith(reason)
    assert told.err.count(reason) == 2
    for words in (["best"], ["pareto"], ["pareto", "-d", "t4"], ["rerank", "-d", "t4"]):
        assert main([words[0], "tiny", *words[1:]]) == 2
        failed = capsys.readouterr()
        assert failed.out == ""
        assert "study 'tiny' has no feasible evaluated trial yet: 10 failed" in failed.err


def test_some_failures_are_counted_in_the_end(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(**FAILING)
    _own_quality(
        monkeypatch,
        "if not evaluation.number % 2: raise ValueError('even')\n    return float(evaluation.scores['macs'])",
    )
    assert main(["run", str(path)]) == 0
    told = capsys.readouterr()
    assert "times: ValueError: even" in " ".join(told.out.split())
    assert "tiny: 6 of 6 evaluated; " in told.err.splitlines()[-1]


def test_an_interrupted_study_goes_on_where_it_stopped(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(**FAILING)
    _own_quality(
        monkeypatch,
        "import pathlib; calls = pathlib.Path('calls'); calls.open('a').write('x')\n"
        "    if len(calls.read_text()) == 3: raise KeyboardInterrupt\n"
        "    return float(evaluation.scores['macs'])",
    )
    assert main(["run", str(path)]) == 130
    assert "go on with: oracle-search resume" in capsys.readouterr().err
    assert main(["resume", "tiny"]) == 0
    capsys.readouterr()
    assert main(["trials", "tiny", "--format", "json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [trial["outcome"] for trial in trials].count("evaluated") == 6
    assert len(Path("calls").read_text()) == 6 + 1  # the interrupted one was tried again
    (lost,) = (trial for trial in trials if trial["outcome"] == "lost")
    assert any(trial["fingerprint"] == lost["fingerprint"] for trial in trials if trial["outcome"] == "evaluated")


def test_workers_of_this_machine_share_a_study(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(**FAILING)
    _own_quality(
        monkeypatch,
        "import multiprocessing, pathlib, time; helped = pathlib.Path('helped')\n"
        "    if multiprocessing.parent_process(): helped.touch()\n"
        "    while not helped.exists(): time.sleep(0.02)\n"
        "    return float(evaluation.scores['macs'])",
    )
    assert main(["run", str(path), "--workers", "2"]) == 0
    assert main(["resume", "tiny", "--workers", "2", "--trials", "7"]) == 0
    assert not multiprocessing.active_children()
    capsys.readouterr()
    results = open_results("tiny")
    assert len({trial.user_attrs["evaluating"] for trial in results.study.trials}) > 1
    assert len({record.key for record in results.evaluated}) == len(results.evaluated) == 7


def test_nobody_helps_with_an_enumeration(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study(SAMPLER="exact")), "--workers", "2"]) == 2
    assert "--workers: value 2: SAMPLER exact enumerates the space" in capsys.readouterr().err


def test_through_a_pipe_progress_is_lines(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study())]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " evaluated; " in line]
    assert len(lines) == 6  # of ten tenths, six trials reach six
    assert lines[-1].startswith("tiny: 6 of 6 evaluated; ")


def test_flags_of_run_win_over_the_file(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study()), "--trials", "3", "--seed", "5", "--name", "other", "--storage", "o.journal"]) == 0
    assert "other: " in capsys.readouterr().out
    assert main(["trials", "o.journal", "--outcome", "evaluated", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3


def test_rerank_on_several_devices(study: Callable[..., Path], capsys: Capture) -> None:
    assert main(["run", str(study())]) == 0
    capsys.readouterr()
    assert main(["rerank", "tiny", "-d", "jetson-nano", "--format", "csv"]) == 0
    ranked = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["rerank", "tiny", "-d", "t4", "-d", "jetson-nano", "-d", "rtx-4090", "--format", "csv"]) == 0
    several = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["device"] for row in several] == ["t4"] * 6 + ["jetson-nano"] * 6 + ["rtx-4090"] * 6
    assert [row["trial"] for row in several[6:12]] == [row["trial"] for row in ranked]
    assert [row["on_front"] for row in several[6:12]] == [row["on_front"] for row in ranked]
    assert main(["rerank", "tiny", "-d", "t4", "-d", "jetson-nano", "--format", "json"]) == 0
    rankings = json.loads(capsys.readouterr().out)["rankings"]
    assert [ranking["device"] for ranking in rankings] == ["t4", "jetson-nano"]
    assert {row["trial"]: row["latency_ms"] for row in rankings[0]["networks"]} == {
        record.number: pytest.approx(record.scores["latency_ms@t4"]) for record in open_results("tiny").evaluated
    }
    assert main(["rerank", "tiny", "-d", "t4", "-d", "jetson-nano"]) == 0
    tables = capsys.readouterr().out
    assert "tiny on t4" in tables
    assert "tiny on jetson-nano" in tables
    assert tables.count("ms, t4") == 2  # that of an objective, which the ranking there does not show twice
    Path("board.yaml").write_text(shipped("devices")["t4"].read_text())
    assert main(["rerank", "tiny", "-d", "board.yaml"]) == 0  # a device that only its file knows
    assert "tiny on board" in capsys.readouterr().out


def test_what_a_rejected_network_never_got_is_not_shown(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(**FAILING)
    _own_quality(monkeypatch, "return 0.5")
    assert main(["run", str(path), "--trials", "1"]) == 0
    open_results("tiny", "tiny.journal").study.enqueue_trial({"REGNET.DEPTH": 6, "REGNET.W0": 64})
    assert main(["resume", "tiny", "--trials", "3"]) == 0
    for words in (["trials", "tiny"], ["trials", "tiny", "--format", "json"], ["export", "tiny", "--format", "csv"]):
        capsys.readouterr()
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "rejected" in out
        assert "inf" not in out.lower().replace("infeasible", "")


def test_more_trials_hold_for_who_joins_later(
    study: Callable[..., Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(**FAILING)
    _own_quality(monkeypatch, "return 0.5")
    assert main(["run", str(path), "--trials", "2"]) == 0
    assert main(["resume", "tiny", "--trials", "4"]) == 0
    assert open_results("tiny", "tiny.journal").plan.trials == 4
    assert main(["resume", "tiny", "--trials", "1"]) == 0  # has them already, and takes back nothing
    assert open_results("tiny", "tiny.journal").plan.trials == 4
    capsys.readouterr()
    assert main(["worker", "tiny"]) == 0
    assert len(open_results("tiny", "tiny.journal").evaluated) == 4


def test_help_shows_a_study_that_is_one(capsys: Capture) -> None:
    assert main(["run", "--help"]) == 0
    told = capsys.readouterr().out
    lines = told[told.index("  SPACE:") :].splitlines()
    plan = study_of(yaml.safe_load("\n".join(itertools.takewhile(lambda line: line.startswith("  "), lines))))
    assert [device.name for device in plan.devices] == ["t4", "pixel-4"]
    assert plan.quality["TYPE"] == "call"
    assert "(spec, builder, trial)" in told
    assert all(name in told for name in shipped("studies"))


def test_an_unknown_study_lists_those_that_ship(study: Callable[..., Path], capsys: Capture) -> None:
    study()
    assert main(["run", "nope"]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in shipped("studies"))


def test_a_study_that_is_not_there(study: Callable[..., Path], capsys: Capture) -> None:
    study()
    assert main(["best", "nowhere"]) == 2
    assert "nowhere.journal: no such file" in capsys.readouterr().err
    for command in ("resume", "worker"):
        assert main([command, "nowhere"]) == 2
        assert "storage nowhere.journal: no such file" in capsys.readouterr().err
    assert not list(Path.cwd().glob("nowhere*"))


def test_a_finished_study_says_so(study: Callable[..., Path], capsys: Capture) -> None:
    path = str(study())
    assert main(["run", path]) == 0
    capsys.readouterr()
    assert main(["run", path, "--trials", "2", "--seed", "9"]) == 0
    said = capsys.readouterr().err
    assert "tiny: finished: 6 evaluated, 2 requested" in said
    assert "SEED 9 is ignored" in said
    assert "of 2 evaluated" not in said


def test_a_study_that_starts_from_another_keeps_what_it_learnt_from(
    study: Callable[..., Path], capsys: Capture
) -> None:
    Path("good.py").write_text("def good(spec, builder, evaluation):\n    return evaluation.scores['macs'] ** 0.5\n")
    quality = {"TYPE": "call", "FUNCTION": "good:good"}
    changes = {"OBJECTIVES": ["maximise quality"], "QUALITY": quality, "SAMPLER": {"TYPE": "pool", "STARTUP": 2}}
    path = study(**changes, CONSTRAINTS=[], NAME="before", TRIALS=8)
    assert main(["run", str(path)]) == 0
    path = study(**changes, NAME="after", TRIALS=3)
    assert main(["run", str(path), "--from", "before"]) == 0

    after, before = open_results("after"), open_results("before")
    (kept,) = after.study.user_attrs["earlier"]
    assert kept["name"] == "before"
    assert kept["values"] == [record.quality for record in before.evaluated]
    Path("before.journal").unlink()  # nobody needs it any more
    assert main(["resume", "after", "--trials", "4"]) == 0
    assert len(open_results("after").evaluated) == 4

    capsys.readouterr()
    study(**changes | {"SAMPLER": "random"}, NAME="other")
    assert main(["run", str(path), "--from", "after"]) == 2
    assert "SAMPLER.TYPE: value 'random': expected pool" in capsys.readouterr().err
    study(**changes, NAME="after", TRIALS=5)
    assert main(["run", str(path), "--from", "after"]) == 2
    assert "study 'after' has begun from before; expected the same" in capsys.readouterr().err
