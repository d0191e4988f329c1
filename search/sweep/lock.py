"""One process at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oracle.errors import OracleError

_TAKEN = (errno.EACCES, errno.EAGAIN)


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
