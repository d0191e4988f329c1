"""Files that are whole or not there, one process at a time, and what goes wrong with a disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from oracle.errors import OracleError

TEMPORARY = ".tmp"
"""The last suffix of a file that is not finished."""
_TAKEN = (errno.EACCES, errno.EAGAIN)  # by another process


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write, under a temporary name until all of it has reached the disk.

    Raises:
        OracleError: the disk is full, or whatever else the system says; nothing of the file is left.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        try:
            with temporary.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())  # renaming alone would not fail on a full disk
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OracleError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_whole(path: Path, content: bytes) -> None:
    """A file with some content.

    Raises:
        OracleError: as `written`.
    """
    with written(path) as stream:
        stream.write(content)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file's lock, which the system gives back when the process ends, however it ends.

    Where the system has no such locks (Windows, some network file systems) there is nothing to hold.

    Raises:
        OracleError: another process holds it, or the file cannot be made.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        stream = file.open("ab")
    except OSError as error:
        raise OracleError(f"{file}: cannot be written: {error.strerror or error}") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                raise OracleError(f"out={str(file.parent)!r}: another process is sweeping into it") from None
        yield
