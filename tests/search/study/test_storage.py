from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from oracle.errors import MissingDependencyError, OracleError
from search.study import StudyPlan, open_results, run_study
from search.study.labels import storage_label
from search.study.storage import Journal, open_storage


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_cut_short_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    study = optuna.create_study(storage=JournalStorage(Journal(str(path))), study_name="s")
    study.tell(study.ask(), 1.0)
    whole = records(path)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","stu')
    again = optuna.load_study(storage=JournalStorage(Journal(str(path))), study_name="s")
    again.tell(again.ask(), 2.0)
    assert records(path)[: len(whole)] == whole  # every line parses, and none is lost
    read = optuna.load_study(storage=JournalStorage(Journal(str(path))), study_name="s")
    assert [trial.value for trial in read.trials] == [1.0, 2.0]


def test_a_file_with_nothing_but_a_cut_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(b"{" + b" " * 10_000)
    optuna.create_study(storage=JournalStorage(Journal(str(path))), study_name="s")
    assert records(path)[0]["study_name"] == "s"


def test_optuna_itself_reads_our_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    study = optuna.create_study(storage=JournalStorage(Journal(str(path))), study_name="s")
    study.tell(study.ask({"x": optuna.distributions.IntDistribution(1, 5)}), 1.0)
    theirs = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="s")
    assert theirs.best_params == study.best_params


def _append(path: Path, mark: int) -> None:
    journal = Journal(str(path))
    for number in range(10_000):
        journal.append_logs([{"op_code": 2, "mark": mark, "number": number}])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="writers are forked, which this system cannot do")
def test_writers_killed_at_any_moment_leave_whole_lines_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    writers = [
        multiprocessing.get_context("fork").Process(target=_append, args=(path, mark), daemon=True) for mark in range(4)
    ]
    path.touch()
    for writer in writers:
        writer.start()
    draw = random.Random(0)
    for writer in writers:
        time.sleep(0.1 + draw.random() / 10)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    import fcntl

    with Path(f"{path}.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error where somebody holds it
    Journal(str(path)).append_logs([{"op_code": 2, "mark": 9, "number": 0}])
    lines = records(path)
    for mark in range(4):
        numbers = [line["number"] for line in lines if line["mark"] == mark]
        assert numbers == list(range(len(numbers)))
    assert lines[-1]["mark"] == 9


def _pop(storage: str, found: multiprocessing.SimpleQueue[list[int]]) -> None:
    study = optuna.load_study(storage=open_storage(storage), study_name="s")
    numbers = []
    for _ in range(20):
        trial = study.ask()
        if "waiting" in trial.user_attrs:
            numbers.append(trial.number)
    found.put(numbers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked, which this system cannot do")
@pytest.mark.parametrize("scheme", ["sqlite:///", ""])
def test_a_waiting_trial_goes_to_one_worker(tmp_path: Path, scheme: str) -> None:
    storage = f"{scheme}{tmp_path}/a.db"
    study = optuna.create_study(storage=open_storage(storage), study_name="s")
    for _ in range(40):
        study.enqueue_trial({}, user_attrs={"waiting": True})
    fork = multiprocessing.get_context("fork")
    found: multiprocessing.SimpleQueue[list[int]] = fork.SimpleQueue()
    workers = [fork.Process(target=_pop, args=(storage, found), daemon=True) for _ in range(4)]
    for worker in workers:
        worker.start()
    numbers = [number for _ in workers for number in found.get()]
    for worker in workers:
        worker.join()
    assert sorted(numbers) == list(range(40))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("sqlite:////nowhere/at/all.db", "cannot be opened"),
        ("postgresql+psycopg2://me:secret@127.0.0.1:1/x", "postgresql+psycopg2://me@127.0.0.1:1/x"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql://me@127.0.0.1:1/x"),
        ("nosql://x", "cannot be opened"),
        ("grpc://nowhere", "expected grpc://host:port"),
        ("/proc/nothing/a.journal", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_says_so_without_a_password(source: str, words: str) -> None:
    with pytest.raises(OracleError) as error:
        open_storage(source)
    assert words in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    monkeypatch.setattr("search.study.storage._ANSWER_S", 0.2)
    with pytest.raises(OracleError, match=r"grpc://127\.0\.0\.1:1 cannot be opened"):
        open_storage("grpc://127.0.0.1:1")


@pytest.mark.parametrize(
    ("installed", "url", "expected"),
    [
        ("psycopg psycopg2", "postgresql://a:b@h/d", "postgresql+psycopg://a:b@h/d"),
        ("psycopg2", "postgresql://a:b@h/d", "postgresql+psycopg2://a:b@h/d"),
        ("pymysql", "mysql://a:b@h/d?charset=utf8", "mysql+pymysql://a:b@h/d?charset=utf8"),
        ("pymysql", "mysql+mysqlconnector://h/d", "mysql+mysqlconnector://h/d"),
    ],
)
def test_a_url_gets_a_driver_that_is_installed_and_is_passed_on_otherwise_unchanged(
    monkeypatch: pytest.MonkeyPatch, installed: str, url: str, expected: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("search.study.storage.find_spec", lambda name: name if name in installed.split() else None)
    monkeypatch.setattr("search.study.storage._tables", opened.append)
    open_storage(url)
    assert opened == [expected]


def test_no_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.study.storage.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="mysql://me@h/d needs a driver; pip install 'mysqlclient'"):
        open_storage("mysql://me:secret@h/d")


def test_labels() -> None:
    assert storage_label("mysql://me:secret@host/db") == "mysql://me@host/db"
    assert storage_label("a/b.journal") == "a/b.journal"


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "notes.journal"
    path.write_text("this is\nno journal\n")
    with pytest.raises(OracleError, match="no journal of optuna"):
        open_storage(str(path))


def test_a_long_journal_opens_and_goes_on(tmp_path: Path, make_plan: Callable[..., StudyPlan]) -> None:
    path = tmp_path / "long.journal"
    run_study(make_plan(TRIALS=2), str(path))
    lines = path.read_text().splitlines()
    worker = json.loads(lines[-1])["worker_id"]
    rejected = {
        "op_code": 4,
        "worker_id": worker,
        "study_id": 0,
        "datetime_start": "2026-01-01T00:00:00.000000+00:00",
        "datetime_complete": "2026-01-01T00:00:01.000000+00:00",
        "state": 1,
        "value": None,
        "values": [1.0, 1.0],
        "distributions": {},
        "params": {},
        "user_attrs": {"outcome": "rejected"},
        "system_attrs": {"constraints:params": 0.5},
        "intermediate_values": {},
    }
    with path.open("a") as file:
        file.write((json.dumps(rejected) + "\n") * 20_000)
    results = run_study(make_plan(TRIALS=4), str(path))
    assert len(results.trials) == 20_004
    assert len(open_results("small", str(path)).evaluated) == 4


def test_grpc_proxy(tmp_path: Path, make_plan: Callable[..., StudyPlan]) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    from optuna.storages._grpc.server import make_server

    backend = open_storage(str(tmp_path / "a.journal"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = make_server(backend, "127.0.0.1", port)
    server.start()
    try:
        results = run_study(make_plan(TRIALS=3), f"grpc://127.0.0.1:{port}")
        assert len(results.evaluated) == 3
    finally:
        server.stop(None)
    assert len(open_results("small", str(tmp_path / "a.journal")).evaluated) == 3
