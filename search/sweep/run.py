"""Sweeps: populations drawn, scored, judged and written, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from oracle.calibration import Calibration
from oracle.calibration.files import to_yaml
from oracle.config import workload_of
from oracle.devices import Device
from oracle.errors import OracleError, WorkloadError
from oracle.families.fingerprint import Seen
from oracle.query.choosing import checked_calibrations
from oracle.query.devices import find_devices
from oracle.query.resolving import check_words
from oracle.query.trust import Trust
from oracle.spec import Workload

from ..space import Limit, Space, Tally, load_space
from ..space.certainty import check_confidence
from ..space.files import limited
from ..space.space import REPEATED
from .columns import csv_header, parquet_bytes, pyarrow
from .evaluate import Evaluated, check, evaluate
from .executors import Results, dask_executor, in_order, joblib_results, local_pool, ray_executor, submitted
from .folder import Finished, Folder, Sums
from .plan import FORMATS, Plan, identity, refuse_other, versions

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        directory: where it is.
        files: with all candidates, one per format.
        count: how many candidates they hold.
        tally: what became of all that were drawn; of the last chunk more may be feasible than were wanted.
        devices: names.
        workload: what every number is for.
        trust: device name -> how far to trust its latencies; nothing where they are bounds.
        grid: members of a space that was gone through in order; None where they were drawn.
        limits: that candidates obey.
        tokens: of decoders, tokens of each sequence in a call; 0 for networks of images.
    """

    directory: Path
    files: tuple[Path, ...]
    count: int
    tally: Tally
    devices: tuple[str, ...]
    workload: Workload
    trust: Mapping[str, Trust]
    grid: int | None
    limits: tuple[Limit, ...] = ()
    tokens: int = 0

    def _repr_html_(self) -> str:
        from oracle.report.notebook import tables_html

        from ..report.tables import sweep_tables

        return tables_html(sweep_tables(self))


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
    ray: str | None = None,
    joblib: bool = False,
    formats: Sequence[str] = ("csv",),
    resume: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    limits: Sequence[str] = (),
    **workload: Any,
) -> SweepResult:
    """Draw candidates from a space, score them on every device, keep the feasible ones, and write them to files.

    Equal networks are kept once. The files depend on what is swept alone, not on the number of workers nor on
    interruptions: after Ctrl-C, a kill or a full disk, the same call continues behind the last finished chunk.

    Args:
        space: a space, the name of a shipped one, or the path of a YAML file.
        devices: as in `oracle.score_many`; devices of limits join them.
        n: feasible candidates after which to stop. Default: the space's NUM_CONFIGS; all if that is 0.
        out: directory to write; see `oracle.search.sweep.folder`.
        executor: an object with `submit` as in `concurrent.futures`, with `workers` workers; stays open.
        progress: called with (done, total) after each chunk: candidates drawn of the stream's length, or found of those
            wanted, whichever is nearer to its end.
        samples: candidates drawn at most. Default: the space's NUM_SAMPLES.
        workers: processes on this machine; 1 works in this one.
        dask: address of a dask.distributed scheduler to work on instead.
        ray: address of a Ray cluster to work on instead; "local" starts one on this machine, "auto" finds the one that
            this machine is in.
        joblib: work by joblib instead, with `workers` jobs, on the backend that `joblib.parallel_config` names.
        formats: "csv", "parquet" or both.
        resume: continue what `out` holds, if it holds anything.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        limits: beside those of the space, as expressions: `params <= 30e6`, `latency_ms@t4 <= 2 at 90%`.
        workload: fields of `oracle.Workload`.

    Raises:
        OracleError: anything wrong with the arguments; a directory that holds something else; a candidate that cannot
            be scored; a disk that cannot be written.

    Examples:
        >>> import pathlib, tempfile
        >>> from oracle.search import sweep
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = sweep("regnetx", ["t4"], n=20, out=pathlib.Path(folder, "out"))
        >>> result.count
        20
    """
    if workers < 1:
        raise WorkloadError(f"workers={workers!r}: expected at least 1")
    named = [
        name for name, given in {"executor": executor, "dask": dask, "ray": ray, "joblib": joblib}.items() if given
    ]
    if len(named) > 1:
        raise WorkloadError(f"{' and '.join(named)}: expected one of them")
    plan = _plan(space, devices, n, samples, formats, limits, workload)
    own = checked_calibrations(model, calibrations, plan.devices)
    plan = replace(plan, model=model, calibrations=tuple(to_yaml(item) for item in own))
    check_confidence(plan.space.limits, plan.limits.trust)
    folder = Folder(Path(out), plan.formats)
    known = folder.manifest()
    if known is not None:
        refuse_other(str(out), known["identity"], identity(plan))
        if known["complete"] and folder.whole(known):
            return _result(plan, folder, Sums.read(known))
        if not resume:
            raise OracleError(f"out={str(out)!r} holds an unfinished sweep; resume it, or choose another directory")
    check(plan)  # before there is a directory
    with folder.opened():
        places = _Places(executor, workers, dask, ray, joblib)
        sums = _swept(plan, folder, partial(_evaluated, plan, places), progress)
    return _result(plan, folder, sums)


def _plan(
    space: Space | str | Path,
    devices: Iterable[str | Path | Device],
    n: int | None,
    samples: int | None,
    formats: Sequence[str],
    limits: Sequence[str],
    workload: Mapping[str, Any],
) -> Plan:
    check_words(workload)
    for name in formats or ("",):
        if name not in FORMATS:
            raise WorkloadError(f"formats={name!r}: expected {' or '.join(FORMATS)}")
    if "parquet" in formats:
        pyarrow()  # complains before the work, not after it
    chosen = space if isinstance(space, Space) else load_space(space)
    for name, count, least in (("n", n, 0), ("samples", samples, 1)):
        if count is not None and count < least:
            raise WorkloadError(f"{name}={count!r}: expected at least {least}")
    if samples is not None:
        chosen = replace(chosen, num_samples=samples, setup={**chosen.setup, "NUM_SAMPLES": samples})
    places = find_devices(devices) or find_devices(chosen.base.COST.DEVICES)
    known = [place.name for place in places]
    chosen = limited(chosen, limits, known)
    return Plan(
        chosen,
        tuple(find_devices([*places, *(name for name in chosen.devices if name not in known)])),
        workload_of(chosen.base, **workload),
        chosen.num_configs if n is None else n,
        tuple(name for name in FORMATS if name in formats),
    )


class _Places(NamedTuple):
    """Where to work: as in `sweep`."""

    executor: Executor | None
    workers: int
    dask: str | None
    ray: str | None
    joblib: bool

    @property
    def here(self) -> bool:
        """Whether in this process alone."""
        return self.workers == 1 and self.executor is None and not (self.dask or self.ray or self.joblib)


def _evaluated(plan: Plan, places: _Places, first: int) -> Generator[Evaluated, None, None]:
    """The chunks from one on, in order."""
    work, indices = partial(evaluate, plan), range(first, plan.space.chunks)
    if places.here:
        yield from map(work, indices)
        return
    with ExitStack() as stack:
        results = _results(places, work, stack)  # complains of a cluster that is not there before any work
        # Here the templates are made that all workers will find in the cache file.
        yield from map(work, indices[:1])
        yield from in_order(results, indices[1:])


def _results(places: _Places, work: Callable[[int], Evaluated], stack: ExitStack) -> Results:
    """What makes the results of chunks; connections to clusters are closed with the stack."""
    if places.joblib:
        return joblib_results(places.workers, work)
    if places.dask is not None:
        remote, workers = stack.enter_context(dask_executor(places.dask))
    elif places.ray is not None:
        remote, workers = stack.enter_context(ray_executor(places.ray))
    elif places.executor is not None:
        remote, workers = places.executor, places.workers
    else:
        return partial(submitted, partial(local_pool, places.workers), places.workers, work)
    return partial(submitted, lambda: nullcontext(remote), workers, work)


def _swept(
    plan: Plan, folder: Folder, source: Callable[[int], Generator[Evaluated, None, None]], progress: Progress | None
) -> Sums:
    """Finish what a directory holds, from the first chunk that it lacks."""
    seen, sums = Seen(), Sums()
    for done in folder.finished():
        if _enough(plan, sums):
            break
        seen.add(done.prints)
        sums = sums.plus(done)
    folder.discard(len(sums.counts))
    folder.write_manifest(_manifest(plan, sums))
    if not _enough(plan, sums):
        with closing(source(len(sums.counts))) as chunks:
            for chunk in chunks:
                done = _kept(plan, folder, chunk, seen, sums)
                sums = sums.plus(done)
                folder.write_manifest(_manifest(plan, sums))
                if progress is not None:
                    progress(*_progress(plan, sums))
                if _enough(plan, sums):
                    break
    folder.merge(len(sums.counts))
    folder.write_manifest({**_manifest(plan, sums, complete=True), "sizes": folder.sizes()})
    folder.remove_parts()
    return sums


def _kept(plan: Plan, folder: Folder, chunk: Evaluated, seen: Seen, sums: Sums) -> Finished:
    """Write the candidates of a chunk that no chunk before it has, as far as they are wanted."""
    feasible = chunk.prints.shape[1]
    new = seen.add(chunk.prints)
    rows = new[: plan.wanted - sums.found] if plan.wanted else new
    again = feasible - len(new)
    done = Finished(chunk.prints[:, rows], chunk.tally + Tally(0, -again, {REPEATED: again} if again else {}))
    contents = {}
    if "csv" in plan.formats:
        contents["csv"] = "".join([csv_header(chunk.names), *(chunk.lines[row] for row in rows)]).encode()
    if "parquet" in plan.formats:
        contents["parquet"] = parquet_bytes({name: column[rows] for name, column in chunk.columns.items()})
    folder.commit(chunk.index, contents, done)
    return done


def _enough(plan: Plan, sums: Sums) -> bool:
    return len(sums.counts) >= plan.space.chunks or bool(plan.wanted and sums.found >= plan.wanted)


def _progress(plan: Plan, sums: Sums) -> tuple[int, int]:
    drawn, length = sums.tally.drawn, plan.space.length
    if plan.wanted and sums.found * length > drawn * plan.wanted:
        return sums.found, plan.wanted
    return drawn, length


def _manifest(plan: Plan, sums: Sums, *, complete: bool = False) -> dict[str, Any]:
    return {
        "identity": identity(plan),
        "name": plan.space.name,
        "versions": versions(),
        "chunks": plan.space.chunks,
        "complete": complete,
        **sums.to_dict(),
    }


def _result(plan: Plan, folder: Folder, sums: Sums) -> SweepResult:
    files = tuple(folder.result(suffix) for suffix in plan.formats)
    names = tuple(device.name for device in plan.devices)
    grid = plan.space.size if plan.space.enumerated else None
    limits, trust = plan.space.limits, plan.limits.trust
    return SweepResult(
        folder.path, files, sums.found, sums.tally, names, plan.workload, trust, grid, limits, plan.space.tokens
    )
