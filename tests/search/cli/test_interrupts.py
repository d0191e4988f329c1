"""Sweeps that are interrupted from a terminal, or asked to end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli._interrupts import resumable
from search.study import open_results
from tests.search.processes import workers_of

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")

DEAF = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # CI may start us deaf

LONG = """
SETUP:
  NUM_SAMPLES: 1000000
  CHUNK_SIZE: 20
  SAMPLERS:
    REGNET: {TYPE: regnet_sampler, DEPTH: [6, 9], W0: [16, 48], WA: [8, 32], GROUP_W: [8, 16]}
  CONSTRAINTS: {REGNET: {NUM_STAGES: [0, 0]}}
  BASE_CFG: {MODEL: {TYPE: regnet, NUM_CLASSES: 10}, TRAIN: {IM_SIZE: 32}}
"""


def interrupted(
    where: Path, templates: Path, command: list[str], number: signal.Signals, code: int, busy: Callable[[int], object]
) -> tuple[list[int], str]:
    """The workers of a command that a signal ends once it is busy, and what it says; nothing on standard output."""
    main = "from search.cli import main\nif __name__ == '__main__': sys.exit(main())\n"
    with subprocess.Popen(
        [sys.executable, "-c", DEAF + main, *command],
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{where}", "NAS_COST_ORACLE_CACHE": str(templates)},
    ) as process:
        deadline = time.monotonic() + 600
        while not busy(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers = workers_of(process.pid)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: the workers get it too
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (code, "")
    return workers, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_line_while_workers_are_still_starting(
    tmp_path: Path, templates: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    command = ["sweep", "long.yaml", "-d", "t4", "--workers", "2", "--out", "my out"]
    workers, err = interrupted(tmp_path, templates, command, number, code, workers_of)
    resume = shlex.join(["oracle-search", *command, "--resume"])
    assert err == f"oracle-search: interrupted; what is finished is kept; go on with: {resume}\n"
    assert (tmp_path / "my out" / "manifest.json").is_file()
    deadline = time.monotonic() + 300  # whoever inherits them may be slow to take note of their end
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


STUDY = """
SPACE:
  SETUP:
    SAMPLERS: {REGNET.DEPTH: {TYPE: grid_sampler, RANGE: [2, 6], STEP: 1}}
    CONSTRAINTS: {REGNET: {NUM_STAGES: [0, 0]}}
    BASE_CFG: {MODEL: {TYPE: regnet}, REGNET: {WA: 0.0, WM: 2.0, GROUP_W: 8, W0: 8}, TRAIN: {IM_SIZE: 32}}
OBJECTIVES: maximise quality
QUALITY: {TYPE: call, FUNCTION: "slow:quality"}
SAMPLER: random
"""
SLOW = """
import os, pathlib, time
def quality(spec, builder, evaluation):
    pathlib.Path(f"at-{os.getpid()}").touch()
    time.sleep(600)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_all_workers_of_a_study_end_and_what_they_were_at_waits(
    tmp_path: Path, templates: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "long.yaml").write_text(STUDY)
    (tmp_path / "slow.py").write_text(SLOW)
    command = ["run", "long.yaml", "--workers", "2"]
    workers, err = interrupted(tmp_path, templates, command, number, code, lambda _: len([*tmp_path.glob("at-*")]) == 2)
    assert err.splitlines() == [
        "oracle-search: interrupted; what is finished is kept; go on with: oracle-search resume long"
    ]
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    states = [trial.state.name for trial in open_results("long", str(tmp_path / "long.journal")).study.trials]
    assert sorted(states) == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_a_handler_of_somebody_elses_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with resumable("again"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_errors_are_no_interruptions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="mine"), resumable("again"):
        raise ValueError("mine")
    assert capsys.readouterr().err == ""
