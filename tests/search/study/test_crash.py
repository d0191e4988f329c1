"""Workers on one study, one of them killed in the middle of an evaluation: on a journal file, SQLite, PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import OracleError
from search.study import Results, StudyPlan, join_study, open_results, run_study, workers
from search.study.store import plan_of

Make = Callable[..., StudyPlan]

QUALITY = {"OBJECTIVES": ["maximise quality", "minimise latency_ms@t4"], "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"}}
# A fork has everything imported already; the closed forms need no threads of torch.
fork = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
pytestmark = pytest.mark.skipif(fork is None, reason="workers are forked, which this system cannot do")


def _quality(log: Path, victim: bool) -> Callable[[Any, Any, Any], float]:
    """Writes down when it begins and ends; that of the victim never ends, and the others wait until it has begun."""

    def evaluate(spec: Any, builder: Any, evaluation: Any) -> float:
        with log.open("a") as file:
            file.write(f"begin {evaluation.number} {'victim' if victim else 'worker'}\n")
        if victim:
            time.sleep(600)
        _wait_for(log)
        time.sleep(0.05)
        with log.open("a") as file:
            file.write(f"end {evaluation.number} {evaluation.config}\n")
        return float(evaluation.scores["macs"] / 1e6)

    return evaluate


def _wait_for(log: Path) -> None:
    end = time.monotonic() + 600
    while "victim" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.02)


def _work(storage: str, log: Path, victim: bool) -> None:
    join_study("small", storage, quality=_quality(log, victim))


def _survives(storage: str, plan: StudyPlan, tmp_path: Path) -> None:
    """Four workers, one killed with -9: nothing lost, nothing doubled, its trial tried again, all trials done."""
    assert fork is not None
    log = tmp_path / "log"
    log.write_text("victim\n")
    run_study(plan, storage, quality=_quality(log, victim=False))  # makes the study
    log.write_text(log.read_text().removeprefix("victim\n"))
    wanted = plan.trials + 16
    study = open_results("small", storage).study
    study.set_user_attr("plan", {**study.user_attrs["plan"], "TRIALS": wanted})
    assert plan_of(study).trials == wanted
    workers = [fork.Process(target=_work, args=(storage, log, number == 0), daemon=True) for number in range(4)]
    for worker in workers:
        worker.start()
    _wait_for(log)
    lost = next(int(line.split()[1]) for line in log.read_text().splitlines() if line.endswith("victim"))
    os.kill(workers[0].pid or 0, signal.SIGKILL)
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL, 0, 0, 0]

    results = open_results("small", storage)
    assert results.trials[lost].outcome == "lost"
    retried = next(r for r in results.trials if results.study.trials[r.number].user_attrs.get("retry_of") == lost)
    assert retried.origin == "retry"
    assert retried.config == results.trials[lost].config
    assert retried.outcome in ("evaluated", "reused", "busy")  # the others: another worker came upon it first
    assert len(results.evaluated) == wanted
    keys = Counter(record.key for record in results.evaluated)
    assert max(keys.values()) == 1
    assert keys[results.trials[lost].key] == 1
    lines = [line.split(maxsplit=2) for line in log.read_text().splitlines()]
    ended = [int(number) for word, number, _ in lines if word == "end"]
    assert sorted(ended) == sorted(record.number for record in results.evaluated)  # none lost, none doubled
    started = [int(number) for word, number, _ in lines if word == "begin"]
    assert sorted(started) == sorted([*ended, lost])
    assert not [record for record in results.trials if record.outcome == "" and record.state.name == "RUNNING"]


@pytest.mark.parametrize("sampler", ["pool", "tpe", "random"])
def test_journal_file(tmp_path: Path, make_plan: Make, sampler: str) -> None:
    plan = make_plan(**QUALITY, SAMPLER={"TYPE": sampler, "STARTUP": 4}, CONSTRAINTS=["params <= 60e3"], TRIALS=2)
    _survives(str(tmp_path / "study.journal"), plan, tmp_path)


def test_sqlite(tmp_path: Path, make_plan: Make) -> None:
    plan = make_plan(**QUALITY, CONSTRAINTS=["params <= 60e3"], TRIALS=2)
    _survives(f"sqlite:///{tmp_path}/study.db", plan, tmp_path)


def test_postgresql(tmp_path: Path, make_plan: Make, server: Server) -> None:
    plan = make_plan(**QUALITY, SAMPLER={"TYPE": "tpe", "STARTUP": 4}, CONSTRAINTS=["params <= 60e3"], TRIALS=2)
    _survives(server.url, plan, tmp_path)


def test_a_server_that_stops_is_lost_in_a_line_and_gone_on_with(make_plan: Make, server: Server) -> None:
    met: list[Any] = []

    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        met.append(evaluation.config)
        if len(met) == 4:
            server.stop()
        return float(len(met))

    plan = make_plan(**QUALITY, TRIALS=6)
    with pytest.raises(OracleError, match="lost contact with the storage postgresql") as error:
        run_study(plan, server.url, quality=quality)
    assert "trials that were finished are in it, and what was under way is tried again" in str(error.value)
    assert str(error.value).endswith(f"oracle-search resume small --storage {server.url}")
    assert "\n" not in str(error.value)
    with pytest.raises(OracleError, match="cannot be opened"):
        run_study(plan, server.url, quality=quality)
    server.start()
    # A worker of this process would be taken for alive: the trial that was under way is given up by another one.
    results = _elsewhere(server.url)
    outcomes = Counter(record.outcome for record in results.trials)
    assert outcomes["evaluated"] == 6
    assert outcomes["lost"] == 1
    assert len({record.key for record in results.evaluated}) == 6


def _elsewhere(url: str) -> Results:
    assert fork is not None
    worker = fork.Process(target=_join, args=(url,), daemon=True)
    worker.start()
    worker.join(120)
    assert worker.exitcode == 0
    return open_results("small", url)


def _join(url: str) -> None:
    dead, workers.is_alive = workers.is_alive, lambda worker: worker == workers.this_worker()
    try:
        join_study("small", url, quality=lambda spec, builder, evaluation: 1.0, accept_changed_quality=True)
    finally:
        workers.is_alive = dead


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of our own: its URL, and how it is stopped and started again."""

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]


@pytest.fixture
def server() -> Iterator[Server]:
    """On a port of its own; its files belong to a user that is not root."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not homes:
        pytest.skip("PostgreSQL is not installed")
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if user and not shutil.which("runuser"):
        pytest.skip("PostgreSQL refuses to run as root, and there is no runuser")
    home, data = homes[-1], Path("/tmp") / f"pg-{os.getpid()}-{time.time_ns()}"  # noqa: S108 - nobody must get there
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"

    def call(*command: str) -> None:
        subprocess.run([*user, *command], check=True, cwd="/", capture_output=True, timeout=120)

    try:
        call(str(home / "initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8")
        control = (str(home / "pg_ctl"), "-D", str(data), "-w")

        def start() -> None:
            call(*control, "-l", str(data / "log"), "-o", options, "start")

        def stop() -> None:
            call(*control, "-m", "immediate", "stop")

        start()
        yield Server(f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres", stop, start)
        stop()
    finally:
        shutil.rmtree(data, ignore_errors=True)
