"""Files that are whole or not there, and what goes wrong with a disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from oracle.errors import OracleError

TEMPORARY = ".tmp"
"""The last suffix of a file that is not finished."""


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
