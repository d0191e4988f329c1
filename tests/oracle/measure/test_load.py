"""Other work on the processors that we measure on: what the system counts, and when threads of ours wait for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import oracle
from oracle.measure import load
from oracle.measure.load import Reading, busy_s, crowding, reading

# proc_stat(5), the first lines of a machine of four CPUs: user nice system idle iowait irq softirq steal guest guest_nice
STAT = """\
cpu  1000 40 200 9000 50 6 14 30 100 0
cpu0 400 10 100 2000 20 2 4 10 100 0
cpu1 300 10 50 2400 10 2 4 10 0 0
cpu10 7 7 7 7 7 7 7 7 7 7
intr 33 1 2
"""


def test_what_is_busy_is_what_is_not_idle_of_the_cpus_that_we_may_use() -> None:
    assert busy_s(STAT, {0}, 0.01) == pytest.approx(5.26)  # guests are counted by the kernel within user
    assert busy_s(STAT, {0, 1}, 0.01) == pytest.approx(5.26 + 3.76)
    assert busy_s(STAT, {1, 10}, 0.01) == pytest.approx(3.76 + 0.42)
    assert busy_s(STAT, {7}, 0.01) == 0.0


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc on this system")
def test_a_reading_of_this_host_counts_what_we_do() -> None:
    before = reading()
    sum(range(5_000_000))
    after = reading()
    assert before is not None
    assert after is not None
    assert after.wall_s > before.wall_s
    assert after.own_s > before.own_s
    assert after.busy_s >= before.busy_s > 0


@pytest.mark.parametrize(
    ("others", "threads", "cpus", "crowded"),
    [
        (0.0, 2, 2, False),
        (0.1, 2, 2, False),  # a daemon
        (0.5, 2, 2, True),
        (2.0, 2, 4, False),  # they have their own CPUs
        (2.5, 2, 4, True),
        (3.0, 1, 4, False),
        (3.2, 1, 4, True),
        (0.5, 4, 2, True),  # more threads than CPUs
        (-0.1, 2, 2, False),  # the system counts in ticks
    ],
)
def test_threads_wait_where_others_use_what_they_leave_too_little_of(
    others: float, threads: int, cpus: int, crowded: bool
) -> None:
    before, after = Reading(5.0, 100.0, 3.0), Reading(15.0, 100.0 + 10 * (others + 1.5), 3.0 + 10 * 1.5)
    message = crowding(before, after, threads, cpus)
    assert bool(message) == crowded
    assert (f"other work used {others:.1f} of {cpus} CPUs" in message) == crowded
    assert not crowding(before, after._replace(wall_s=5.05), threads, cpus)  # too short to tell


def readings(others: float) -> Iterator[Reading]:
    wall = 0.0
    while True:
        yield Reading(wall, wall * (1.0 + others), wall)
        wall += 10.0


@pytest.mark.parametrize(
    ("others", "words", "said"),
    [
        (64.0, {"threads": 1}, ["measure on an idle machine, or with --threads 1 --clock cpu"]),
        (0.0, {"threads": 1}, []),
        (64.0, {"threads": 1, "clock": "cpu"}, []),  # which leaves out what others took
    ],
)
def test_measuring_beside_other_work_is_said_once(
    others: float,
    words: dict[str, object],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(load, "reading", readings(others).__next__)
    monkeypatch.setattr(load, "affinity", lambda: tuple(range(4)))
    with caplog.at_level(logging.WARNING, "oracle"):
        oracle.measure("R-56", repeats=1, block_s=0.001, **words)
    assert len(caplog.records) == len(said)
    assert all(part in caplog.text for part in said)


def test_where_the_system_says_nothing_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(load, "_STAT", Path("nowhere"))
    assert reading() is None
    oracle.measure("R-56", repeats=1, block_s=0.001)
    assert not caplog.records
