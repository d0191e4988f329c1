"""Measured latencies as a table: one line per network and workload."""

from __future__ import annotations

import csv
import math
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from oracle.errors import ConfigError, WorkloadError
from oracle.spec import Workload

__all__ = ["COLUMNS", "Measurement", "read_measurements"]

COLUMNS = ("network", "device", "batch_size", "dtype", "runtime", "layout", "mode", "latency_ms")
"""Columns of a table; the order is free, further ones are ignored, but for `family`."""

_REQUIRED = ("network", "device", "latency_ms")


class Measurement(NamedTuple):
    """One measured latency.

    Attributes:
        network: shipped name or path of a config.
        device: name of a device.
        workload: how it ran.
        latency_ms: per call, that is per batch; per step in training.
        family: of the network, to leave out whole; "" if the table has no such column.
    """

    network: str
    device: str
    workload: Workload
    latency_ms: float
    family: str = ""


def read_measurements(path: Path | str) -> tuple[Measurement, ...]:
    """The measurements of a CSV file; a column that is missing has the default of `oracle.Workload`.

    Raises:
        ConfigError: no such file, a missing column, or a value that cannot be used; the key names line and column.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return tuple(_rows(csv.DictReader(stream), str(path)))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"no CSV file in UTF-8: {error}", file=str(path)) from None


def _rows(reader: csv.DictReader[str], file: str) -> Iterator[Measurement]:
    missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(f"column missing; expected {', '.join(COLUMNS)}", key=missing[0], file=file)
    for row in reader:
        yield _measurement({name: (value or "").strip() for name, value in row.items() if isinstance(name, str)
                            and not isinstance(value, list)}, file, reader.line_num)  # fmt: skip


def _measurement(row: dict[str, str], file: str, line: int) -> Measurement:
    def fail(column: str, expected: str) -> ConfigError:
        found = reprlib.repr(row.get(column, ""))
        return ConfigError(f"{found}: expected {expected}", key=f"line {line}, {column}", file=file)

    for column in ("network", "device"):
        if not row[column]:
            raise fail(column, "a name")
    try:
        latency_ms = float(row["latency_ms"])
    except ValueError:
        raise fail("latency_ms", "a number") from None
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise fail("latency_ms", "a positive number of milliseconds")
    words = {name: row[name] for name in ("dtype", "runtime", "layout", "mode") if row.get(name)}
    batch = row.get("batch_size") or "1"
    if not batch.isdecimal():
        raise fail("batch_size", "an integer of at least 1")
    try:
        workload = Workload(batch_size=int(batch), **words)
    except WorkloadError as error:
        raise ConfigError(str(error), key=f"line {line}", file=file) from None
    return Measurement(row["network"], row["device"], workload, latency_ms, row.get("family", ""))
