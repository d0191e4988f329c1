"""Processors at some of their threads (oracle/devices/threads.py, oracle/query/running.py, calibration/threading.py)."""

from __future__ import annotations

import pytest

import oracle
from oracle.calibration.threading import ALIKE, Threading, at_cores
from oracle.devices import load_device
from oracle.devices.threads import at_threads, core_count
from oracle.errors import WorkloadError
from oracle.query.running import arithmetic_of, run_on
from oracle.roofline import Efficiency
from oracle.spec import Workload

PHONE = load_device("snapdragon-888")  # one Cortex-X1, three A78, four A55


def test_threads_take_the_fastest_cores_first() -> None:
    """By hand: X1 2.84 GHz x 32, A78 2.42 x 16, A55 1.8 x 8 FLOP per cycle."""
    x1, a78, a55 = 2.84e9 * 32, 2.42e9 * 16, 1.8e9 * 8
    expected = {1: x1, 2: x1 + a78, 4: x1 + 3 * a78, 6: x1 + 3 * a78 + 2 * a55, 8: x1 + 3 * a78 + 4 * a55}
    found = {threads: at_threads(PHONE, threads).vector["float32"].value for threads in expected}
    assert found == pytest.approx(expected, rel=1e-12)


def test_by_default_all_performance_cores_run_and_no_little_one() -> None:
    assert at_threads(PHONE, 0).vector == at_threads(PHONE, 4).vector == PHONE.vector
    zero = load_device("raspberry-pi-zero-2")  # which has little ones only
    assert at_threads(zero, 0) == at_threads(zero, 4)


def test_one_core_reads_less_than_all() -> None:
    board = load_device("raspberry-pi-5")
    bandwidths = [at_threads(board, threads).peak_bandwidth() for threads in (1, 2, 4)]
    assert bandwidths[0] < board.peak_bandwidth()
    assert bandwidths == sorted(bandwidths)
    assert bandwidths[-1] == board.peak_bandwidth()


def test_more_threads_than_cores_are_an_error_that_counts_them() -> None:
    assert core_count(PHONE) == 8
    with pytest.raises(WorkloadError, match=r"threads=9.*snapdragon-888.*8 cores"):
        at_threads(PHONE, 9)


def test_devices_without_cores_have_no_threads() -> None:
    gpu = load_device("t4")
    assert at_threads(gpu, 7) is gpu
    assert at_threads(PHONE, 2) is at_threads(PHONE, 2)  # one object: what is worked out for a device is kept


def test_score_and_score_many_agree_at_threads() -> None:
    net = oracle.to_spec(oracle.load_cfg("RegNetX-200MF"))
    cost = oracle.score(net, ["raspberry-pi-4", "t4"], threads=2)
    many = oracle.score_many([net], ["raspberry-pi-4", "t4"], threads=2)
    for device in ("raspberry-pi-4", "t4"):
        assert many.latency_ms[device][0] == cost.latency_ms[device]
        assert many.roofline_ms[device][0] == cost.roofline_ms[device]
    alone = oracle.score(net, ["raspberry-pi-4", "t4"], threads=1)
    assert alone.roofline_ms["raspberry-pi-4"] > 1.5 * cost.roofline_ms["raspberry-pi-4"]
    assert alone.roofline_ms["t4"] == cost.roofline_ms["t4"]


def test_ncnn_chooses_the_arithmetic_of_floats() -> None:
    pi4, pi5 = load_device("raspberry-pi-4"), load_device("raspberry-pi-5")
    words = [Workload(dtype=dtype, runtime="engine", engine="ncnn") for dtype in ("float32", "float16")]
    assert [arithmetic_of(pi4, workload) for workload in words] == ["float32"] * 2
    assert [arithmetic_of(pi5, workload) for workload in words] == ["float16"] * 2
    assert arithmetic_of(pi5, Workload(runtime="engine")) == "float32"
    there = run_on(pi5, words[0])
    assert there.vector["float32"].value == pi5.vector["float16"].value
    assert there.peak_bandwidth() == 2 * pi5.peak_bandwidth()  # of bytes that are counted as float32's
    assert run_on(pi4, words[1]).peak_bandwidth() == at_threads(pi4, 0).peak_bandwidth() / 2


def test_shares_and_launches_change_with_cores_as_told() -> None:
    """By hand, four threads of X1 and A78: slowest 38.72, sum 207.04 GFLOP/s."""
    own = Efficiency(compute={"conv": 0.5}, launches={"conv": 1e-3}, call_s=2e-3)
    threading = Threading(clock=1e9, serial=0.1, uneven=1.0, barrier=0.5)
    found = at_cores(own, threading, at_threads(PHONE, 4))
    assert found.compute["conv"] == pytest.approx(0.5 * (4 * 38.72 / 207.04) / 1.3)
    assert found.launches["conv"] == pytest.approx(1e-3 / 2.84 * (1 + 0.5 * 2))
    assert found.call_s == pytest.approx(2e-3 / 2.84)
    one, four = at_threads(PHONE, 1), at_threads(PHONE, 4)
    back = at_cores(found, threading, one, four)  # what four reach, moved to one, is what one reaches
    assert back.compute == pytest.approx(at_cores(own, threading, one).compute)
    assert back.launches == pytest.approx(at_cores(own, threading, one).launches)
    assert at_cores(own, ALIKE, PHONE) is own
    assert at_cores(own, threading, load_device("t4")) is own
