"""A measured latency with everything it depends on, and tables of them as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from oracle._files import MEBIBYTE, read_text
from oracle._resources import closest
from oracle._units import text_cell, text_of_cell
from oracle.errors import OracleError
from oracle.spec import GENERIC, Workload


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one call of a network took.

    Attributes:
        network, device: their names.
        workload: batch size, dtype, mode, runtime, engine, layout, weights (and optimizer in training), threads
            of a CPU, 0 if not known, and whether a CUDA graph was replayed (column graph).
        latency_ms: median over the repeats, milliseconds per call.
        iqr_ms: interquartile range of the repeats; None if not known.
        min_ms: the fastest repeat; None if not known.
        repeats: how many there were; 0 if not known.
        affinity: the CPUs it was allowed to run on, such as "0-3,8"; "" if not known.
        clock: wall; cpu, time the process really ran, which leaves out what other processes took; or events, between
            two of a CUDA stream.
        torch, date: version, and day (ISO) of the measurement; "" if not known.
        family: of the network, to leave out whole when a fit is checked; "" if not stated.
        accuracy: of the network, in any unit that is better when larger; None if not stated.
        cache: warm, calls back to back; or cold, the last-level cache swept before every call.
        release: versions of the engine and of what made its model; "" if not known or without one.
    """

    network: str
    device: str
    workload: Workload
    latency_ms: float
    iqr_ms: float | None = None
    min_ms: float | None = None
    repeats: int = 0
    affinity: str = ""
    clock: str = "wall"
    torch: str = ""
    date: str = ""
    family: str = ""
    accuracy: float | None = None
    cache: str = "warm"
    release: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.latency_ms < math.inf:
            raise OracleError(f"latency_ms={self.latency_ms!r}: expected a positive number")
        for name, words in _DOMAINS.items():
            if getattr(self, name) not in words:
                raise OracleError(f"{name}={getattr(self, name)!r}: expected {' or '.join(words)}")

    @property
    def spread(self) -> float | None:
        """Interquartile range over median."""
        return None if self.iqr_ms is None else self.iqr_ms / self.latency_ms


_T = TypeVar("_T")

_DOMAINS = {"clock": ("wall", "cpu", "events"), "cache": ("warm", "cold")}
_FILE = "networks.csv"
_MAX_BYTES = 256 * MEBIBYTE

_REQUIRED = ("network", "device", "batch_size", "dtype", "runtime", "layout", "mode", "latency_ms")
_OPTIONAL = ("optimizer", "iqr_ms", "min_ms", "repeats", "threads", "affinity", "clock", "torch", "date", "family")
_MORE = ("accuracy", "weights", "engine", "release", "cache", "graph")
COLUMNS = (*_REQUIRED, *_OPTIONAL, *_MORE)
"""Columns of the CSV; those up to `latency_ms` are required, in any order."""

_WORKLOAD = ("batch_size", "dtype", "runtime", "layout", "mode", "optimizer", "weights", "engine", "threads")


def measurements_csv(measurements: Iterable[Measurement]) -> str:
    """CSV text with a header; what is not known is an empty field."""
    rows, text = list(measurements), io.StringIO()
    # Nothing that is measured has an accuracy, weights are mostly the usual ones and caches warm: columns for those who
    # know otherwise.
    columns = [name for name in COLUMNS if name not in _MORE or any(_field(item, name) for item in rows)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for item in rows:
        writer.writerow([_field(item, name) for name in columns])
    return text.getvalue()


def _field(item: Measurement, name: str) -> str:
    if name == "optimizer" and not item.workload.training:
        return ""
    if name == "graph":
        return "yes" if item.workload.cuda_graphs else ""
    value = getattr(item.workload if name in _WORKLOAD else item, name)
    if value is None or (name, value) == ("cache", "warm") or (name, value) == ("engine", GENERIC):
        return ""
    if name in ("repeats", "threads") and not value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else text_cell(str(value))


def write_measurements(path: str | Path, measurements: Iterable[Measurement]) -> None:
    """Write a CSV file, whole or not at all.

    Raises:
        OracleError: it cannot be written; an existing file keeps its content.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(measurements_csv(measurements), encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise OracleError(f"output={str(path)!r} cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def read_measurements(path: str | Path) -> list[Measurement]:
    """Read what `write_measurements` wrote, or a table of the same columns from elsewhere; of a folder, `networks.csv`.

    Raises:
        OracleError: an unknown or missing column, or a value that is wrong; with file, line and column.
    """
    folder, path = path, Path(path) / _FILE if Path(path).is_dir() else Path(path)
    if path != Path(folder) and not path.exists():
        raise OracleError(f"{folder}: cannot be read: a directory without {_FILE}; expected a CSV file")
    file = str(path)
    text = read_text(path, _MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, file)
        found = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"{file}:{reader.line_num}"
            if len(cells) != len(header):
                raise OracleError(f"{place}: expected {len(header)} fields, found {len(cells)}")
            row = dict(zip(header, (text_of_cell(cell.strip()) for cell in cells), strict=True))
            found.append(_measurement(row, place))
    except csv.Error as error:
        raise OracleError(f"{file}:{reader.line_num}: broken CSV: {error}") from None
    return found


def _check_header(header: list[str], file: str) -> None:
    for name in header:
        if name not in COLUMNS:
            near = closest(name, COLUMNS, 1) or f"; expected {', '.join(COLUMNS)}"
            raise OracleError(f"{file}:1: column {name!r} is unknown{near}")
        if header.count(name) > 1:
            raise OracleError(f"{file}:1: column {name!r} stands twice")
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise OracleError(f"{file}:1: column {missing[0]!r} is missing; expected {', '.join(_REQUIRED)}")


def _measurement(row: Mapping[str, str], place: str) -> Measurement:
    read = _Reader(row, place)
    words = [name for name in _WORKLOAD if name not in ("batch_size", "threads")]
    workload: dict[str, Any] = {name: read.word(name) for name in words if name in _REQUIRED or row.get(name)}
    try:
        workload["threads"] = read.optional("threads", read.count) or 0
        workload["cuda_graphs"] = read.optional("graph", read.yes) or False
        return Measurement(
            network=read.word("network"),
            device=read.word("device"),
            workload=Workload(batch_size=read.count("batch_size"), **workload),
            latency_ms=read.number("latency_ms"),
            iqr_ms=read.optional("iqr_ms", read.size),
            min_ms=read.optional("min_ms", read.number),
            repeats=read.optional("repeats", read.count) or 0,
            affinity=row.get("affinity", ""),
            clock=row.get("clock") or "wall",
            torch=row.get("torch", ""),
            date=read.optional("date", read.day) or "",
            family=row.get("family", ""),
            accuracy=read.optional("accuracy", read.size),
            cache=row.get("cache") or "warm",
            release=row.get("release", ""),
        )
    except OracleError as error:
        text = str(error)
        raise OracleError(text if text.startswith(place) else f"{place}: {text}") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Fields of one row, checked."""

    row: Mapping[str, str]
    place: str

    def optional(self, name: str, read: Callable[[str], _T]) -> _T | None:
        return read(name) if self.row.get(name) else None

    def word(self, name: str) -> str:
        if not self.row[name]:
            raise self._error(name, "a word")
        return self.row[name]

    def count(self, name: str) -> int:
        text = self.row[name]
        if not re.fullmatch(r"0*[1-9]\d{0,17}", text, re.ASCII):
            raise self._error(name, "an integer of at least 1")
        return int(text)

    def number(self, name: str) -> float:
        value = self.size(name)
        if value == 0:
            raise self._error(name, "a positive number")
        return value

    def size(self, name: str) -> float:
        try:
            value = float(self.row[name])
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self._error(name, "a positive number")
        return value

    def yes(self, name: str) -> bool:
        if self.row[name] not in ("yes", "no"):
            raise self._error(name, "yes or no")
        return self.row[name] == "yes"

    def day(self, name: str) -> str:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", self.row[name], re.ASCII):
            raise self._error(name, "a date such as 2026-01-31")
        return self.row[name]

    def _error(self, name: str, expected: str) -> OracleError:
        return OracleError(f"{self.place}: {name}={self.row[name]!r}: expected {expected}")
