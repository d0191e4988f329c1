"""Chunks to workers, results back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from importlib import import_module
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

from oracle._interrupts import undisturbed
from oracle.errors import MissingDependencyError, OracleError

__all__ = ["dask_executor", "in_order", "local_pool"]

_Out = TypeVar("_Out")

_AHEAD = 2  # chunks per worker that may wait for an earlier one
_ATTEMPTS = 3


@contextmanager
def local_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of this machine that start afresh, are deaf to Ctrl-C and end when this process does.

    On the way out what has not begun is dropped; left by an exception, what has begun too.
    """
    context = _Deaf()
    pool = _Pool(workers, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BaseException:
        context.terminate()  # nobody waits for their chunks, nor for imports that a worker is busy with
        raise
    finally:
        with undisturbed():  # a second Ctrl-C must not leave processes behind
            pool.shutdown(wait=True, cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    """Starts its processes and threads whole: one that an interrupt left half begun could not be shut down."""

    def submit(self, fn: Callable[..., _Out], /, *args: Any, **kwargs: Any) -> Future[_Out]:
        with undisturbed():
            return super().submit(fn, *args, **kwargs)


class _Deaf(SpawnContext):
    """Makes the workers of one pool, and can end them."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: list[SpawnProcess] = []
        self._results: list[Any] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802 - its name there
        worker = _Worker(*args, **kwargs)
        self._workers.append(worker)
        return worker

    def SimpleQueue(self) -> Any:  # noqa: N802 - its name there; the pool reads results from it
        self._results.append(super().SimpleQueue())
        return self._results[-1]

    def terminate(self) -> None:
        """End all that have begun; whoever reads half a result of theirs finds its end."""
        for worker in self._workers:
            if worker.pid is not None:
                worker.terminate()
        for queue in self._results:
            queue._writer.close()  # noqa: SLF001 - the last open end of the pipe: with it a reader would wait for ever


class _Worker(SpawnProcess):
    """A process to which Ctrl-C is the parent's affair from its first moment, before it can import anything."""

    def start(self) -> None:
        # A process inherits what its parent holds back; one that is started by half would complain.
        with undisturbed(), _held(signal.SIGINT):
            super().start()


@contextmanager
def _held(*signals: signal.Signals) -> Iterator[None]:
    """Signals wait until the end; nothing on systems that cannot hold them back."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """In a worker: ignore Ctrl-C where it could not be held back, and do not outlive the parent when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """The executor of a dask.distributed cluster and how many threads it has.

    Raises:
        OracleError: distributed is not installed, or nothing answers.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise MissingDependencyError(
            f"dask={address!r} needs distributed; `pip install 'nas-cost-oracle[dask]'`"
        ) from None
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise OracleError(f"dask={address!r}: no scheduler answers: {error}") from None
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise OracleError(f"dask={address!r}: the cluster has no workers; start some with `dask worker`")
        try:
            yield client.get_executor(), workers
        except (distributed.scheduler.KilledWorker, distributed.comm.core.CommClosedError, CancelledError) as error:
            raise OracleError(
                f"dask={address!r}: lost its workers or its scheduler: {error}; the sweep can be resumed"
            ) from None


def in_order(pool: Callable[[], Any], workers: int, function: Callable[[int], _Out], indices: range) -> Iterator[_Out]:
    """The function of every index, in their order, a bounded number of them under way.

    Args:
        pool: makes a context manager that gives an executor; called anew when a worker was killed.
        workers: how many the executor has.
        function: to be called in workers.
        indices: what for.

    Raises:
        OracleError: what the function raises; or workers that are killed again and again.
    """
    attempts = 0
    while indices:
        failure: BrokenExecutor | None = None
        with closing(_until_broken(pool, _AHEAD * workers, function, indices)) as results:
            for result in results:
                if isinstance(result, BrokenExecutor):
                    failure = result
                else:
                    yield result
                    indices, attempts = indices[1:], 0
        attempts += 1
        if failure is not None and attempts == _ATTEMPTS:
            raise OracleError(
                f"chunk {indices[0]}: its worker was killed {attempts} times, perhaps for want of memory "
                "(a smaller SETUP.CHUNK_SIZE or fewer workers help); the sweep can be resumed"
            ) from failure


def _until_broken(
    pool: Callable[[], Any], ahead: int, function: Callable[[int], _Out], indices: range
) -> Generator[_Out | BrokenExecutor, None, None]:
    """Results in order; in the place of the first that is lost with its worker, how it was lost."""
    waiting: deque[Future[_Out]] = deque()
    try:
        # Cancelled after the pool has gone: one that breaks cannot deal with what somebody else has cancelled.
        with _cancelled(waiting), pool() as executor:
            for index in indices:
                waiting.append(executor.submit(function, index))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenExecutor as error:
        yield error


@contextmanager
def _cancelled(waiting: deque[Future[_Out]]) -> Iterator[None]:
    """Whatever is left in the end is cancelled: an executor that stays open should not work for nobody."""
    try:
        yield
    finally:
        for future in waiting:
            future.cancel()
