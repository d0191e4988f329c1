"""Files from elsewhere: regular ones, of a size that was agreed on, read into memory at once."""

from __future__ import annotations

import json
import stat
import zlib
from pathlib import Path

from oracle.errors import OracleError

MEBIBYTE = 2**20
MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What goes wrong in code that takes plain data apart which has another shape than it expects."""


def misshape(error: Exception) -> str:
    """What is wrong with plain data, of an error among `MISSHAPEN` that taking it apart met, in words for a person."""
    if isinstance(error, OracleError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON: {error}"
    if isinstance(error, KeyError):
        return f"expected a key {error.args[0]!r}"
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 text (byte {error.start})"
    return "nested too deeply" if isinstance(error, RecursionError) else "a value is of another kind than expected"


def is_file(path: str | Path) -> bool:
    """Whether a regular file is there; a name that no file can have, or a place where nobody may look, has none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def read_bytes(path: str | Path, limit: int, error: type[OracleError] = OracleError) -> bytes:
    """The content of a file; a pipe or device is refused, for it need not end, and so is what is too large.

    Args:
        path: of the file.
        limit: the most bytes it may have.
        error: what to raise.

    Raises:
        OracleError: (or `error`) it cannot be read, is no regular file, or is larger; names the file.
    """
    file = Path(path)
    try:
        kind = file.stat().st_mode
        if not stat.S_ISREG(kind):
            found = "a directory" if stat.S_ISDIR(kind) else "a pipe or a device"
            raise error(f"{path}: cannot be read: {found}; expected a regular file")
        with file.open("rb") as stream:
            raw = stream.read(limit + 1)
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    if len(raw) > limit:
        raise error(f"{path}: cannot be read: larger than {limit / MEBIBYTE:g} MiB")
    return raw


def read_text(path: str | Path, limit: int, error: type[OracleError] = OracleError) -> str:
    """The same as UTF-8 text, with or without a byte order mark.

    Raises:
        OracleError: (or `error`) as `read_bytes`; or it is no such text.
    """
    try:
        return read_bytes(path, limit, error).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path}: cannot be read: {misshape(problem)}") from None


def inflated(raw: bytes, limit: int, file: str) -> bytes:
    """What gzip packed, if it is not packed as `raw` begins: as it is.

    Args:
        raw: content of a file.
        limit: the most bytes that it may become.
        file: its name.

    Raises:
        OracleError: it is damaged, cut off, or becomes larger.
    """
    if raw[:2] != b"\x1f\x8b":
        return raw
    unpacked = b""
    while raw[:2] == b"\x1f\x8b":  # one member after another
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            unpacked += stream.decompress(raw, limit + 1 - len(unpacked))
        except zlib.error as problem:
            raise OracleError(f"{file}: cannot be read: {problem}") from None
        if len(unpacked) > limit:
            raise OracleError(f"{file}: cannot be read: unpacks to more than {limit / MEBIBYTE:g} MiB")
        if not stream.eof:
            raise OracleError(f"{file}: cannot be read: its compressed content ends in the middle")
        raw = stream.unused_data
    return unpacked
