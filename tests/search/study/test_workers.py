from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from search.study.workers import SIGN, Watch, is_alive, this_worker

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are told apart by /proc")


@linux
def test_we_are_alive_and_a_process_that_ended_is_not() -> None:
    assert is_alive(this_worker()) is True
    code = "from search.study.workers import this_worker; print(this_worker())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_alive(done.stdout.strip()) is False


@linux
def test_a_process_that_inherits_a_number_is_another() -> None:
    host, namespace, pid, start = this_worker().rsplit(":", 3)
    assert is_alive(f"{host}:{namespace}:{pid}:{int(start) - 1}") is False


def test_a_worker_elsewhere_cannot_be_asked() -> None:
    assert is_alive("host:0123456789ab:5:77") is None
    assert is_alive("host::5:") is None
    assert is_alive("trial 5") is None


def test_a_worker_elsewhere_is_dead_once_its_sign_has_stood_still() -> None:
    study, now, other = optuna.create_study(), [0.0], "host:0123456789ab:5:77"
    watch = Watch(study, interval_s=10, clock=lambda: now[0])
    for beat in range(10):
        now[0] += 30
        study.set_user_attr(f"{SIGN}{other}", beat)
        assert not watch.is_dead(other)
    now[0] += 40
    assert not watch.is_dead(other)
    now[0] += 1
    assert watch.is_dead(other)
    study.set_user_attr(f"{SIGN}{other}", 99)  # it was only slow
    assert not watch.is_dead(other)


def test_our_signs_reach_the_study() -> None:
    study = optuna.create_study()
    with Watch(study, interval_s=0.01) as watch:
        while study.user_attrs.get(f"{SIGN}{watch.worker}", 0) < 3:
            pass
    assert study.user_attrs[f"{SIGN}{watch.worker}"] >= 3
