"""OpenVINO's benchmark_app, `-report_type`: CSV with semicolons.

`average_counters` and `detailed_counters` are tables `layerName;execStatus;layerType;execType;realTime (ms);...`, of
which layers that were not run (folded into others) are left out. `no_counters` is lines `name;value`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from oracle.errors import OracleError
from oracle.imports.engines.report import Layer, Report, Timing, number

__all__ = ["knows", "of_figures", "read"]

_HEADER = "layerName;execStatus;"
_FIGURES = "Command line parameters"
_DTYPES = {"bf16": "bfloat16", "f16": "float16", "FP16": "float16", "BF16": "bfloat16", "FP32": "float32", "I8": "int8"}


def knows(text: str) -> bool:
    """Whether text is one of the two."""
    return text.lstrip().startswith((_HEADER, _FIGURES)) or (
        text.lstrip().startswith("Configuration setup") and ";" in text
    )


def read(text: str, file: str) -> Report:
    """The layers that ran, or the run.

    Raises:
        OracleError: a line with fields missing, or a time that is no number.
    """
    if text.lstrip().startswith(_HEADER):
        return _layers(text, file)
    rows = [line.split(";", 1) for line in text.splitlines() if ";" in line]
    return of_figures({name.strip(): value.strip() for name, value in rows}, file)


def of_figures(figures: Mapping[str, Any], file: str) -> Report:
    """What benchmark_app says of the whole run; names as in its CSV.

    Raises:
        OracleError: no latency among it.
    """
    key = next(
        (key for key in ("latency (ms)", "Median latency (ms)", "latency_median", "avg latency") if key in figures), ""
    )
    if not key:
        raise OracleError(f"{file}: expected a line `latency (ms)`; run benchmark_app with -hint latency or -api sync")
    latency = number(figures[key], file, key)
    least = number(figures["min latency"], file, "min latency") if figures.get("min latency") else None
    words: dict[str, Any] = {}
    for name, field in (("batch size", "batch_size"), ("-nthreads", "threads"), ("number of CPU threads", "threads")):
        if (text := str(figures.get(name, ""))).isdigit() and 0 < len(text) < 10 and int(text):
            words[field] = int(text)
    if (dtype := _DTYPES.get(str(figures.get("precision", "")))) is not None:
        words["dtype"] = dtype
    if not 0 < latency < math.inf:
        raise OracleError(f"{file}: {key}={latency!r}: expected a positive number")
    count = str(figures.get("total number of iterations", ""))
    repeats = int(count) if count.isdigit() and len(count) < 10 else 0
    streams = str(figures.get("number of CPU streams", "1"))
    notes = (
        () if streams == "1" else (f"{streams} streams ran at once, so that a call waits for others: use -nstreams 1",)
    )
    network = str(figures.get("-m", "") or figures.get("topology", ""))
    return Report(
        "openvino",
        timings=(Timing(network, latency, file, least or None, None, repeats, tuple(words.items())),),
        notes=notes,
    )


def _layers(text: str, file: str) -> Report:
    layers, kinds = [], set()
    columns: list[str] = []
    for index, line in enumerate(text.splitlines(), 1):
        if line.startswith(_HEADER):
            columns = [name.strip() for name in line.split(";")]
            continue
        cells = line.split(";")
        if len(cells) < 2 or cells[0] in ("", "Total"):
            continue
        place = f"{file}:{index}"
        row = dict(zip(columns, cells, strict=False))
        missing = [name for name in ("layerType", "realTime (ms)") if name not in row]
        if missing:
            raise OracleError(f"{place}: no field {missing[0]!r}: expected {';'.join(columns)}")
        if "NOT_RUN" in row["execStatus"] or "OPTIMIZED_OUT" in row["execStatus"]:
            continue
        kinds |= {
            dtype
            for end, dtype in _DTYPES.items()
            if row["layerType"] == "Convolution" and row.get("execType", "").endswith(f"_{end}")
        }
        layers.append(
            Layer(
                row["layerName"], row["layerType"], number(row["realTime (ms)"], place, "realTime (ms)") * 1e-3, place
            )
        )
    notes = [f"convolutions ran in {', '.join(sorted(kinds))}: say --dtype"] if kinds else []
    return Report("openvino", tuple(layers), notes=tuple(notes))
