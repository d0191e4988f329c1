"""Several batch sizes: curves where a command draws them, an error where it takes one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

import oracle

Run = Callable[..., Any]

ON = ("-d", "t4", "--dtype", "float16")
WORDS = ("score", "R-56", *ON)


def test_a_list_and_a_repeated_flag_are_the_same_curve(run: Run) -> None:
    done = run(*WORDS, "--batch", "64,1,8", "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["curves"] == [oracle.batch_curve("R-56", ["t4"], [1, 8, 64], dtype="float16").to_dict()]
    again = run(*WORDS, "--batch", "1", "-b", "8", "--batch-size", "64", "--format", "json")
    assert again.out == done.out


def test_one_batch_is_a_score_however_often_it_is_named(run: Run) -> None:
    assert run(*WORDS, "--batch", "8", "--batch", "8").out == run(*WORDS, "--batch", "8").out


def test_the_table_marks_the_best_and_what_is_not_allowed(run: Run) -> None:
    _, eight, most = oracle.batch_curve("R-56", ["t4"], [1, 8, 64], dtype="float16").points["t4"]
    limit = f"{(eight.latency_ms + most.latency_ms) / 2:.4g}"
    done = run(*WORDS, "--batch", "1,8,64", "--max-latency-ms", limit)
    assert (done.code, done.err) == (0, "")
    curve = oracle.batch_curve("R-56", ["t4"], [1, 8, 64], max_latency_ms=float(limit), dtype="float16")
    best = curve.best("t4")
    assert best is not None
    rows = {line.split()[1]: line for line in done.lines if line.startswith("t4 ")}
    assert list(rows) == ["1", "8", "64"]
    assert [size for size, line in rows.items() if line.endswith("best")] == [str(best.batch_size)]
    assert [size for size, line in rows.items() if line.endswith("no")] == ["64"]
    assert f"in at most {limit} ms per call" in done.out
    assert "None of these batches is allowed on t4" in run(*WORDS, "--batch", "64,8", "--max-latency-ms", "1e-9").out


def test_rows_are_those_of_python(run: Run) -> None:
    rows = list(
        csv.DictReader(io.StringIO(run("score", "R-56", "R-110", *ON, "--batch", "1,8", "--format", "csv").out))
    )
    assert [(row["network"], row["batch_size"]) for row in rows] == [(n, b) for n in ("R-56", "R-110") for b in "18"]
    point = oracle.batch_curve("R-110", ["t4"], [8], dtype="float16").points["t4"][0]
    assert float(rows[3]["latency_ms"]) == point.latency_ms
    assert float(rows[3]["throughput_images_per_s"]) == point.throughput_per_s
    assert [row["best"] for row in rows] == ["False", "True"] * 2


def test_a_limit_alone_looks_through_the_powers_of_two(run: Run) -> None:
    (curve,) = json.loads(run(*WORDS, "--max-latency-ms", "2", "--format", "json").out)["curves"]
    assert curve["batch_sizes"] == [2**exponent for exponent in range(11)]
    (curve,) = json.loads(run(*WORDS, "-b", "8", "--max-latency-ms", "2", "--format", "json").out)["curves"]
    assert curve["batch_sizes"] == [8]


def test_a_network_of_no_config(run: Run) -> None:
    pytest.importorskip("torchvision")
    done = run("score", "torchvision:resnet18", "-d", "t4", "-b", "2,1", "--format", "json")
    assert (done.code, done.err) == (0, "")
    (curve,) = json.loads(done.out)["curves"]
    again = oracle.score("torchvision:resnet18", ["t4"], batch_size=2)
    assert curve["devices"]["t4"][1]["latency_ms"] == again.latency_ms["t4"]
    assert curve["origin"]["reference"] == "torchvision:resnet18"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("rank", "R-56", "-d", "t4", "--batch", "1", "--batch", "8"), "1,8: expected one batch size"),
        (("ops", "R-56", "-b", "1,8"), "1,8: expected one batch size"),
        ((*WORDS, "-b", "1,"), "'1,': expected integers"),
        ((*WORDS, "-b", "1,0"), "batch_size=0"),
        ((*WORDS, "-b", "1,8", "--max-latency-ms", "-1"), "max_latency_ms=-1.0"),
        (("score", "R-56", "-b", "1,8"), "needs a device"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_line(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert complaint in done.err
