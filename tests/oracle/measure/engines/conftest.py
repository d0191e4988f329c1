from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exported networks: two engines read the same ONNX files, and exporting takes seconds."""
    return tmp_path_factory.mktemp("models")
