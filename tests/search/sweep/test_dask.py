"""Sweeps on a real cluster of dask.distributed on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import MissingDependencyError, OracleError
from search.space import space_of
from search.sweep import sweep
from tests.search.sweep import small

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")

SETUP = small.SETUP | {"NUM_SAMPLES": 600}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """Two worker processes, restarted by their nannies when they die."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        local_directory=str(tmp_path / "dask"),
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_a_cluster_that_loses_a_worker_half_way_writes_what_one_process_writes(cluster: Any, tmp_path: Path) -> None:
    space = space_of({"SETUP": SETUP}, "small")
    expected = sweep(space, ["t4"], out=tmp_path / "alone")
    workers = {worker.pid for worker in cluster.workers.values()}
    assert len(workers) == 2
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done >= total // 2 and not killed:
            killed.append(min(workers))
            os.kill(killed[0], signal.SIGKILL)

    result = sweep(space, ["t4"], out=tmp_path / "out", dask=cluster.scheduler_address, progress=kill_one)
    assert len(killed) == 1
    assert result.files[0].read_bytes() == expected.files[0].read_bytes()
    assert result.tally == expected.tally
    with distributed.Client(cluster) as client:
        again = sweep(space, ["t4"], out=tmp_path / "executor", executor=client.get_executor(), workers=2)
    assert again.files[0].read_bytes() == expected.files[0].read_bytes()


def test_an_address_where_nobody_is(tmp_path: Path) -> None:
    space = space_of({"SETUP": SETUP}, "small")
    impatient = distributed.worker.dask.config.set({"distributed.comm.timeouts.connect": "200ms"})
    with impatient, pytest.raises(OracleError, match=r"dask='tcp://127\.0\.0\.1:1': no scheduler answers"):
        sweep(space, out=tmp_path / "out", dask="tcp://127.0.0.1:1")


def test_without_dask_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    space = space_of({"SETUP": SETUP}, "small")
    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[dask\]'"):
        sweep(space, out=tmp_path / "out", dask="tcp://127.0.0.1:1")
