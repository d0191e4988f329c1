"""The layouts of `ncu --csv`, read into launches: metric name -> cells.

long     one row per launch and metric (`--csv`, `--page details`, `--metrics`), with or without rule columns
wide     one row per launch, one column per metric, units in a row of their own (`--page raw`)
summary  one row per kernel and metric with minimum, maximum and average (`--print-summary`)

Columns are found by name: versions add and drop some.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oracle._files import MEBIBYTE, read_bytes
from oracle.errors import OracleError
from oracle.imports.ncu.numbers import Cell

_MAX_BYTES = 512 * MEBIBYTE
_LAUNCH_COLUMNS = frozenset(
    "ID|Process ID|Process Name|Host Name|Kernel Name|Context|Stream|Block Size|Grid Size|Device|CC"
    "|Section Name|Metric Name|Metric Unit|Metric Value|Rule Name|Rule Type|Rule Description"
    "|Estimated Speedup Type|Estimated Speedup|Invocations|Minimum|Maximum|Average".split("|")
)
_IDENTITY = (
    "Process ID",
    "Host Name",
    "ID",
    "Kernel Name",
    "Context",
    "Stream",
    "Block Size",
    "Grid Size",
    "Device",
    "CC",
)


@dataclass(slots=True)
class Launch:
    """One launch, or one row group of a summary.

    Attributes:
        columns: its launch columns, such as `Kernel Name` and `CC`.
        line: where it begins.
        metrics: name -> cells; the details page has metrics of one name in several sections.
        invocations: as text; "1" outside summaries.
    """

    columns: dict[str, str]
    line: int
    metrics: dict[str, list[Cell]] = field(default_factory=dict)
    invocations: str = "1"

    def add(self, name: str, cell: Cell) -> None:
        """Add a metric."""
        self.metrics.setdefault(name, []).append(cell)


@dataclass(frozen=True, slots=True)
class Listing:
    """A file's launches and its other messages."""

    file: str
    layout: str
    launches: tuple[Launch, ...]
    messages: tuple[str, ...]


def read_listing(path: str | Path) -> Listing:
    """Read a file in any layout; lines that are no data (program output, `==PROF==`) may stand anywhere.

    Raises:
        OracleError: no file, no header, or broken rows; with file and line.
    """
    file = str(path)
    lines = _text(Path(path)).splitlines(keepends=True)
    messages = tuple(line.strip() for line in lines if line.startswith(("==ERROR==", "==WARNING==")))
    start = next((number for number, line in enumerate(lines) if _is_header(line)), None)
    if start is None:
        hint = f"; it says: {messages[0]}" if messages else ""
        raise OracleError(f'{file}: no header of `ncu --csv` (a line beginning with "ID" or "Process ID"){hint}')
    header = next(csv.reader([lines[start]]))
    rows = _rows(lines, start + 1, header, file)
    if "Metric Name" not in header:
        layout, launches = "wide", _wide(header, rows, file)
    elif "Metric Value" in header:
        layout, launches = "long", _tall(rows, "Metric Value")
    elif "Average" in header:
        layout, launches = "summary", _tall(rows, "Average")
    else:
        raise OracleError(f'{file}:{start + 1}: neither a column "Metric Value" nor "Average" beside "Metric Name"')
    if not launches:
        hint = f"; it says: {messages[0]}" if messages else ""
        raise OracleError(f"{file}:{start + 1}: a header and no kernels below it{hint}")
    return Listing(file, layout, tuple(launches), messages)


def _text(path: Path) -> str:
    raw = read_bytes(path, _MAX_BYTES)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # PowerShell's redirection
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")  # what the profiled program printed may be anything


def _is_header(line: str) -> bool:
    text = line.lstrip("\ufeff")
    return text.startswith(('"ID"', '"Process ID"', "ID,", "Process ID,")) and "Kernel Name" in text


def _rows(
    lines: Sequence[str], start: int, header: Sequence[str], file: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line number, cells by column) of every data row."""
    kept = [(number, line) for number, line in enumerate(lines[start:], start + 1) if _is_data(line)]
    reader = csv.reader((line for _, line in kept), strict=True)
    done = 0
    try:
        for cells in reader:
            line, done = kept[done][0], reader.line_num
            if cells == header:
                continue  # a second run appended to the first
            if len(cells) != len(header):
                if len(cells) > 1 and cells[0].isdigit():
                    raise OracleError(f"{file}:{line}: expected {len(header)} cells, found {len(cells)}")
                continue  # program output
            yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        line = kept[min(done, len(kept) - 1)][0]
        raise OracleError(f"{file}:{line}: broken CSV, perhaps cut off: {error}") from None


def _is_data(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("==")


def _tall(rows: Iterator[tuple[int, Mapping[str, str]]], column: str) -> list[Launch]:
    launches: dict[tuple[str, ...], Launch] = {}
    for line, row in rows:
        if not row["Metric Name"]:
            continue  # a rule's advice
        key = tuple(row.get(name, "") for name in _IDENTITY)
        launch = launches.get(key)
        if launch is None:
            columns = {name: row[name] for name in _LAUNCH_COLUMNS if name in row}
            launch = launches[key] = Launch(columns, line, invocations=row.get("Invocations") or "1")
        cell = Cell(row[column], row.get("Metric Unit", ""), line, row.get("Section Name", ""))
        launch.add(row["Metric Name"], cell)
    return list(launches.values())


def _wide(header: Sequence[str], rows: Iterator[tuple[int, Mapping[str, str]]], file: str) -> list[Launch]:
    metrics = [name for name in header if name not in _LAUNCH_COLUMNS]
    units: Mapping[str, str] | None = None
    launches = []
    for line, row in rows:
        if not row.get("ID", row.get("Process ID", "")):
            units = row
            continue
        if units is None:
            raise OracleError(f"{file}:{line}: expected a row of units before the first kernel")
        launch = Launch({name: row[name] for name in _LAUNCH_COLUMNS if name in row}, line)
        for name in metrics:
            launch.add(name, Cell(row[name], units[name], line))
        launches.append(launch)
    return launches
