"""Sweeps that are interrupted in every way, and go on: the files are those of a sweep that was left alone."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import MissingDependencyError, OracleError
from search.report.manifests import manifest_beside
from search.space import Space, space_of
from search.sweep import SweepResult, sweep
from tests.search.processes import workers_of

ROOT = Path(__file__).resolve().parents[3]
SPACE = """
SETUP:
  NUM_SAMPLES: 300
  CHUNK_SIZE: 25
  SAMPLERS:
    REGNET: {TYPE: regnet_sampler, DEPTH: [6, 9], W0: [16, 48], WA: [8, 32], GROUP_W: [8, 16]}
  CONSTRAINTS:
    CX: {PARAMS: [0, 2.0e+6]}
    REGNET: {NUM_STAGES: [0, 0]}
  BASE_CFG: {MODEL: {TYPE: regnet, NUM_CLASSES: 10}, TRAIN: {IM_SIZE: 32}}
"""
CHUNKS = 12


def space() -> Space:
    import yaml

    return space_of(yaml.safe_load(SPACE), "small")


def run(out: Path, **more: Any) -> SweepResult:
    return sweep(space(), ["t4"], out=out, **more)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> SweepResult:
    """The sweep that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_COST_ORACLE_CACHE", str(cache))
        return run(tmp_path_factory.mktemp("alone") / "out")


def same(one: SweepResult, other: SweepResult) -> bool:
    return one.files[0].read_bytes() == other.files[0].read_bytes() and one.tally == other.tally


class InterruptedSweepError(Exception):
    pass


def after(chunks: int) -> Any:
    """A progress callback that ends the sweep after some chunks."""
    calls = []

    def end(*_: int) -> None:
        calls.append(1)
        if len(calls) == chunks:
            raise InterruptedSweepError

    return end


def interrupted(out: Path, chunks: int = 5, **more: Any) -> None:
    with pytest.raises(InterruptedSweepError):
        run(out, progress=after(chunks), **more)


@pytest.mark.parametrize("chunks", [1, 7, CHUNKS])
def test_it_goes_on_behind_the_last_finished_chunk(tmp_path: Path, alone: SweepResult, chunks: int) -> None:
    interrupted(tmp_path, chunks)
    counted: list[int] = []
    result = run(tmp_path, resume=True, progress=lambda *_: counted.append(1))
    assert len(counted) == CHUNKS - chunks
    assert same(result, alone)


def test_resume_begins_where_there_is_nothing_and_repeats_no_finished_work(tmp_path: Path, alone: SweepResult) -> None:
    assert same(run(tmp_path / "new", resume=True), alone)
    counted: list[int] = []
    assert same(run(tmp_path / "new", resume=True, progress=lambda *_: counted.append(1)), alone)
    assert same(run(tmp_path / "new"), alone)
    assert not counted


def test_an_unfinished_sweep_is_not_overwritten_unasked(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.raises(OracleError, match="holds an unfinished sweep; resume it"):
        run(tmp_path)


def test_wanted_candidates_found_before_the_interruption_are_enough(tmp_path: Path, alone: SweepResult) -> None:
    interrupted(tmp_path / "out", 2, n=40)
    result = run(tmp_path / "out", n=40, resume=True)
    assert result.count == 40
    assert result.files[0].read_text().splitlines() == alone.files[0].read_text().splitlines()[:41]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _flip], ids=["missing", "truncated", "flipped"])
@pytest.mark.parametrize("name", ["000002.csv", "000002.done"])
def test_a_damaged_chunk_and_those_behind_it_are_made_again(
    tmp_path: Path, alone: SweepResult, damage: Any, name: str
) -> None:
    interrupted(tmp_path)
    damage(tmp_path / "parts" / name)
    (tmp_path / "parts" / "000005.csv").write_text("half a li")
    (tmp_path / "parts" / "000005.csv.tmp").write_text("half a li")
    (tmp_path / "candidates.csv.tmp").write_text("half a li")
    counted: list[int] = []
    result = run(tmp_path, resume=True, progress=lambda *_: counted.append(1))
    assert len(counted) == CHUNKS - 2
    assert same(result, alone)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "candidates.csv", "manifest.json"]


def test_a_kill_between_merging_and_saying_so(tmp_path: Path, alone: SweepResult) -> None:
    interrupted(tmp_path, CHUNKS)
    shutil.copy(alone.files[0], tmp_path)
    assert same(run(tmp_path, resume=True), alone)


def test_a_damaged_result_is_made_again(tmp_path: Path, alone: SweepResult) -> None:
    result = run(tmp_path)
    assert same(result, alone)
    _truncate(result.files[0])
    with pytest.raises(OracleError, match="unfinished"):
        run(tmp_path)
    assert same(run(tmp_path, resume=True), alone)


def test_another_sweep_in_the_directory_is_named(tmp_path: Path) -> None:
    interrupted(tmp_path)
    said = {}
    changes: dict[str, dict[str, Any]] = {
        "batch": {"batch_size": 3},
        "n": {"n": 7},
        "samples": {"samples": 700},
        "formats": {"formats": ("csv", "parquet")},
    }
    for name, more in changes.items():
        if name == "formats":
            pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        with pytest.raises(OracleError) as caught:
            run(tmp_path, resume=True, **more)
        said[name] = str(caught.value)
    assert "holds another sweep: workload.batch_size is 1 there and 3 here; choose another" in said["batch"]
    assert "sweep: n is 0 there and 7 here" in said["n"]
    assert "space.SETUP.NUM_SAMPLES is 300 there and 700 here" in said["samples"]
    assert 'formats is ["csv"] there and ["csv", "parquet"] here' in said["formats"]
    with pytest.raises(
        OracleError, match=r"devices\.l4 is not set there and set here; model\.calibrations\.l4 is not set"
    ):
        sweep(space(), ["t4", "l4"], out=tmp_path, resume=True)


FOREIGN = (
    (b'{"half": ', "broken JSON"),
    (b"{}", "expected a key 'identity'"),
    (b"[]", "a value is of another kind than expected"),
    (b'{"identity": [], "complete": true, "counts": [], "tally": 7}', "a value is of another kind than expected"),
    (b"\xff", "no UTF-8 text"),
    (b"[" * 100_000, "nested too deeply"),
)


def test_a_directory_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(OracleError, match=r"is not empty \(thesis.tex\) and holds no sweep"):
        run(tmp_path)
    for content, reason in FOREIGN:
        (tmp_path / "manifest.json").write_bytes(content)
        with pytest.raises(
            OracleError, match=f"manifest.json: not the manifest of a sweep: {reason}.*; choose another"
        ):
            run(tmp_path, resume=True)
        with pytest.raises(OracleError, match=f"manifest.json: cannot be read as the manifest of a sweep: {reason}"):
            manifest_beside(tmp_path / "candidates.csv")
    assert (tmp_path / "thesis.tex").read_text() == "text"


def test_a_path_that_can_be_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OracleError, match="file"):
        run(tmp_path / "file" / "out")


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no file locks on this system")
    interrupted(tmp_path)
    with (tmp_path / ".lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OracleError, match="another process is sweeping into it"):
            run(tmp_path, resume=True)
    assert run(tmp_path, resume=True).count


class Full:
    """A disk on which some files more fit."""

    def __init__(self, files: int) -> None:
        self.left = files

    def fsync(self, _: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("files", [3, 4, 3 * CHUNKS + 1, 3 * CHUNKS + 2])
def test_a_full_disk_is_one_error_and_no_loss(
    tmp_path: Path, alone: SweepResult, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Full(files).fsync)
        with pytest.raises(OracleError, match=r"cannot be written: No space left on device; .* can be resumed"):
            run(tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert same(run(tmp_path / "out", resume=True), alone)


@pytest.mark.parametrize("files", [0, 1, 2])  # the manifest, the candidates of a chunk, and what makes it count
def test_nothing_is_left_of_a_sweep_that_fails_before_its_first_chunk_is_finished(
    tmp_path: Path, alone: SweepResult, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Full(files).fsync)
        with pytest.raises(OracleError, match=r"cannot be written: No space left on device$"):
            run(tmp_path / "deep" / "out")
    assert not list(tmp_path.iterdir())
    assert same(run(tmp_path / "deep" / "out"), alone)


@pytest.mark.parametrize("where", [{"dask": "tcp://127.0.0.1:1"}, {"ray": "auto"}, {"joblib": True}])
def test_a_directory_that_was_there_is_left_empty_by_workers_that_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: dict[str, Any]
) -> None:
    for module in ("distributed", "ray", "joblib"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OracleError, match=r"pip install '[^;]*$"):
        run(tmp_path, **where)
    assert not list(tmp_path.iterdir())


def test_an_unfinished_sweep_survives_a_resumption_that_fails_at_once(
    tmp_path: Path, alone: SweepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path / "out")
    monkeypatch.setitem(sys.modules, "joblib", None)
    _flip(tmp_path / "out" / "parts" / "000000.csv")
    with pytest.raises(MissingDependencyError, match=r"pip install"):
        run(tmp_path / "out", joblib=True, resume=True)
    assert same(run(tmp_path / "out", resume=True), alone)


def test_two_workers_write_what_one_writes(tmp_path: Path, alone: SweepResult) -> None:
    assert same(run(tmp_path / "processes", workers=2), alone)
    with ThreadPoolExecutor(3) as threads:
        assert same(run(tmp_path / "threads", executor=threads, workers=3), alone)
        assert threads.submit(int).result() == 0  # still open


class Killing(Executor):
    """Threads, but one task reports a killed worker."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.submitted, self.pending, self.most = deaths, 0, 0, 0
        self.inner = ThreadPoolExecutor(2)

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        from concurrent.futures import BrokenExecutor

        self.submitted += 1
        if self.submitted % 7 == 0 and self.deaths:
            self.deaths -= 1
            broken: Future[Any] = Future()
            broken.set_exception(BrokenExecutor("killed"))
            return broken
        self.pending += 1
        self.most = max(self.most, self.pending)
        future = self.inner.submit(function, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[Any]) -> None:
        self.pending -= 1


def test_a_killed_worker_costs_its_chunks_only(tmp_path: Path, alone: SweepResult) -> None:
    assert same(run(tmp_path / "out", executor=Killing(4), workers=2), alone)


def test_workers_that_die_again_and_again_end_the_sweep_resumably(tmp_path: Path, alone: SweepResult) -> None:
    class Dead(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            from concurrent.futures import BrokenExecutor

            raise BrokenExecutor("dead")

    with pytest.raises(OracleError, match=r"chunk 1: its worker was killed 3 times.*can be resumed"):
        run(tmp_path / "out", executor=Dead(), workers=2)
    assert same(run(tmp_path / "out", resume=True), alone)


def test_few_chunks_are_under_way_at_a_time(tmp_path: Path) -> None:
    executor = Killing(0)
    run(tmp_path / "out", executor=executor, workers=2)
    assert executor.submitted == CHUNKS - 1
    assert executor.most <= 5


SCRIPT = """
import sys, yaml
from pathlib import Path
from search.space import space_of
from search.sweep import sweep
if __name__ == "__main__":
    def halt(done, total):
        print(done, flush=True)
        if done >= total // 2:
            sys.stdin.readline()  # until whoever started us has done what he wants to do half-way
    space = space_of(yaml.safe_load({space!r}), "small")
    sweep(space, ["t4"], out=sys.argv[1], workers=int(sys.argv[2]), resume=True, progress=halt)
"""


def started(tmp_path: Path, workers: int) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(space=SPACE))
    return subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "out"), str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


no_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=no_proc)])
def test_a_sweep_killed_half_way_loses_and_doubles_nothing(tmp_path: Path, alone: SweepResult, workers: int) -> None:
    with started(tmp_path, workers) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 150:
                break
        orphans = workers_of(process.pid) if workers > 1 else []
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(orphans) == (2 if workers > 1 else 0)
    assert not (tmp_path / "out" / "candidates.csv").exists()
    counted: list[int] = []
    assert same(run(tmp_path / "out", resume=True, progress=lambda *_: counted.append(1)), alone)
    assert 0 < len(counted) <= CHUNKS // 2
    deadline = time.monotonic() + 300
    while any(_alive(orphan) for orphan in orphans):
        assert time.monotonic() < deadline, "workers outlive the sweep that started them"
        time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@no_proc
def test_a_worker_killed_half_way_is_replaced(tmp_path: Path, alone: SweepResult) -> None:
    with started(tmp_path, 2) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        killed = False
        for line in process.stdout:
            if int(line) >= 150 and not killed:
                os.kill(workers_of(process.pid)[0], signal.SIGKILL)
                killed = True
                process.stdin.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert (process.returncode, killed) == (0, True)
    assert same(run(tmp_path / "out", resume=True), alone)


def test_an_interrupt_leaves_a_directory_that_resumes(tmp_path: Path, alone: SweepResult) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", workers=2, progress=interrupt)
    assert same(run(tmp_path / "out", workers=2, resume=True), alone)


def test_a_space_reaches_processes_whole() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(_same_space, space()).result(60)


def _same_space(received: Space) -> bool:
    return received == space()
