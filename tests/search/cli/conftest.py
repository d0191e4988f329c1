"""Run the command line inside the test's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.cli import main
from tests.commands import Run, in_a_pipe


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for templates that is no user's."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, templates: Path) -> Run:
    """`run("spaces", "regnetx")` in an empty directory and in a pipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(templates))
    return in_a_pipe(main, capsys, monkeypatch)
