"""`oracle devices` and `oracle networks`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.devices import in_file_units

Run = Callable[..., Any]

BOARD = """\
TITLE: My board
KIND: embedded-gpu
VECTOR: {FP32_TFLOPS: [1.28, "data sheet"]}
MATRIX: {FP16_TFLOPS: 10}
BANDWIDTH_GBPS: [64, "data sheet"]
NOTES: A note.
"""


def test_every_device_has_a_line(run: Run) -> None:
    done = run("devices")
    listed = {line.split()[0] for line in done.lines if line.split()}
    assert (done.code, done.err) == (0, "")
    assert set(oracle.list_devices()) <= listed


def test_a_line_has_peaks_bandwidth_and_memory(run: Run) -> None:
    line = next(line for line in run("devices").lines if line.startswith("rtx-4090 "))
    assert line.split() == ["rtx-4090", "consumer-gpu", "82.6", "165.2", "660.6", "1008", "24"]


def test_unsourced_figures_have_a_star(run: Run) -> None:
    orin = next(line for line in run("devices").lines if line.startswith("jetson-agx-orin "))
    assert orin.split()[2:] == ["5.33", "42.6*", "85*", "204.8", "64"]


def test_devices_to_calibrate_first_are_named(run: Run) -> None:
    names = [name for name in oracle.list_devices() if oracle.load_device(name).calibrate_only]
    said = " ".join(run("devices").out.split()).split("no trustworthy peaks are public: ")[1]
    assert names
    assert said == ", ".join(names) + "."


def test_one_device_with_figures_sources_and_ridge_points(run: Run, tmp_path: Path) -> None:
    (tmp_path / "board.yaml").write_text(BOARD, encoding="utf-8")
    done = run("devices", "board.yaml")
    assert done.lines[0] == "board: My board, embedded-gpu"
    figures = {line[:12].strip(): line[12:].split(maxsplit=2) for line in done.lines if "/s" in line}
    assert figures["vector FP32"] == ["1.28", "TFLOP/s", "data sheet"]
    assert figures["matrix FP16"] == ["10", "TFLOP/s", "unsourced"]
    assert figures["bandwidth"] == ["64", "GB/s", "data sheet"]
    ridges = {line.split()[0]: line.split()[1:] for line in done.lines if line.startswith("float")}
    assert ridges["float32"] == ["1.28", "20.0", "1.28", "20.0"]  # 1.28e12 / 64e9
    assert ridges["float16"][:2] == ["10", "156"]  # 10e12 / 64e9
    assert done.lines[-1] == "Notes: A note."


def test_an_alias_and_a_device_without_peaks(run: Run) -> None:
    assert run("devices", "jetson-orin").lines[0].startswith("jetson-agx-orin (also jetson-orin)")
    assert "measure it before predicting" in run("devices", "eyeriss").out


def test_devices_as_csv_and_json(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("devices", "--format", "csv").out)))
    figures = {name for name in oracle.list_devices() if in_file_units(oracle.load_device(name))}
    assert {row["device"] for row in rows} == figures
    bandwidth = next(row for row in rows if (row["device"], row["figure"]) == ("t4", "BANDWIDTH_GBPS"))
    assert float(bandwidth["value"]) == 320
    assert bandwidth["source"]
    (device,) = json.loads(run("devices", "t4", "--format", "json").out)["devices"]
    assert device["figures"]["BANDWIDTH_GBPS"]["value"] == 320
    loaded = oracle.load_device("t4")
    assert device["matrix_ridge_flop_per_byte"] == {dtype: loaded.ridge("matrix", dtype) for dtype in loaded.dtypes}


def test_every_network_has_a_line(run: Run) -> None:
    done = run("networks")
    assert sorted(line.split()[0] for line in done.lines[3:]) == sorted(oracle.list_networks())


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("regnetx-4", ["RegNetX-4.0GF", "RegNetX-400MF"]),
        ("RegNet?-4.0*", ["RegNetX-4.0GF", "RegNetY-4.0GF"]),
        ("cifar", ["R-110", "R-56"]),
        ("VIT-H", ["ViT-H-16"]),
    ],
)
def test_a_pattern_selects_by_name_or_directory(run: Run, pattern: str, expected: list[str]) -> None:
    found = json.loads(run("networks", pattern, "--format", "json").out)["networks"]
    assert [row["network"] for row in found] == expected


def test_a_network_line_has_its_input_and_size(run: Run) -> None:
    (row,) = csv.DictReader(io.StringIO(run("networks", "R-56", "--format", "csv").out))
    assert row == {
        "network": "R-56",
        "directory": "cifar",
        "type": "resnet",
        "input": "3x32x32",
        "classes": "10",
        "cells": str(1 + 27 + 1),  # 56 = 6 x 9 + 2: three stages of nine blocks, stem, head
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["networks", "regnex"], "no shipped network matches 'regnex'; did you mean RegNet"),
        (["networks", "zzz"], "no shipped network matches 'zzz'; `oracle networks` lists all"),
        (["devices", "rtx-409"], "device='rtx-409' is unknown; did you mean rtx-4090"),
        (["devices", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_what_there_is_not(run: Run, arguments: list[str], complaint: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"oracle: error: {complaint}")
    assert done.err.count("\n") == 1
