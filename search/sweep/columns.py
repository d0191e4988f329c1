"""Columns of candidates as lines of CSV, and as Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import MissingDependencyError

Column = NDArray[Any]


def flat(column: Column) -> Column:
    """A column whose cells files can hold: lists of one length stay (n, length), other objects become JSON text."""
    if column.dtype != object:
        return column
    return np.array([json.dumps(value) for value in column.tolist()], dtype=np.str_)


def csv_header(names: Sequence[str]) -> str:
    """The first line."""
    return ",".join(map(_field, names)) + "\n"


def csv_lines(columns: Mapping[str, Column]) -> list[str]:
    """One line per candidate. Numbers have all their digits; a list is JSON text."""
    parts = [_cells(column) for column in columns.values()]
    line = ",".join(form for form, _ in parts) + "\n"
    return [line % cells for cells in zip(*(values for _, values in parts), strict=True)]


def _cells(column: Column) -> tuple[str, list[Any]]:
    """How the cells of a column are formatted, and the cells."""
    values = column.tolist()
    if column.ndim > 1:
        return "%s", [_field(json.dumps(value)) for value in values]
    return ("%s", list(map(_field, values))) if column.dtype.kind in "US" else ("%r", values)


def _field(text: str) -> str:
    if not any(c in text for c in ',"\r\n'):
        return text
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


def pyarrow() -> Any:
    """The library.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError:
        raise MissingDependencyError(
            "format='parquet' needs pyarrow; `pip install 'nas-cost-oracle[parquet]'`, or say --format csv"
        ) from None


def table_of(columns: Mapping[str, Column]) -> Any:
    """A pyarrow.Table."""
    arrow = pyarrow()
    arrays = {name: arrow.array(list(c) if c.ndim > 1 else c) for name, c in columns.items() if c.size or c.ndim == 1}
    for name, column in columns.items():
        if column.ndim > 1 and not column.size:
            arrays[name] = arrow.array([], arrow.list_(arrow.from_numpy_dtype(column.dtype)))
    return arrow.table({name: arrays[name] for name in columns})


def parquet_bytes(columns: Mapping[str, Column]) -> bytes:
    """The content of a Parquet file."""
    buffer = io.BytesIO()
    pyarrow().parquet.write_table(table_of(columns), buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()
