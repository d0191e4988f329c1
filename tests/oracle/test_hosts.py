"""The hosts that launch kernels: how fast each is, which a device has, and what becomes of latencies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import oracle
from oracle.devices.cores import CORES
from oracle.devices.hosts import COMPILED, HOSTS, SLOTS, dispatch_of, host_of, named_host
from oracle.errors import DeviceError, OracleError, WorkloadError
from tests.each import each

GPU = "rtx-4090"
# What each host takes per operator of networks that wait for nothing else, in seconds: the DenseNets of
# jetson_tensorrt.csv, and NAS-Bench-201 and FBNet at batch 1 (tests.benchmarks.validate, hosts).
MEASURED = {"jetson-nano-cpu": 197e-6, "gold-6226": 46e-6}


def test_hosts_that_were_measured_are_as_fast_as_said() -> None:
    for name, seconds in MEASURED.items():
        assert dispatch_of(named_host(name), "eager") == pytest.approx(seconds, rel=0.2)


def test_a_host_launches_at_the_boost_clock_of_its_fastest_core() -> None:
    """Of two cores of 6 and 5 instructions a cycle, at 4.7 and 1.7 GHz, the first."""
    assert dispatch_of(named_host("i7-12700h"), "eager") == pytest.approx(SLOTS / (6 * 4.7e9))
    assert dispatch_of(named_host("raspberry-pi-5"), "compiled") == pytest.approx(COMPILED * SLOTS / (4 * 2.4e9))
    assert dispatch_of(named_host("raspberry-pi-5"), "engine") == 0
    assert all(1 <= core.width <= 10 for core in CORES.values())


@each({name: name for name in oracle.list_devices()})
def test_every_host_is_a_processor_with_cores(name: str) -> None:
    device = oracle.load_device(name)
    host = host_of(device)
    assert (host is not None) == (device.kind in HOSTS)
    if host is not None:
        assert named_host(host.name).kind.endswith("-cpu")
        assert host.source != "unsourced"


def test_the_host_decides_where_the_gpu_waits_for_it() -> None:
    usual, slow, graphs = (
        oracle.score("R-56", [GPU], dtype="float16", **words)
        for words in ({}, {"host": "jetson-nano-cpu"}, {"cuda_graphs": True})
    )
    ratio = dispatch_of(named_host("jetson-nano-cpu"), "eager") / dispatch_of(named_host("i7-13700k"), "eager")
    call_ms = oracle.score("R-56", [GPU], dtype="float16", batch_size=4096).times[GPU].call_ms
    waits = [cost.latency_ms[GPU] - call_ms for cost in (slow, usual)]
    assert waits[0] / waits[1] == pytest.approx(ratio, rel=1e-3)
    assert usual.times[GPU].host == "i7-13700k (assumed: a desktop of today)"
    assert (slow.times[GPU].host, graphs.times[GPU].host) == ("jetson-nano-cpu", "")
    assert graphs.latency_ms[GPU] < usual.latency_ms[GPU] / 3
    assert graphs.times[GPU].call_ms == pytest.approx(call_ms)
    assert len({(cost.macs, cost.traffic_bytes, cost.roofline_ms[GPU]) for cost in (usual, slow, graphs)}) == 1
    widths = [cost.times[GPU].interval_ms for cost in (slow, usual)]
    assert all(widths)
    named, assumed = (ends[1] / ends[0] for ends in widths if ends)
    assert named < assumed  # it is no longer unknown which host it is


def test_a_large_batch_waits_for_nobody() -> None:
    words = {"dtype": "float16", "batch_size": 256}
    costs = [oracle.score("ResNet-50", [GPU], **words, host=host) for host in ("", "jetson-nano-cpu")]
    assert costs[0].times[GPU] == costs[1].times[GPU]
    assert costs[0].times[GPU].host == ""


def test_engines_and_processors_wait_for_no_host() -> None:
    for device, words in ((GPU, {"engine": "tensorrt"}), ("i9-10940x", {})):
        plain, other = (
            oracle.score("R-56", [device], **words, **more)
            for more in ({}, {"host": "jetson-nano-cpu", "cuda_graphs": True})
        )
        assert plain.latency_ms == other.latency_ms
        assert other.times[device].host == ""


@pytest.mark.parametrize("words", [{"host": "raspberry-pi-4"}, {"cuda_graphs": True}, {"runtime": "compiled"}])
def test_one_and_many_agree(words: dict[str, object]) -> None:
    names = ["R-56", "RegNetX-200MF", "ResNet-50"]
    many = oracle.score_many(names, [GPU, "t4"], batch_size=8, **words)
    for place in (GPU, "t4"):
        one = [oracle.score(name, [place], batch_size=8, **words) for name in names]
        assert many.latency_ms[place].tolist() == [cost.latency_ms[place] for cost in one]
        ends = [cost.times[place].interval_ms for cost in one]
        if place in many.interval_ms:
            assert np.stack(many.interval_ms[place], axis=1).tolist() == [list(end) for end in ends if end]


def test_compiled_takes_a_part_of_eager() -> None:
    eager, compiled, graphs = (
        oracle.score("ResNet-50", [GPU], dtype="float16", **words).latency_ms[GPU]
        for words in ({}, {"runtime": "compiled"}, {"runtime": "compiled", "cuda_graphs": True})
    )
    assert graphs < compiled < eager


def test_a_config_and_a_file_say_so_too(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text(
        "TITLE: A slow host\nKIND: mobile-cpu\nBANDWIDTH_GBPS: 5\n"
        "CORES:\n  - {KIND: cortex-a53, COUNT: 4, CLOCK_MHZ: 600, BOOST_MHZ: [1200, sheet]}\n"
    )
    assert dispatch_of(named_host(str(tmp_path / "host.yaml")), "eager") == pytest.approx(SLOTS / (2 * 1.2e9))
    cfg = oracle.load_cfg("R-56", ["COST.HOST", str(tmp_path / "host.yaml"), "COST.DTYPE", "float16"])
    assert oracle.score(cfg, [GPU]).times[GPU].host == str(tmp_path / "host.yaml")
    assert oracle.workload_of(oracle.load_cfg("R-56", ["COST.CUDA_GRAPHS", True])).cuda_graphs


def test_a_device_file_names_its_host(tmp_path: Path) -> None:
    text = "TITLE: Board\nKIND: embedded-gpu\nVECTOR: {FP32_TFLOPS: 1}\nBANDWIDTH_GBPS: 50\n"
    (tmp_path / "board.yaml").write_text(text + "HOST: raspberry-pi-4\n")
    device = oracle.load_device(tmp_path / "board.yaml")
    assert host_of(device) == oracle.devices.Host("raspberry-pi-4", "unsourced")
    (tmp_path / "board.yaml").write_text(text + "HOST: [raspberry-pi-4, same board, 3]\n")
    with pytest.raises(DeviceError, match=r"HOST=.*expected the name of a processor"):
        oracle.load_device(tmp_path / "board.yaml")


def test_what_is_no_host() -> None:
    with pytest.raises(WorkloadError, match=r"host='t4': expected a processor that states its cores"):
        oracle.score("R-56", [GPU], host="t4")
    with pytest.raises(DeviceError, match="host='i7': device='i7' is unknown"):
        oracle.score("R-56", [GPU], host="i7")
    for words in ({"host": 3}, {"cuda_graphs": 1}):
        with pytest.raises(OracleError, match="expected"):
            oracle.score("R-56", [GPU], **words)  # type: ignore[arg-type]
