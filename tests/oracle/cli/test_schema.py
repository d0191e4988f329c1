from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle import schemas
from search.cli import main as search

Run = Callable[..., Any]


@pytest.mark.parametrize("kind", ["network", "device", "calibration"])
def test_a_schema_is_printed_or_written(run: Run, tmp_path: Path, kind: str) -> None:
    printed = run("schema", kind)
    assert (printed.code, printed.err) == (0, "")
    assert json.loads(printed.out) == getattr(schemas, f"{kind}_schema")()
    assert run("schema", kind, "-o", "it.json").code == 0
    assert (tmp_path / "it.json").read_text(encoding="utf-8") == printed.out


@pytest.mark.parametrize("kind", ["space", "study"])
def test_a_schema_of_the_search(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert search(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_what_no_schema_is(run: Run) -> None:
    assert run("schema", "board").code == 2
    done = run("schema", "device", "-o", "it.yaml")
    assert done.code == 2
    assert "ends in json" in done.err
