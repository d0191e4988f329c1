"""Figures as files: SVG, PNG and PDF, the same bytes for the same figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from oracle.errors import OracleError
from oracle.report.export import write_bytes
from oracle.report.plot.style import styled

FORMATS = ("svg", "png", "pdf")
"""Suffixes of files that figures are written as."""

_UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def write_figure(path: str | Path, figure: Any) -> None:
    """Write a figure (matplotlib's); the suffix says the format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OracleError: another suffix, or a file that cannot be written.
    """
    suffix = format_of(path)
    content = io.BytesIO()
    _save(figure, content, suffix)
    write_bytes(path, content.getvalue())


def format_of(path: str | Path) -> str:
    """The format that a file's suffix says.

    Raises:
        OracleError: none of `FORMATS`.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise OracleError(f"output={str(path)!r}: expected a name that ends in {', '.join(FORMATS)}")
    return suffix


@styled
def _save(figure: Any, content: io.BytesIO, suffix: str) -> None:
    figure.savefig(content, format=suffix, metadata=_UNDATED[suffix])
