"""Where a study is kept: a journal file that several processes share, or anything that optuna has a URL for."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import warnings
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage

from oracle._files import MISSHAPEN, is_file, misshape
from oracle.errors import MissingDependencyError, OracleError

from .labels import storage_label
from .store import quiet

_ANSWER_S = 10.0  # within which a gRPC proxy must be there
# The drivers of databases, the preferred one first: (what is imported, what SQLAlchemy calls it, what pip calls it).
_DRIVERS = {
    "postgresql": (("psycopg", "psycopg", "psycopg[binary]"), ("psycopg2", "psycopg2", "psycopg2-binary")),
    "mysql": (("MySQLdb", "mysqldb", "mysqlclient"), ("pymysql", "pymysql", "pymysql")),
}
_SYNC_S = 0.1
_STATE = 6  # the journal's operation that changes the state of a trial
_DRIVER_MODULES = ("sqlalchemy", "psycopg", "psycopg2", "MySQLdb", "pymysql", "grpc")


class StorageLostError(OracleError):
    """A storage that could be reached when a study began, and cannot any more."""


@contextlib.contextmanager
def reaching() -> Generator[None, None, None]:
    """Distinguish what a driver says when its server has gone from whatever else may be wrong.

    Raises:
        StorageLostError: the reason in one line.
    """
    try:
        yield
    except StorageLostError:
        raise
    except Exception as error:
        names = {cause.__module__.partition(".")[0] for cause in type(error).__mro__}
        if isinstance(error, StorageInternalError) or not names.isdisjoint(_DRIVER_MODULES):
            raise StorageLostError(_line(error.__cause__ or error)) from None
        raise


@contextlib.contextmanager
def readable(complaint: str) -> Generator[None, None, None]:
    """Say in one line what optuna says, in many ways, of a storage with other content than it expects.

    Raises:
        StorageLostError: as `reaching`, behind the complaint.
        OracleError: the complaint, with the reason.
    """
    try:
        with quiet(), reaching():
            yield
    except StorageLostError as error:
        raise StorageLostError(f"{complaint}: {error}") from None
    except OracleError:
        raise
    except (LookupError, *MISSHAPEN) as error:  # the former of SQLAlchemy, for words that it does not know
        said = " ".join(str(error).split()) if isinstance(error, ValueError) or not isinstance(error, MISSHAPEN) else ""
        raise OracleError(f"{complaint}: {said or misshape(error)}") from None


def default_storage(name: str) -> str:
    """The journal file of a study whose file names no storage."""
    return f"{name}.journal"


def open_storage(source: str, *, create: bool = True) -> BaseStorage:
    """The storage behind a path or URL.

    Args:
        source: a path (a journal file, made if absent), `journal:PATH`, `grpc://host:port`, or a URL of
            SQLAlchemy: sqlite:///file.db, postgresql://user@host/database, mysql://...
        create: whether a file that does not exist is made.

    Raises:
        OracleError: it cannot be opened; the reason is named, and no password.
    """
    if "://" not in source:
        return _journal(Path(source.removeprefix("journal:")), create=create)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # optuna's experimental features announce themselves
            if source.startswith("grpc://"):
                return _proxy(source)
            if source.startswith("sqlite:///") and not create:
                _check_there(Path(source.removeprefix("sqlite:///").partition("?")[0]))
            return _tables(_with_driver(source))
    except ImportError as error:
        raise MissingDependencyError(f"storage {storage_label(source)}: {_line(error)}") from None
    except OracleError:
        raise
    except Exception as error:  # noqa: BLE001 - a driver's errors have no common root
        raise OracleError(f"storage {storage_label(source)} cannot be opened: {_line(error)}") from None


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]


def _with_driver(url: str) -> str:
    """A URL that names a database alone, with a driver that is installed; others as they are.

    Raises:
        MissingDependencyError: none is installed.
    """
    scheme, _, rest = url.partition("://")
    drivers = _DRIVERS.get(scheme)
    if drivers is None:
        return url
    for module, name, _ in drivers:
        if find_spec(module) is not None:
            return f"{scheme}+{name}://{rest}"
    packages = " or ".join(repr(package) for _, _, package in drivers)
    raise MissingDependencyError(f"storage {storage_label(url)} needs a driver; pip install {packages}")


def _tables(url: str) -> BaseStorage:
    from optuna.storages import get_storage

    if not url.startswith("sqlite"):
        return get_storage(RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
    # Waiting for a writer is no error: SQLite's own five seconds are not enough for several workers.
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 120}})
    _serialise(storage.engine)
    return get_storage(storage)


def _serialise(engine: Any) -> None:
    """Let every transaction begin with SQLite's write lock.

    optuna locks rows that it is about to change with FOR UPDATE, which SQLite ignores: two workers would take
    one waiting trial. (SQLAlchemy documents these two listeners as the way to a BEGIN of one's own.)
    """
    from sqlalchemy import event

    def hand_over(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", hand_over)
    event.listen(engine, "begin", begin)
    engine.dispose()  # connections that were made before


def _check_there(path: Path) -> None:
    if not is_file(path):
        raise OracleError(f"storage {path}: no such file; expected that of a study that `oracle-search run` has begun")


def _proxy(source: str) -> BaseStorage:
    host, _, port = source.removeprefix("grpc://").rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise OracleError(f"storage {source!r}: expected grpc://host:port")
    proxy = GrpcStorageProxy(host=host, port=int(port))
    proxy.wait_server_ready(timeout=_ANSWER_S)
    return proxy


def _journal(path: Path, *, create: bool) -> BaseStorage:
    if not create:
        _check_there(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(Journal(str(path)))
    except Exception as error:  # noqa: BLE001 - optuna replays what stands there, and nothing says what that may raise
        reason = getattr(error, "strerror", None) or f"no journal of optuna ({type(error).__name__}: {_line(error)})"
        raise OracleError(f"storage {path} cannot be opened: {reason}") from None


class Journal(JournalFileBackend):
    """optuna's journal file, for processes that may be killed at any moment.

    The lock is the kernel's, which lets go when its holder dies, where optuna's waits half a minute and then
    breaks in. A last line that was cut short (the disk was full, the power failed) was never acknowledged: it is
    removed, where the next line would have made the file unreadable. Lines are with the kernel, and survive whoever
    wrote them, as soon as they are written; they reach the disk when a trial ends, unless the last ones did a tenth
    of a second before: that much a failing power may cost, which is less than an evaluation is worth waiting for.
    """

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path)  # with optuna's lock, which only Windows uses
        self._own_lock = f"{file_path}.lock"
        self._synced = -math.inf  # when lines last reached the disk

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, whole or not at all."""
        if os.name == "nt":
            super().append_logs(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with _locked(self._own_lock), Path(self._file_path).open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    end = _end_of_last_line(file, end)
                    file.truncate(end)
            file.seek(end)
            file.write(lines.encode())
            file.flush()
            if any(log["op_code"] == _STATE for log in logs) and time.monotonic() >= self._synced + _SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()


def _end_of_last_line(file: Any, end: int) -> int:
    """Where the last whole line of a file ends."""
    while end > 0:
        start = max(0, end - 4096)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return int(start + newline + 1)
        end = start
    return 0


@contextlib.contextmanager
def _locked(path: str) -> Generator[None, None, None]:
    import fcntl

    with Path(path).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing lets go
