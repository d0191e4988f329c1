"""A plain CSV of networks and latencies: `network,latency_ms` and what else `oracle calibrate` knows of.

The latency's column says its unit: latency_ms, latency_us or latency_s (or time_ms, ...). Network is also called model
or name.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from oracle._units import text_of_cell
from oracle.errors import OracleError
from oracle.imports.engines.report import Report, Timing, number

_NAMES = ("network", "model", "name")
_UNITS = {"ms": 1.0, "us": 1e-3, "s": 1e3, "ns": 1e-6}
_LATENCIES = tuple(f"{word}_{unit}" for word in ("latency", "time", "median", "mean", "avg") for unit in _UNITS)
_COUNTS = ("batch_size", "threads")
_WORDS = ("dtype", "layout", "mode", "engine", "runtime")


def knows(text: str) -> bool:
    """Whether the first line names such columns."""
    columns = _columns(text.split("\n", 1)[0])
    return any(name in columns for name in _NAMES) and any(name in columns for name in _LATENCIES)


def read(text: str, file: str) -> Report:
    """A timing for each row.

    Raises:
        OracleError: a row with fields missing or too many, or a latency that is no positive number.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found = []
    try:
        columns = _columns(",".join(next(reader)))
        for cells in reader:
            if any(cell.strip() for cell in cells):
                place = f"{file}:{reader.line_num}"
                if len(cells) != len(columns):
                    raise OracleError(f"{place}: expected {len(columns)} fields, found {len(cells)}")
                found.append(
                    _timing(dict(zip(columns, (text_of_cell(cell.strip()) for cell in cells), strict=True)), place)
                )
    except csv.Error as error:
        raise OracleError(f"{file}:{reader.line_num}: broken CSV: {error}") from None
    return Report("", timings=tuple(found))


def _timing(row: dict[str, str], place: str) -> Timing:
    column = next(name for name in _LATENCIES if name in row)
    latency = number(row[column], place, column) * _UNITS[column.rpartition("_")[2]]
    if latency == 0:
        raise OracleError(f"{place}: {column}={row[column]!r}: expected a positive number")
    words: dict[str, Any] = {name: row[name] for name in _WORDS if row.get(name)}
    for name in _COUNTS:
        if row.get(name):
            value = number(row[name], place, name)
            if value % 1 or not 1 <= value < 10**9:
                raise OracleError(f"{place}: {name}={row[name]!r}: expected an integer of at least 1")
            words[name] = int(value)
    name = next(row[name] for name in _NAMES if name in row)
    return Timing(name, latency, place, words=tuple(words.items()))


def _columns(line: str) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in line.strip().split(",")]
