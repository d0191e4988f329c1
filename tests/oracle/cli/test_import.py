"""`oracle import`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import oracle
from oracle.calibration import load_calibration
from oracle.measure import read_measurements

Run = Callable[..., Any]

FIXTURES = Path(__file__).parents[1] / "imports" / "fixtures"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two calls of a small network with two images on this CPU, warm and in one thread: its host may be busy."""
    module = oracle.initialise(oracle.build(oracle.to_spec(oracle.load_cfg("NB201-ResNet"))), "cpu").eval()
    path = tmp_path_factory.mktemp("trace") / "t.json"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        module(torch.randn(2, 3, 32, 32))
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            for _ in range(2):
                module(torch.randn(2, 3, 32, 32))
    torch.set_num_threads(threads)
    profiler.export_chrome_trace(str(path))
    return str(path)


def test_kernels_of_nsight_compute(run: Run) -> None:
    done = run("import", str(FIXTURES / "wide.csv"))
    assert (done.code, done.err) == (0, "")
    assert "flash_fwd" in done.out
    assert "Roofs: NVIDIA H100 80GB HBM3." in done.out  # the file knows its board
    assert "No flops: matrix: sm__ops_path_tensor_src_bf16_dst_fp32 not available." in done.out
    assert all(len(line) <= 100 for line in done.lines)


def test_a_missing_counter_is_no_zero(run: Run) -> None:
    (row,) = csv.DictReader(io.StringIO(run("import", str(FIXTURES / "unavailable.csv"), "--format", "csv").out))
    for name in ("time_s", "flops", "dram_bytes", "achieved_flops_per_s", "achieved_bytes_per_s", "roof_share"):
        assert row[name] == ""
    assert "needs gpu__time_duration.sum" in row["missing"]
    data = json.loads(run("import", str(FIXTURES / "unavailable.csv"), "--format", "json").out)
    assert data["kernels"][0]["dram_bytes"] is None
    out = run("import", str(FIXTURES / "unavailable.csv")).out
    (line,) = (line for line in out.splitlines() if line.startswith("saxpy"))
    assert line.split() == ["saxpy", "-", "1", "-", "-", "-", "-"]


def test_a_trace_without_a_network(run: Run) -> None:
    done = run("import", str(FIXTURES / "trace.json"), "-d", "a100-sxm-40gb", "--format", "csv")
    conv, gemm = csv.DictReader(io.StringIO(done.out))
    assert float(conv["flops"]) == 2 * (8 * 64 * 56 * 56) * (64 * 3 * 3)
    assert (gemm["operator"], gemm["dram_bytes"]) == ("aten::addmm", "")


def test_a_trace_becomes_measurements_and_a_calibration(run: Run, trace: str, tmp_path: Path) -> None:
    words = ("import", trace, "-d", "i9-10940x", "--network", "NB201-ResNet", "-b", "2")
    done = run(*words, "--measurements", "m.csv", "--fit", "my.yaml", "--top", "3")
    assert (done.code, done.err) == (0, "")
    for word in ("By class, the slowest first", "The 3 slowest of", "of roof", "GB/s"):
        assert word in done.out
    assert all(len(line) <= 100 for line in done.lines)
    (row,) = read_measurements(tmp_path / "m.csv")
    assert (row.network, row.device, row.workload.batch_size, row.repeats) == ("NB201-ResNet", "i9-10940x", 2, 2)
    assert load_calibration(tmp_path / "my.yaml").device == "i9-10940x"
    again = run("score", "NB201-ResNet", "-d", "i9-10940x", "--calibration", "my.yaml")
    assert (again.code, again.err) == (0, "")
    assert run("calibrate", "-d", "i9-10940x", "--measurements", "m.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").out)))
    cost = oracle.score("NB201-ResNet", batch_size=2)
    assert sum(int(row["flops"]) for row in rows) == cost.flops


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("none.csv",), "none.csv: cannot be read"),
        (("none.json",), "none.json: cannot be read"),
        ((str(FIXTURES / "wide.csv"), "--network", "R-56"), "--network needs a trace"),
        ((str(FIXTURES / "trace.json"), "--fit", "a.yaml"), "need --network"),
        ((str(FIXTURES / "trace.json"), "--network", "R-56"), "the trace holds 0% of the network's MACs"),
        ((str(FIXTURES / "trace.json"), "-d", "abacus"), "abacus"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_imported_is_one_line(run: Run, arguments: Sequence[str], complaint: str) -> None:
    done = run("import", *arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert complaint in done.err


def test_a_measurement_needs_to_know_where(run: Run, trace: str) -> None:
    done = run("import", trace, "--network", "NB201-ResNet", "-b", "2", "--measurements", "m.csv")
    assert (done.code, "need --device" in done.err) == (2, True)


def test_networks_of_a_report_that_nothing_here_is_called_are_named(run: Run, tmp_path: Path) -> None:
    report, out = str(FIXTURES / "engines" / "benchncnn.txt"), str(tmp_path / "m.csv")
    done = run("import", report, "-d", "rpi4", "--network", "resnet50=ResNet-50", "--measurements", out)
    assert done.code == 0
    assert "warning: no network here is called squeezenet, squeezenet_int8: --network NAME=NET" in done.err
