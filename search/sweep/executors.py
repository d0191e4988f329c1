"""Chunks to workers, results back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from oracle.errors import MissingDependencyError, OracleError

__all__ = ["dask_executor", "in_order", "local_pool"]

_Out = TypeVar("_Out")

_AHEAD = 2  # chunks per worker that may wait for an earlier one
_ATTEMPTS = 3


@contextmanager
def local_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of this machine that start afresh, ignore Ctrl-C and end when this process does.

    On the way out what has not begun is dropped.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a worker: leave Ctrl-C to the parent, and do not outlive it when it is killed."""
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
        for result in _until_broken(pool, _AHEAD * workers, function, indices):
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
) -> Iterator[_Out | BrokenExecutor]:
    """Results in order; in the place of the first that is lost with its worker, how it was lost."""
    try:
        with pool() as executor:
            yield from _ordered(executor, ahead, function, indices)
    except BrokenExecutor as error:
        yield error


def _ordered(executor: Executor, ahead: int, function: Callable[[int], _Out], indices: range) -> Iterator[_Out]:
    waiting: deque[Future[_Out]] = deque()
    coming = iter(indices)
    try:
        for index in coming:
            waiting.append(executor.submit(function, index))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
