"""Sweeps by joblib: the files are those of one process, whatever the backend and whoever dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import MissingDependencyError, OracleError, WorkloadError
from search.sweep.executors import in_order, joblib_results
from tests.search.sweep.small import run

joblib = pytest.importorskip("joblib", reason="joblib is not installed")


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_backend_writes_what_one_process_writes(tmp_path: Path, backend: str) -> None:
    expected = run(tmp_path / "alone")
    with joblib.parallel_config(backend, n_jobs=2):
        result = run(tmp_path / "out", joblib=True)
    assert result.files[0].read_bytes() == expected.files[0].read_bytes()
    assert result.tally == expected.tally


class Interruption(Exception):  # noqa: N818 - it is none of ours
    pass


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done >= total // 2:
            raise Interruption

    with pytest.raises(Interruption):
        run(tmp_path / "out", joblib=True, workers=2, progress=stop)
    result = run(tmp_path / "out", joblib=True, workers=2, resume=True)
    assert result.files[0].read_bytes() == run(tmp_path / "alone").files[0].read_bytes()


def once(path: str, index: int) -> int:
    """Kills its process the first time that it is at 3."""
    if index == 3:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return index
        os.kill(os.getpid(), signal.SIGKILL)
    return index


class Once:
    """`once`, as a value that every worker can load."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, index: int) -> int:
        return once(self.path, index)


class Always:
    def __call__(self, index: int) -> int:
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    def results(indices: range) -> Any:
        return joblib_results(2, Once(str(tmp_path / "killed")))(indices)

    assert list(in_order(results, range(12))) == list(range(12))
    assert (tmp_path / "killed").exists()


def test_a_worker_killed_again_and_again_is_an_error() -> None:
    found: list[int] = []
    with pytest.raises(OracleError, match=r"chunk 3: its worker was killed 3 times"):
        found += in_order(joblib_results(2, Always()), range(6))
    assert found == [0, 1, 2]


def test_the_chunk_that_kills_its_worker_is_named() -> None:
    """Whatever a dying pool takes with it: here all that was under way beside chunk 3."""
    asked: list[range] = []

    def results(indices: range) -> Generator[int, None, None]:
        asked.append(indices)
        if 3 in indices:
            raise BrokenExecutor
        yield from indices

    found: list[int] = []
    with pytest.raises(OracleError, match=r"chunk 3: its worker was killed 3 times"):
        found += in_order(results, range(6))
    assert found == [0, 1, 2]
    assert asked[-2:] == [range(3, 4)] * 2


def test_one_place_to_work_at(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="ray and joblib: expected one of them"):
        run(tmp_path / "out", joblib=True, ray="local")


def test_without_joblib_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[joblib\]'"):
        run(tmp_path / "out", joblib=True)
