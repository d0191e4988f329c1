"""Candidates back from a file: a few columns of all of them, and every column of a few."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle._files import MISSHAPEN
from oracle._resources import closest
from oracle.errors import OracleError

from .columns import pyarrow
from .folder import CANDIDATES, MANIFEST

Floats = NDArray[np.float64]

_LATENCY = "latency_ms@"


@dataclass(frozen=True, slots=True)
class Candidates:
    """A file of candidates.

    Attributes:
        file: CSV or Parquet.
        names: of its columns.
    """

    file: Path
    names: tuple[str, ...]

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that it has latencies for."""
        return tuple(name.removeprefix(_LATENCY) for name in self.names if name.startswith(_LATENCY))

    def columns(self, names: Sequence[str]) -> dict[str, Floats]:
        """Columns of numbers; an empty field is nan.

        Raises:
            OracleError: no such column, or one of other things than numbers.
        """
        for name in names:
            if name not in self.names:
                hint = closest(name, self.names) or f"; there are {', '.join(self.names)}"
                raise OracleError(f"{self.file}: no column {name!r}{hint}")
        wanted = list(dict.fromkeys(names))
        with _readable(f"{self.file}: columns {', '.join(wanted)} cannot be read as numbers"):
            return _numbers(self.file, wanted, self.names)

    def rows(self, positions: Iterable[int]) -> list[dict[str, Any]]:
        """Some candidates, in the given order.

        Raises:
            OracleError: the file cannot be read.
        """
        wanted = list(positions)
        with _readable(f"{self.file}: cannot be read"):
            found = _rows(self.file, set(wanted))
        if missing := set(wanted) - set(found):
            raise OracleError(f"{self.file}: no row {min(missing)}")
        return [found[position] for position in wanted]


def read_candidates(source: str | Path) -> Candidates:
    """Read the candidates of a sweep's directory, or of a CSV or Parquet file with a header.

    Args:
        source: path of the directory or file.

    Raises:
        OracleError: nothing there, or an unfinished sweep.

    Examples:
        >>> import pathlib, tempfile
        >>> from oracle.search import read_candidates, sweep
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sweep("regnetx", ["t4"], n=5, out=pathlib.Path(folder, "out")).count
        ...     "latency_ms@t4" in read_candidates(pathlib.Path(folder, "out")).names
        5
        True
    """
    path = Path(source)
    if path.is_dir():
        path = _result_of(path)
    with _readable(f"{path}: cannot be read"):
        if path.suffix == ".parquet":
            return Candidates(path, tuple(pyarrow().parquet.read_schema(path).names))
        with path.open(newline="", encoding="utf-8") as stream:
            names = next(csv.reader(stream), [])
    if not names:
        raise OracleError(f"{path}: expected a header and candidates, found an empty file")
    return Candidates(path, tuple(names))


@contextmanager
def _readable(complaint: str) -> Generator[None, None, None]:
    """Say in one line what the libraries that read files say of them, some in several."""
    try:
        yield
    except (OSError, NotImplementedError, MemoryError, *MISSHAPEN) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OracleError(f"{complaint}: {reason}") from None


def _result_of(directory: Path) -> Path:
    files = [directory / f"{CANDIDATES}.{suffix}" for suffix in ("csv", "parquet")]
    for file in files:
        if file.is_file():
            return file
    if (directory / MANIFEST).is_file():
        raise OracleError(f"{directory}: this sweep is not finished; resume it first")
    raise OracleError(f"{directory}: holds no sweep; expected {' or '.join(file.name for file in files)}")


def _numbers(file: Path, names: list[str], known: Sequence[str]) -> dict[str, Floats]:
    if file.suffix == ".parquet":
        table = _parquet(file, columns=names)
        return {name: table[name].to_numpy().astype(np.float64) for name in names}
    with file.open(encoding="utf-8") as stream:
        stream.readline()
        first = stream.readline()
        if not first:
            return {name: np.zeros(0) for name in names}
        values = np.loadtxt(
            chain([first], stream),
            delimiter=",",
            quotechar='"',
            comments=None,
            ndmin=2,
            usecols=[known.index(name) for name in names],
            converters=_number,
        )
    return {name: values[:, position] for position, name in enumerate(names)}


def _parquet(file: Path, columns: Sequence[str] | None = None) -> Any:
    """A table; where pages bear checksums, as ours do, they are compared."""
    return pyarrow().parquet.read_table(file, columns=columns, page_checksum_verification=True)


def _number(text: str) -> float:
    return float(text) if text.strip() else float("nan")


def _rows(file: Path, wanted: set[int]) -> dict[int, dict[str, Any]]:
    if file.suffix == ".parquet":
        ordered = sorted(wanted)
        table = _parquet(file).take(ordered)
        return dict(zip(ordered, table.to_pylist(), strict=True))
    with file.open(newline="", encoding="utf-8") as stream:
        lines = csv.reader(stream)
        names = next(lines)
        picked = {index: line for index, line in enumerate(lines) if index in wanted}
    for index, line in picked.items():
        if len(line) != len(names):
            raise ValueError(f"row {index} has {len(line)} columns, the header {len(names)}: it was cut or edited")
    return {index: dict(zip(names, map(_value, line), strict=True)) for index, line in picked.items()}


def _value(text: str) -> Any:
    """A cell as it was before it became text."""
    if text in ("True", "False"):
        return text == "True"
    try:
        return json.loads(text)
    except ValueError:
        return text or None
