"""Sweeps on a Ray cluster on this machine, where Ray is installed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import MissingDependencyError, OracleError
from search.sweep.executors import in_order, ray_executor, submitted
from tests.search.sweep.small import run


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two CPUs, started once for all tests."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv(
            "PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")]))
        )
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray
        ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_a_cluster_writes_what_one_process_writes(tmp_path: Path) -> None:
    expected = run(tmp_path / "alone")
    result = run(tmp_path / "out", ray="auto")
    assert result.files[0].read_bytes() == expected.files[0].read_bytes()
    assert result.tally == expected.tally


class Once:
    """Kills its process the first time that it is at 3."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, index: int) -> int:
        if index == 3:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return index
            os.kill(os.getpid(), signal.SIGKILL)
        return index


class Refuses:
    def __call__(self, index: int) -> int:
        if index == 2:
            raise OracleError("chunk 2 cannot be scored")
        return index


def results(function: Any) -> Any:
    """What makes results by the cluster."""

    def made(indices: range) -> Any:
        with ray_executor("auto") as (executor, workers):
            yield from submitted(lambda: _Open(executor), workers, function, indices)

    return made


class _Open:
    def __init__(self, executor: Any) -> None:
        self.executor = executor

    def __enter__(self) -> Any:
        return self.executor

    def __exit__(self, *_: object) -> None:
        """It stays open."""


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    assert list(in_order(results(Once(str(tmp_path / "killed"))), range(12))) == list(range(12))
    assert (tmp_path / "killed").exists()


@pytest.mark.usefixtures("cluster")
def test_what_a_chunk_raises_is_raised_as_it_was() -> None:
    with pytest.raises(OracleError, match=r"^chunk 2 cannot be scored$"):
        list(in_order(results(Refuses()), range(40)))


@pytest.mark.usefixtures("cluster")
def test_what_nobody_waits_for_is_cancelled() -> None:
    with ray_executor("auto") as (executor, _):
        futures = [executor.submit(Refuses(), index) for index in range(3, 40)]
        for future in futures:
            future.cancel()
        assert executor.submit(Refuses(), 5).result(60) == 5


def test_without_ray_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[ray\]'"):
        run(tmp_path / "out", ray="local")
