"""Write the JSON Schemas that ship, and name them in the first line of every shipped config.

    python -m tests.benchmarks.make_schemas

Needed when a key is added to a kind of file, or a file to `configs/`; `tests/search/test_schemas.py` says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oracle.schemas import calibration_schema, device_schema, network_schema, text_of
from search.schemas import space_schema, study_schema

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MODELINE = "# yaml-language-server: $schema="

# Folder of configs -> (name of its schema, what makes it).
SCHEMAS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "networks": ("network", network_schema),
    "devices": ("device", device_schema),
    "calibrations": ("calibration", calibration_schema),
    "spaces": ("space", space_schema),
    "studies": ("study", study_schema),
}


def schema_file(folder: str) -> Path:
    """Where the schema of the configs of a folder is."""
    return CONFIGS / "schemas" / f"{SCHEMAS[folder][0]}.json"


def files(folder: str) -> list[Path]:
    """The shipped configs of a folder."""
    return sorted((CONFIGS / folder).rglob("*.yaml"))


def modeline(file: Path, folder: str) -> str:
    """The first line of a config."""
    return f"{MODELINE}{os.path.relpath(schema_file(folder), file.parent)}\n"


def main() -> None:
    for folder, (_, schema) in SCHEMAS.items():
        schema_file(folder).write_text(text_of(schema()), encoding="utf-8")
        for file in files(folder):
            text, line = file.read_text(encoding="utf-8"), modeline(file, folder)
            if not text.startswith(MODELINE):
                file.write_text(line + text, encoding="utf-8")


if __name__ == "__main__":
    main()
