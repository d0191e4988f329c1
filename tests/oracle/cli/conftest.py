"""Run the command line inside the test's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.cli import main
from oracle.measure import load
from tests.commands import Run, in_a_pipe


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("score", "ResNet-50")` in an empty directory and in a pipe; that it is not alone is no matter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "reading", lambda: None)
    return in_a_pipe(main, capsys, monkeypatch)
