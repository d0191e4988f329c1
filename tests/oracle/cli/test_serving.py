"""`oracle serving`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from oracle.cli import main

NETWORK = """
MODEL: {TYPE: decoder}
DECODER: {VOCAB: 4096, LAYERS: 4, WIDTH: 512, HEADS: 8, KV_HEADS: 2, FF: 2048}
COST: {NAME: small}
"""


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    path = tmp_path / "small.yaml"
    path.write_text(NETWORK)
    return ["serving", str(path), "-d", "h100-sxm", "--input", "512", "--output-tokens", "128"]


def test_a_table_has_a_row_per_concurrency(asked: list[str], capsys: Any) -> None:
    assert main([*asked, "--concurrency", "1", "8", "--tp", "2"]) == 0
    out = capsys.readouterr().out
    assert "small on 2 h100-sxm (TP 2) under vllm: 512 tokens in, 128 out; weights" in " ".join(out.split())
    assert [line.split()[0] for line in out.splitlines() if line[:1] == " " and line.split()[0].isdecimal()] == [
        "1",
        "8",
    ]
    assert "Mean error of vllm on rows not fitted: TPOT" in " ".join(out.split())


def test_a_load_that_is_said_is_shown(asked: list[str], capsys: Any) -> None:
    assert main([*asked, "--in-step", "0.25"]) == 0
    assert "128 out, 25% of requests in step; weights" in " ".join(capsys.readouterr().out.split())
    for words, said in (([], None), (["--in-step", "0"], 0.0)):
        assert main([*asked, *words, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["servings"][0]["in_step"] == said
    assert main(asked) == 0
    assert "Nobody said what share of requests is of equal lengths" in capsys.readouterr().out


def test_json_and_csv_have_the_same_numbers(asked: list[str], capsys: Any) -> None:
    assert main([*asked, "-d", "b200", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["servings"]
    assert main([*asked, "-d", "b200", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    points = [(item["device"], point["tpot_ms"]) for item in found for point in item["points"]]
    assert points == [(row["device"], float(row["tpot_ms"])) for row in rows]


def test_an_error_is_one_line(asked: list[str], capsys: Any) -> None:
    assert main([*asked, "--tp", "3"]) == 2
    assert capsys.readouterr().err.startswith("oracle: error: tp=3: expected a divisor of the heads, 8")


def test_concurrencies_come_by_words_or_commas(asked: list[str], capsys: Any) -> None:
    found = []
    for words in (("1,4", "16"), ("1", "4", "16")):
        assert main([*asked, "--format", "csv", "--concurrency", *words]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert main([*asked, "--concurrency", "1,x"]) == 2
    assert "'x' is not a positive integer" in capsys.readouterr().err


def test_a_device_that_is_too_small_does_not_hide_the_others(capsys: Any) -> None:
    asked = ["serving", "Llama-3.1-8B", "--input", "512", "--output-tokens", "128", "--format", "csv"]
    assert main([*asked, "-d", "h100-sxm", "-d", "jetson-orin-nano", "-d", "raspberry-pi-4"]) == 2
    out, err = capsys.readouterr()
    assert {row["device"] for row in csv.DictReader(io.StringIO(out))} == {"h100-sxm"}
    small, sizeless = err.splitlines()
    assert small.startswith("oracle: error: device='jetson-orin-nano': 15.0 GiB of weights")
    assert sizeless.startswith("oracle: error: device='raspberry-pi-4' states no memory size")
    assert main([*asked, "-d", "jetson-orin-nano"]) == 2
    assert capsys.readouterr() == ("", f"{small}\n")
    assert main([*asked, "-d", "jetson-orin-nano", "-d", "raspberry-pi-4"]) == 2
    assert capsys.readouterr() == ("", err)
    assert main([*asked, "-d", "h100-sxm", "-d", "h100-smx"]) == 2
    assert capsys.readouterr().out == ""
