"""Run the command line inside the test's process."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from oracle.cli import _guard
from search.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for templates that is no user's."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, templates: Path
) -> Callable[..., Done]:
    """`run("spaces", "regnetx")` in an empty directory and in a pipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(templates))
    monkeypatch.setattr(_guard, "_LOG_EVERY_S", math.inf)
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        return Done(code, *capsys.readouterr())

    return call
