"""Results as JSON and CSV, and files that are either whole or not there."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from oracle._units import text_cell
from oracle.errors import OracleError


def to_json(data: Mapping[str, Any]) -> str:
    """JSON text of plain data, the oracle's version first; what is not a finite number is null."""
    import json

    import oracle

    return json.dumps(finite({"oracle": oracle.__version__, **data}), indent=2, allow_nan=False) + "\n"


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV text with a header; every row has the keys of the first. Nothing known is an empty field.

    Text comes from files that anybody wrote: see `oracle._units.text_cell`. Numbers stay as they are.
    """
    import csv
    import io

    table = [{key: _cell(item) for key, item in finite(row).items()} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return text_cell(value) if isinstance(value, str) else value


def finite(value: Any) -> Any:
    """Plain data without what JSON and CSV cannot say: None for nan and infinities, dicts for dataclasses."""
    if isinstance(value, (str, int, float)):  # most of all
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if is_dataclass(value):
        return {name: finite(getattr(value, name)) for name in value.__dataclass_fields__}
    return {key: finite(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file through a temporary one beside it, so that no reader ever sees half of it.

    A link is followed; a device such as /dev/stdout is written to as it is.

    Raises:
        OracleError: it cannot be written; an existing file keeps its content.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """The same for what is no text, such as a figure."""
    with _refused(path):
        target = Path(path)
        if _is_special(target):
            with target.open("wb") as stream:
                stream.write(content)
        else:
            _replace(target.resolve(), content)


def check_writable(path: str | Path) -> None:
    """Complain of a file that `write_text` would refuse, before there is anything to write.

    Raises:
        OracleError: as `write_text`.
    """
    with _refused(path):
        if not _is_special(Path(path)):
            _check(Path(path).resolve())


@contextmanager
def _refused(path: str | Path) -> Iterator[None]:
    """What the system says against a file, as an error of ours."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OracleError(f"output={str(path)!r} cannot be written: {reason}") from None


def _is_special(target: Path) -> bool:
    """A device or a pipe: there, and no file to be replaced."""
    return target.exists() and not target.is_file() and not target.is_dir()


def _check(target: Path) -> None:
    if target.is_dir():
        raise IsADirectoryError(None, "it is a directory")
    if target.exists() and not os.access(target, os.W_OK):  # renaming onto it would not ask
        raise PermissionError(None, "it is write-protected")
    if not stat.S_ISDIR(target.parent.stat().st_mode):
        raise NotADirectoryError(None, "it is below a file")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(None, "its directory is write-protected")


def _replace(target: Path, content: bytes) -> None:
    import secrets

    _check(target)
    exists = target.exists()
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        if exists:
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
