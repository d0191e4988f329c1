"""OpenVINO's benchmark_app, `-report_type`: CSV with semicolons.

`average_counters` and `detailed_counters` are tables `layerName;execStatus;layerType;execType;realTime (ms);...`, of
which layers that were not run (folded into others) are left out, and those of all requests but the first.
`no_counters` is lines `name;value`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from oracle.errors import OracleError
from oracle.imports.engines.report import Layer, Report, Timing, number

_HEADER = "layerName;execStatus;"
_FIGURES = "Command line parameters"
_COARSE_MS = 0.25  # of which what benchmark_app rounds to is more than a few per cent
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
    notes: tuple[str, ...] = (
        ()
        if streams == "1"
        else (f"{streams} streams ran at once, so that a call waits for others: use -hint none -nstreams 1",)
    )
    if latency < _COARSE_MS:
        notes += (f"the latency is rounded to 0.01 ms, which is up to {0.5 / latency:.0f} % of it",)
    network = str(figures.get("-m", "") or figures.get("topology", ""))
    return Report(
        "openvino",
        timings=(Timing(network, latency, file, least or None, None, repeats, tuple(words.items())),),
        notes=notes,
    )


def _layers(text: str, file: str) -> Report:
    nodes: list[Node] = []
    columns: list[str] = []
    for index, line in enumerate(text.splitlines(), 1):
        if line.startswith(_HEADER):
            if nodes:
                break  # the table of a second request
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
        name, status, kind = (row[column] for column in ("layerName", "execStatus", "layerType"))
        milliseconds = number(row["realTime (ms)"], place, "realTime (ms)")
        nodes.append(Node(name, status, kind, row.get("execType", ""), milliseconds, place))
    return of_nodes(nodes, file)


class Node(NamedTuple):
    """What performance counters say of a node: `milliseconds` a run, `place` in the file; the rest in its words."""

    name: str
    status: str
    kind: str
    primitive: str
    milliseconds: float
    place: str


def of_nodes(nodes: Iterable[Node], file: str) -> Report:
    """The layers that ran; the others are folded into these.

    Raises:
        OracleError: none did.
    """
    ran = [node for node in nodes if "NOT_RUN" not in node.status and "OPTIMIZED_OUT" not in node.status]
    if not ran:
        raise OracleError(
            f"{file}: expected nodes that ran; of an average as JSON benchmark_app writes the first node alone: use "
            "-report_type detailed_counters, or leave -json_stats out"
        )
    ends = {node.primitive.rpartition("_")[2] for node in ran if node.kind == "Convolution"}
    kinds = sorted({_DTYPES[end] for end in ends if end in _DTYPES})
    layers = tuple(Layer(node.name, node.kind, node.milliseconds * 1e-3, node.place) for node in ran)
    notes = (f"convolutions ran in {', '.join(kinds)}: say --dtype",) if kinds else ()
    return Report("openvino", layers, notes=notes)
