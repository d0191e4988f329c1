"""Sweeps: populations drawn, scored, judged and written, chunk by chunk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from oracle.devices import Device
from oracle.errors import ConfigError, OracleError, WorkloadError
from oracle.families.fingerprint import Seen
from oracle.query.devices import find_devices
from oracle.spec import Workload
from search.space import Space, Tally, load_space
from search.space.space import REPEATED
from search.sweep.columns import csv_header, parquet_bytes, pyarrow
from search.sweep.evaluate import Evaluated, evaluate
from search.sweep.executors import dask_executor, in_order, local_pool
from search.sweep.folder import Finished, Folder
from search.sweep.lock import locked
from search.sweep.plan import FORMATS, Plan, identity, refuse_other, versions

__all__ = ["SURPLUS", "SweepResult", "sweep"]

SURPLUS = "surplus"
"""Why feasible candidates of the last chunk are left out: as many as wanted were found before them."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        directory: where it is.
        files: with all candidates, one per format.
        count: how many candidates they hold.
        tally: what became of all that were drawn.
        devices: names.
        workload: what every number is for.
    """

    directory: Path
    files: tuple[Path, ...]
    count: int
    tally: Tally
    devices: tuple[str, ...]
    workload: Workload


def sweep(
    space: Space | str | Path,
    devices: Iterable[str | Path | Device] = (),
    n: int | None = None,
    out: str | Path = "sweep",
    executor: Executor | None = None,
    progress: Progress | None = None,
    *,
    samples: int | None = None,
    workers: int = 1,
    dask: str | None = None,
    formats: Sequence[str] = ("csv",),
    resume: bool = False,
    **workload: Any,
) -> SweepResult:
    """Draw candidates from a space, score them on every device, keep the feasible ones, and write them.

    Equal networks are kept once. Results depend on the arguments above the line alone, not on the workers, nor
    on how often the sweep was interrupted: after Ctrl-C, a kill, or a full disk the same call with `resume`
    goes on behind the last chunk that was finished.

    Args:
        space: a space, the name of a shipped one, or the path of a YAML file.
        devices: as in `oracle.score_many`; those that limits are on join them.
        n: feasible candidates after which to stop; the space's NUM_CONFIGS if None, all if that is 0.
        out: directory to write; see `search.sweep.folder`.
        executor: whatever has `submit` as in `concurrent.futures`, with `workers` workers; stays open.
        progress: called with (done, total) after each chunk: candidates drawn of the stream's length, or found
            of those wanted, whichever is nearer to its end.
        samples: candidates drawn at most; the space's NUM_SAMPLES if None.
        workers: processes of this machine; 1 works in this one. Needs no `executor`.
        dask: address of a dask.distributed scheduler to work on instead.
        formats: "csv", "parquet" or both.
        resume: go on with what `out` holds, if it holds anything.
        workload: fields of `oracle.Workload`.

    Raises:
        OracleError: anything wrong with the arguments; a directory that holds something else; a candidate that
            cannot be scored; a disk that cannot be written.
    """
    plan = _plan(space, devices, n, samples, formats, workload)
    folder = Folder(Path(out), plan.formats)
    if workers < 1:
        raise WorkloadError(f"workers={workers!r}: expected at least 1")
    known = folder.manifest()
    if known is not None:
        refuse_other(str(out), known["identity"], identity(plan))
        if not resume and not known["complete"]:
            raise OracleError(f"out={str(out)!r} holds an unfinished sweep; resume it, or choose another directory")
    folder.create()
    with locked(folder.path / ".lock"):
        state = _State(plan, folder, progress)
        if known is not None and known["complete"] and state.whole(known):
            return state.result(known)
        state.recover()
        with _evaluator(plan, executor, workers, dask) as evaluated:
            state.consume(evaluated)
        return state.finish()
