"""Chunks to workers, results back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from importlib import import_module
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

from oracle._interrupts import undisturbed
from oracle.errors import MissingDependencyError, OracleError

Results = Callable[[range], Generator[Any, None, None]]
"""Makes results of indices, in their order; raises `BrokenExecutor` where one is lost with its worker."""

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
            raise OracleError(f"dask={address!r}: lost its workers or its scheduler: {error}") from None


@contextmanager
def ray_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """The executor of a Ray cluster and how many CPUs it has.

    Ray itself tries a task again, three times, whose worker died.

    Args:
        address: `local` starts Ray on this machine until the end, `auto` finds the cluster that this machine is in,
            `ray://host:10001` is that of a client; where this process is connected already, its connection is used.

    Raises:
        OracleError: Ray is not installed, or nothing answers.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise MissingDependencyError(f"ray={address!r} needs ray; `pip install 'nas-cost-oracle[ray]'`") from None
    own = not ray.is_initialized()
    if own:
        try:
            with _silent_ray():
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=None)
        except (OSError, ValueError, RuntimeError) as error:
            raise OracleError(f"ray={address!r}: no cluster answers: {error}") from None
    try:
        workers = int(ray.cluster_resources().get("CPU", 0))
        if not workers:
            raise OracleError(f"ray={address!r}: the cluster has no CPUs")
        yield _RayExecutor(ray), workers
    except ray.exceptions.RayError as error:
        raise OracleError(f"ray={address!r}: lost its workers: {error}") from None
    finally:
        if own:
            with undisturbed():
                ray.shutdown()


class _RayExecutor(Executor):
    """Tasks of Ray as futures of the standard library."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._called = ray, ray.remote(_called)

    def submit(self, fn: Callable[..., _Out], /, *args: Any, **kwargs: Any) -> Future[_Out]:
        reference, future = self._called.remote(fn, *args, **kwargs), Future[_Out]()
        future.add_done_callback(lambda done: self._ray.cancel(reference) if done.cancelled() else None)
        reference.future().add_done_callback(lambda done: self._settle(done, future))
        return future

    def _settle(self, done: Any, future: Future[Any]) -> None:
        """What became of a task is what becomes of its future; what the function raised is raised as it was."""
        if not future.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(getattr(error, "cause", None) or error)


def _called(fn: Callable[..., _Out], *args: Any, **kwargs: Any) -> _Out:
    return fn(*args, **kwargs)


@contextmanager
def _silent_ray() -> Iterator[None]:
    """Ray that starts here sends no usage statistics, unless the user's environment says otherwise."""
    name = "RAY_USAGE_STATS_ENABLED"
    given = os.environ.get(name)
    os.environ.setdefault(name, "0")
    try:
        yield
    finally:
        if given is None:
            os.environ.pop(name, None)


def joblib_results(workers: int, function: Callable[[int], Any]) -> Results:
    """What makes results by whatever backend of joblib `joblib.parallel_config` names; by its processes if none.

    Args:
        workers: how many; 1 for what the configuration says.
        function: to be called in workers.

    Raises:
        OracleError: joblib is not installed.
    """
    try:
        joblib: Any = import_module("joblib")
    except ImportError:
        raise MissingDependencyError("joblib=True needs joblib; `pip install 'nas-cost-oracle[joblib]'`") from None
    return partial(_by_joblib, joblib, workers, function)


def _by_joblib(
    joblib: Any, workers: int, function: Callable[[int], _Out], indices: range
) -> Generator[_Out, None, None]:
    parallel = joblib.Parallel(
        n_jobs=workers if workers > 1 else None,
        return_as="generator",
        batch_size=1,
        pre_dispatch=f"{_AHEAD} * n_jobs",
    )
    results = parallel(joblib.delayed(function)(index) for index in indices)
    try:
        for result in results:  # noqa: UP028 - `yield from` would close them itself, with a warning
            yield result
    finally:
        with warnings.catch_warnings():  # about results that are left over
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def submitted(
    pool: Callable[[], Any], workers: int, function: Callable[[int], _Out], indices: range
) -> Generator[_Out, None, None]:
    """Results in order, by an executor; a bounded number of them is under way.

    Args:
        pool: makes a context manager that gives an executor.
        workers: how many the executor has.
        function: to be called in workers.
        indices: what for.

    Raises:
        BrokenExecutor: a worker was killed.
    """
    waiting: deque[Future[_Out]] = deque()
    # Cancelled after the pool has gone: one that breaks cannot deal with what somebody else has cancelled.
    with _cancelled(waiting), pool() as executor:
        for index in indices:
            waiting.append(executor.submit(function, index))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def in_order(results: Results, indices: range) -> Generator[Any, None, None]:
    """The results of every index, in their order.

    A killed worker can take what others were at with it. So the first index that is left is then asked for by itself:
    whoever is killed alone is the one to blame.

    Args:
        results: makes them; called anew, for the indices that are left, when a worker was killed.
        indices: what for.

    Raises:
        OracleError: what the results raise; or workers that are killed again and again.
    """
    attempts = 0
    while indices:
        failure: BrokenExecutor | None = None
        with closing(_until_broken(results, indices[:1] if attempts else indices)) as found:
            for result in found:
                if isinstance(result, BrokenExecutor):
                    failure = result
                else:
                    yield result
                    indices, attempts = indices[1:], 0
        attempts += 1
        if failure is not None and attempts == _ATTEMPTS:
            raise OracleError(
                f"chunk {indices[0]}: its worker was killed {attempts} times, perhaps for want of memory "
                "(a smaller SETUP.CHUNK_SIZE or fewer workers help)"
            ) from failure


def _until_broken(results: Results, indices: range) -> Generator[Any, None, None]:
    """Results; in the place of the first that is lost with its worker, how it was lost."""
    try:
        with closing(results(indices)) as found:
            yield from found
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
