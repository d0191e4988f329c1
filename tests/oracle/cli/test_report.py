"""`oracle report`: what is written where, and what it says of what it could not do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.cli import report
from oracle.spec import RUNTIMES

Run = Callable[..., Any]


def facts(path: Path) -> Any:
    found = re.search(r'id="facts">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_page_holds_what_score_and_fit_say(run: Run) -> None:
    done = run("report", "R-56", "-d", "t4", "-b", "8", "-o", "page.html")
    assert (done.code, done.err) == (0, "")
    assert done.out == "page.html: R-56 on NVIDIA T4\n"
    page = facts(Path("page.html"))
    (network,) = page["networks"]
    cost = oracle.score("R-56", ["t4"], batch_size=8)
    assert network["counts"]["macs"] == cost.macs
    assert network["devices"]["t4"]["time"]["latency_ms"] == cost.latency_ms["t4"]
    times = {split["name"]: split for split in network["runtimes"]["times"]["t4"]}
    assert times.keys() == {"eager", "compiled", "engine"}
    engine = oracle.score("R-56", ["t4"], batch_size=8, runtime="engine")
    assert sum(times["engine"][f"{bound}_ms"] for bound in ("compute", "memory", "launch")) == pytest.approx(
        engine.latency_ms["t4"]
    )
    batches = [fit["batch_size"] for fit in network["training"]["fits"]]
    assert batches == [found.batch_size for found in oracle.fit("R-56", ["t4"])]
    phases = network["training"]["phases"]["t4"]
    assert [phase["name"] for phase in phases] == ["forward", "backward", "optimizer", "(per call)"]
    training = oracle.score("R-56", ["t4"], batch_size=8, mode="training").latency_ms["t4"]
    assert sum(phase[f"{bound}_ms"] for phase in phases for bound in ("compute", "memory", "launch")) == pytest.approx(
        training
    )
    assert page["run"]["command"] == "oracle report R-56 -d t4 -b 8 -o page.html"


def test_what_cannot_be_compared_says_why(run: Run) -> None:
    assert run("report", "R-56", "-d", "t4", "--runtime", "engine", "--dtype", "int8").code == 0
    (network,) = facts(Path("report.html"))["networks"]
    assert set(network["runtimes"]["missing"]) == {"eager", "compiled"}
    assert any("training" in reason for reason in network["training"]["missing"])
    assert [fit["mode"] for fit in network["training"]["fits"]] == ["inference"]
    assert run("report", "R-56", "-d", "pixel-4").code == 0
    (network,) = facts(Path("report.html"))["networks"]
    assert network["training"]["missing"] == ["pixel-4 states no memory size."]


def test_networks_that_are_shown_in_a_table_alone_are_not_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    original = report._more

    def more(args: Any, model: Any, item: Any, devices: Any) -> Any:
        compared.append(item.cost.name)
        return original(args, model, item, devices)

    monkeypatch.setattr(report, "_more", more)
    monkeypatch.setattr("oracle.report.page.DETAILED", 1)
    monkeypatch.setattr("oracle.report.page.costs.DETAILED", 1)
    assert run("report", "R-56", "R-110", "-d", "t4").code == 0
    page = facts(Path("report.html"))
    assert compared == [network["name"] for network in page["networks"]] == ["R-56"]
    assert (page["population"]["names"], page["undetailed"]) == (["R-56", "R-110"], 1)


def runs(device: str, runtime: str) -> bool:
    try:
        oracle.score("R-56", [device], runtime=runtime, model="calibrated")
    except oracle.OracleError:
        return False
    return True


def test_what_one_device_cannot_do_is_shown_on_the_others(run: Run) -> None:
    devices = ("rtx-4090", "raspberry-pi-4")  # nobody measured a compiler on the one and an engine on the other
    able = {device: [runtime for runtime in RUNTIMES if runs(device, runtime)] for device in devices}
    assert able[devices[0]] != able[devices[1]]
    done = run("report", "R-56", "-d", devices[0], "-d", devices[1], "--model", "calibrated")
    assert (done.code, done.err) == (0, "")
    (network,) = facts(Path("report.html"))["networks"]
    times = network["runtimes"]["times"]
    assert {name: [split["name"] for split in splits] for name, splits in times.items()} == able
    assert set(network["runtimes"]["missing"]) == {r for r in RUNTIMES if not all(r in some for some in able.values())}


def test_a_brief_page_is_about_the_workload_alone(run: Run) -> None:
    assert run("report", "R-56", "R-110", "-d", "t4", "--brief").code == 0
    page = facts(Path("report.html"))
    assert all(network["runtimes"] is network["training"] is None for network in page["networks"])
    assert page["population"]["names"] == ["R-56", "R-110"]


def test_without_a_device_it_holds_counts(run: Run) -> None:
    done = run("report", "R-56")
    assert (done.code, done.out) == (0, "report.html: R-56\n")
    (network,) = facts(Path("report.html"))["networks"]
    assert (network["devices"], network["runtimes"]) == ({}, None)
    assert [part["name"] for part in network["training"]["memory"]] == ["forward", "backward", "optimizer"]


def test_a_page_goes_through_a_pipe(run: Run) -> None:
    done = run("report", "R-56", "--brief", "-o", "-")
    assert done.code == 0
    assert done.out.startswith("<!doctype html>")
    assert list(Path().iterdir()) == []


def test_a_network_by_reference_says_what_was_run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\n\n\ndef make(width):\n    return nn.Conv2d(3, width, 3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("report", "mine:make(8)", "--input", "2x3x16x16", "-d", "t4").code == 0
    page = facts(Path("report.html"))
    assert page["networks"][0]["counts"]["macs"] == 2 * 8 * 3 * 9 * 14 * 14
    assert any("mine:make(8): input 2x3x16x16:float32" in note for note in page["run"]["notes"])
    assert page["networks"][0]["training"]["fits"][0]["batch_size"] > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["R-5"], "did you mean R-56"),
        (["R-56", "-d", "t44"], "did you mean t4"),
        (["R-56", "--brief", "-o", "no/page.html"], "cannot be written"),
        (["R-56", "--brief", "-o", "."], "it is a directory"),
        (["R-56", "--batc", "3"], "unrecognized arguments"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(run: Run, words: list[str], said: str) -> None:
    done = run("report", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(Path().iterdir()) == []


def test_a_decoder_has_both_phases_and_a_curve(run: Run) -> None:
    words = ("--set", "COST.PROMPT", "64", "--set", "COST.KV_BLOCK", "1")
    done = run("report", "Llama-3.2-1B", "-d", "h100-sxm", "-b", "4", *words, "-o", "page.html")
    assert (done.code, done.err) == (0, "")
    (network,) = facts(Path("page.html"))["networks"]
    decoding = network["decoding"]
    assert list(decoding["phases"]) == ["Prefill: 64 tokens", "Decode: one token"]
    cfg = oracle.load_cfg("Llama-3.2-1B", ["COST.PROMPT", 64, "COST.KV_BLOCK", 1])
    for phase, found in zip(("prefill", "decode"), decoding["phases"].values(), strict=True):
        cost = oracle.score(cfg, ["h100-sxm"], phase=phase, batch_size=4)
        assert found["devices"]["h100-sxm"]["time"]["latency_ms"] == cost.latency_ms["h100-sxm"]
    curve, per_token = decoding["curve"]["h100-sxm"], 16 * 2 * 8 * 64 * 2
    assert network["counts"]["kv_bytes_per_token"] == decoding["kv_bytes_per_token"] == per_token
    assert curve["kv_cache_bytes"] == [batch * 65 * per_token for batch in curve["batch_size"]]
    for batch, ms, rate in zip(*(curve[name] for name in ("batch_size", "latency_ms", "tokens_per_s")), strict=True):
        assert rate == pytest.approx(batch / ms * 1e3)
