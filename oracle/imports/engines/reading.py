"""Which format a report has, by its content."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from oracle._files import MEBIBYTE, read_bytes
from oracle.errors import OracleError
from oracle.imports.engines.report import Report

_LARGEST = 256 * MEBIBYTE
_JSON = ("trtexec", "onnxruntime", "openvino_json")
_TEXT = ("openvino", "tflite", "ncnn", "table")


def read_report(path: str | Path) -> Report | None:
    """The report in a file; None where no reader knows it.

    Known are trtexec's `--exportProfile` and `--exportTimes`, profiles of ONNX Runtime, reports of OpenVINO's
    benchmark_app (CSV and JSON), what TFLite's benchmark_model and ncnn's benchncnn print, and a table of networks and
    latencies (CSV).

    Raises:
        OracleError: it cannot be read, or breaks its own format; with file and line or entry.
    """
    raw = read_bytes(path, _LARGEST)
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    if text.lstrip()[:1] in ("[", "{"):
        content = _parsed(text)
        return _first(_JSON, content, str(path))
    return _first(_TEXT, text, str(path))


def _first(names: tuple[str, ...], content: Any, file: str) -> Report | None:
    for name in names:
        module: Any = import_module(f"oracle.imports.engines.{name}")  # names are those above
        known: Callable[[Any], bool] = module.knows
        if known(content):
            found: Report = module.read(content, file)
            if not (found.layers or found.timings):
                raise OracleError(f"{file}: expected layers or runs with their times, found none")
            return found
    return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # whoever reads traces says what is wrong
