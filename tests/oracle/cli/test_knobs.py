"""`oracle knobs`: every change is the difference of two scores, and the order is what it says."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import yaml

import oracle

Run = Callable[..., Any]

FLAGS = ["-d", "t4", "-d", "jetson-nano", "--batch", "4"]
WORKLOAD: dict[str, Any] = {"batch_size": 4}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("network", ["EfficientNet-B0", "ResNet-50"])
def test_a_change_is_the_difference_of_two_scores(run: Run, network: str) -> None:
    done = run("knobs", network, *FLAGS, "--format", "csv")
    assert (done.code, done.err) == (0, "")
    devices = ["t4", "jetson-nano"]
    before = oracle.score(network, devices, **WORKLOAD)
    rows = rows_of(done.out)
    for row in rows[:: max(1, len(rows) // 6)]:
        section, key = row["key"].split(".")
        value = oracle.load_cfg(network)[section][key]
        after: Any = yaml.safe_load(row["after"])
        if row["index"]:
            after = [*value[: int(row["index"])], after, *value[int(row["index"]) + 1 :]]
        turned = oracle.score(oracle.load_cfg(network, [row["key"], after]), devices, **WORKLOAD)
        for name in ("macs", "flops", "params", "traffic_bytes", "peak_memory_bytes"):
            assert int(row[f"delta_{name}"]) == getattr(turned, name) - getattr(before, name)
        device = row["device"]
        change = turned.latency_ms[device] - before.latency_ms[device]
        assert float(row["delta_latency_ms"]) == pytest.approx(change, rel=1e-6, abs=1e-9)
        assert float(row["latency_ms"]) == pytest.approx(before.latency_ms[device])


def test_steps_that_save_most_per_mac_come_first_on_each_device(run: Run) -> None:
    rows = rows_of(run("knobs", "RegNetX-400MF", *FLAGS, "--format", "csv").out)
    assert {row["device"] for row in rows} == {"t4", "jetson-nano"}
    for device in ("t4", "jetson-nano"):
        own = [row for row in rows if row["device"] == device]
        saves = [float(row["delta_latency_ms"]) < 0 for row in own]
        assert saves == sorted(saves, reverse=True)
        assert any(saves)
        assert not all(saves)
        best = [row for row, saving in zip(own, saves, strict=True) if saving]
        worth = [
            float(row["delta_latency_ms"]) / int(row["delta_macs"]) if int(row["delta_macs"]) < 0 else math.inf
            for row in best
        ]
        assert worth == sorted(worth, reverse=True)
        prices = [float(row["ms_per_gmac"]) for row in own[len(best) :] if int(row["delta_macs"]) > 0]
        assert prices == sorted(prices)
    assert {row["knob"].split(" of ")[0] for row in rows} == {"width", "depth", "group width", "resolution"}


def test_by_knob_is_one_list_in_the_order_of_the_network(run: Run) -> None:
    found = oracle.query.knobs("RegNetX-400MF", ["t4", "jetson-nano"], **WORKLOAD)
    said = json.loads(run("knobs", "RegNetX-400MF", *FLAGS, "--by", "knob", "--format", "json").out)
    assert [(step["knob"], step["before"], step["after"]) for step in said["steps"]] == [
        (effect.knob, effect.before, effect.after) for effect in found.effects
    ]
    assert said["latency_ms"] == dict(found.latency_ms)
    assert [step["delta_latency_ms"] for step in said["steps"]] == [dict(e.delta_latency_ms) for e in found.effects]


@pytest.mark.parametrize("by", ["device", "knob"])
@pytest.mark.parametrize("network", ["RegNetX-400MF", "EfficientNet-B0", "ViT-B-16"])
def test_tables_fit_and_have_a_sign_on_every_change(run: Run, network: str, by: str) -> None:
    done = run("knobs", network, *FLAGS, "--by", by)
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= 100 for line in done.out.splitlines())
    assert f"{network}: " in done.out
    assert ("or the lower bound (--model" in done.out) == (
        "A latency that does not change" in done.out
    )  # one paragraph
    said = " ".join(done.out.split())
    assert "Latency is the prediction, what a stopwatch should show, or the lower" in said
    assert all(f"Times on {device}: " in said for device in ("t4", "jetson-nano"))
    bound = run("knobs", network, *FLAGS, "--by", by, "--model", "roofline")
    assert bound.out.splitlines()[-1].startswith("Times: textbook roofline, a lower bound")
    step = next(line for line in done.out.splitlines() if line.startswith("resolution") and "224 to 192" in line)
    assert " -" in step
    assert " +" not in step


def test_overrides_come_before_the_knobs(run: Run) -> None:
    rows = rows_of(run("knobs", "ResNet-50", "-d", "t4", "--set", "TRAIN.IM_SIZE", "288", "--format", "csv").out)
    assert {row["before"] for row in rows if row["knob"] == "resolution"} == {"288"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["ResNet-50"], "knobs needs a device; say --device NAME"),
        (["regnetx", "-d", "t4"], "regnetx: knobs takes one network, such as RegNetX-1.6GF; here are 12"),
        (["NB201-ResNet", "-d", "t4"], "MODEL.TYPE: 'nasbench201' has no knobs; expected one of"),
        (["mypkg.nets:Net", "-d", "t4"], "network='mypkg.nets:Net': knobs are the numbers of configs (YAML files and"),
        (["net.pt2", "-d", "t4"], "network='net.pt2': knobs are the numbers of configs"),
        (["ResNet-50", "-d", "t4", "--by", "hand"], "argument --by: invalid choice"),
        (["ResNet-50", "-d", "t4", "--convention", "thop"], "unrecognized arguments"),
    ],
)
def test_arguments_that_make_no_sense(run: Run, arguments: list[str], complaint: str) -> None:
    done = run("knobs", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert complaint in done.err
