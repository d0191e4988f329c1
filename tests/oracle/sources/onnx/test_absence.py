"""ONNX files where onnx is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from oracle.errors import MissingDependencyError, OracleError
from oracle.query import score


def test_a_missing_file_is_told_before_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    path = tmp_path / "x.onnx"
    with pytest.raises(OracleError, match="no such file"):
        score(path)
    path.touch()
    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[onnx\]'"):
        score(path)
