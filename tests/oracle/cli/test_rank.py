"""`oracle rank`: directories and families of networks, in the order that the Python call finds."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle

Run = Callable[..., Any]

REGNETX = [name for name in oracle.list_networks() if name.startswith("RegNetX")]
DEVICES = ("rtx-4090", "jetson-agx-orin")
ON_BOTH = [flag for device in DEVICES for flag in ("--device", device)]


def order_in(table: str, device: str) -> list[str]:
    """The networks below a device's title, from top to bottom."""
    block = table.split(f"{device}: ", 1)[1].split("\n\n", 1)[0]
    return [line.split()[1] for line in block.splitlines()[1:] if line.split() and line.split()[0].isdigit()]


@pytest.mark.parametrize("source", ["configs/networks/regnetx", "regnetx", "RegNetX", "configs/networks/regnetx/"])
def test_a_shipped_directory_is_found_from_an_empty_one(run: Run, source: str) -> None:
    done = run("rank", source, *ON_BOTH)
    ranking = oracle.rank(REGNETX, DEVICES)
    assert (done.code, done.err) == (0, "")
    assert len(REGNETX) == 12
    for device in DEVICES:
        expected = [ranking.costs[i].name for i in ranking.order[device]]
        assert order_in(done.out, device) == expected
        assert expected == sorted(REGNETX, key=lambda name: oracle.score(name, [device]).latency_ms[device])
    agreement = next(line.split() for line in done.lines if line.startswith("rtx-4090  "))
    assert agreement[1] == "jetson-agx-orin"
    assert float(agreement[2]) == pytest.approx(ranking.kendall_tau[DEVICES], abs=1e-3)
    assert float(agreement[3]) == pytest.approx(ranking.spearman_rho[DEVICES], abs=1e-3)


def test_json_is_the_rankings_to_dict_and_the_version(run: Run) -> None:
    done = run("rank", "regnetx", *ON_BOTH, "--format", "json")
    files = sorted(REGNETX)
    assert json.loads(done.out) == {"oracle": oracle.__version__, **oracle.rank(files, DEVICES).to_dict()}


def test_csv_is_the_cost_rows_in_order_of_each_device(run: Run) -> None:
    done = run("rank", "regnetx", *ON_BOTH, "--format", "csv", "--top", "5")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    ranking = oracle.rank(sorted(REGNETX), DEVICES)
    assert [(row["device"], row["rank"], row["network"], row["dominated"]) for row in rows] == [
        (device, str(place), ranking.costs[i].name, str(ranking.dominated[device][i]))
        for device in DEVICES
        for place, i in enumerate(ranking.order[device][:5], start=1)
    ]
    assert all(float(row["latency_ms"]) > 0 and int(row["traffic_bytes"]) > 0 for row in rows)


def test_dominated_networks_are_marked(run: Run) -> None:
    done = run("rank", "ResNeXt-50-32x4d", "RegNetX-4.0GF", "RegNetX-6.4GF", "-d", "t4")
    ranking = oracle.rank(["ResNeXt-50-32x4d", "RegNetX-4.0GF", "RegNetX-6.4GF"], ["t4"])
    marked = [line.split()[1] for line in done.lines if line.endswith("  yes")]
    assert marked == [ranking.costs[i].name for i in ranking.order["t4"] if not ranking.dominated["t4"][i]]
    assert "Pareto front: no other network has more MACs in no more time" in done.out


def test_top_shows_the_fastest_and_says_of_how_many(run: Run) -> None:
    done = run("rank", "regnetx", "-d", "t4", "--top", "3")
    assert len(order_in(done.out, "t4")) == 3
    assert "t4: 3 of 12 networks, fastest first" in done.out


def test_a_directory_of_ones_own_is_searched_to_the_bottom(run: Run, tmp_path: Path) -> None:
    deep = tmp_path / "mine" / "deeper"
    deep.mkdir(parents=True)
    (deep / "small.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    (tmp_path / "mine" / "large.yml").write_text("_BASE_: R-110\n", encoding="utf-8")
    (tmp_path / "mine" / "notes.txt").write_text("no network\n", encoding="utf-8")
    assert order_in(run("rank", "mine", "-d", "t4").out, "t4") == ["small", "large"]


def test_a_directory_here_goes_before_a_shipped_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "regnetx").mkdir()
    (tmp_path / "regnetx" / "own.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    assert order_in(run("rank", "regnetx", "-d", "t4").out, "t4") == ["own"]
    nested = run("rank", "configs/networks/regnetx", "-d", "t4")
    assert len(order_in(nested.out, "t4")) == 12


def test_one_network_has_no_agreement(run: Run) -> None:
    done = run("rank", "R-56", *ON_BOTH, "--format", "json")
    assert json.loads(done.out)["agreement"] == [{"devices": list(DEVICES), "kendall_tau": None, "spearman_rho": None}]
    assert math.isnan(oracle.rank(["R-56"], DEVICES).kendall_tau[DEVICES])


def test_what_does_not_fit_the_memory_is_said(run: Run) -> None:
    done = run("rank", "ViT-H-16", "R-56", "-d", "jetson-nano", "-b", "512")
    assert oracle.score("ViT-H-16", ["jetson-nano"], batch_size=512).times["jetson-nano"].fits is False
    assert "Peak memory exceeds that of jetson-nano: ViT-H-16." in done.lines


def test_devices_are_needed(run: Run) -> None:
    done = run("rank", "regnetx")
    assert (done.code, done.out) == (2, "")
    assert done.err == "oracle: error: rank needs a device; say --device NAME (`oracle devices` lists them)\n"


def test_the_configs_devices_serve_if_they_are_the_same(run: Run, tmp_path: Path) -> None:
    for name, device in (("a", "t4"), ("b", "t4"), ("c", "l4")):
        (tmp_path / f"{name}.yaml").write_text(f"_BASE_: R-56\nCOST: {{DEVICES: [{device}]}}\n", encoding="utf-8")
    assert order_in(run("rank", "a.yaml", "b.yaml").out, "t4") == ["a", "b"]
    done = run("rank", "a.yaml", "c.yaml")
    assert (done.code, done.out) == (2, "")
    assert "COST.DEVICES differ" in done.err


def test_two_device_files_of_one_name_are_an_error(run: Run, tmp_path: Path) -> None:
    for folder, bandwidth in (("a", 10), ("b", 20)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "board.yaml").write_text(
            f"TITLE: T\nKIND: tpu\nVECTOR: {{FP32_TFLOPS: 1}}\nBANDWIDTH_GBPS: {bandwidth}\n",
            encoding="utf-8",
        )
    done = run("rank", "R-56", "-d", "a/board.yaml", "-d", "b/board.yaml")
    assert done.code == 2
    assert "device='b/board.yaml': another device given is called 'board'" in done.err


def test_a_device_that_cannot_run_a_decoder_ranks_the_others(run: Run) -> None:
    done = run("rank", "Llama-3.2-1B", "R-56", "R-110", "-d", "t4", "--keep-going", "--format", "csv")
    assert done.code == 2
    assert "Llama-3.2-1B: device='t4' has no matrix peak for dtype='bfloat16'" in done.err
    assert [row["network"] for row in csv.DictReader(io.StringIO(done.out))] == ["R-56", "R-110"]


def test_networks_of_another_workload_are_named_and_not_ranked(run: Run) -> None:
    done = run("rank", "Llama-3.2-1B", "R-56", "R-110", "-d", "h100-sxm", "--keep-going", "--format", "csv")
    assert done.code == 2
    assert "Llama-3.2-1B: dtype='bfloat16', where most have 'float32': not ranked among them" in done.err
    assert len(list(csv.DictReader(io.StringIO(done.out)))) == 2
    done = run("rank", "Llama-3.2-1B", "R-56", "-d", "h100-sxm")
    assert done.code != 0
    assert "expected one workload for all" in done.err
