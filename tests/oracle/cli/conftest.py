"""Run the command line inside the test's process."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from oracle.cli import _guard, main
from oracle.measure import load


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("score", "ResNet-50")` in an empty directory and in a pipe; that it is slow, or not alone, is no matter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_guard, "_LOG_EVERY_S", math.inf)
    monkeypatch.setattr(load, "reading", lambda: None)
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        return Done(code, *capsys.readouterr())

    return call
