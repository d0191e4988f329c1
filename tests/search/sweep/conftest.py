"""Templates are traced once per run of the tests, and kept where no user has theirs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for templates."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(cache))
