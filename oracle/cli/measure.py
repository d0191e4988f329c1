"""`oracle measure`: time networks on this host."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import (
    add_model,
    add_output,
    add_place,
    add_workload,
    batch_sizes_of,
    model_of,
    natural,
    workload_of,
)
from oracle.cli._messages import complain, warn
from oracle.cli._output import deliver
from oracle.cli._sources import configs_of, devices_of
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.devices import Device
    from oracle.imports.profiles import NetworkProfile
    from oracle.measure import KernelTime, Measurement
    from oracle.query import Cost

Job = tuple[str, "int | None"]
"""A network as the user named it, and a batch size; None for the config's."""

_EXAMPLES = """\
examples:
  oracle measure R-56 RegNetX-400MF -o m.csv
  oracle measure regnetx --device-file host.yaml -o m.csv     # beside what the host's roofs allow
  oracle measure R-56 --device-file host.yaml --operators 10  # which operators reach what share of their roof
  oracle measure ResNet-50 --device-file host.yaml --calibration my.yaml --threads 1 --clock cpu
  oracle measure regnetx --on cuda --dtype float16 --batch 1,8,64 -o m.csv       # a sweep over batch sizes
  oracle measure R-56 --engine onnxruntime --dtype int8 --threads 2 -o m.csv     # also openvino, litert, ncnn
  oracle measure ResNet-50 --on cuda --runtime compiled --cuda-graphs --kernels 10  # replayed, and its slowest kernels

Ctrl-C keeps what is measured, and so does an error after the first repeat: networks with three
finished repeats or more are written, each with how many it had; the exit code is 130, or 2.

`oracle probe -o host.yaml` makes the device file, `oracle calibrate` learns from m.csv."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "measure",
        help="time networks on this host, beside their prediction",
        description="Build networks with random weights and time them here: interleaved repeats, median and spread.",
        epilog=_EXAMPLES,
    )
    command.add_argument("networks", nargs="+", metavar="NET", help="shipped name, YAML file, or directory of them")
    command.add_argument("--device-file", metavar="FILE", help="this host as a device: adds what is predicted for it")
    command.add_argument(
        "--operators",
        type=natural,
        metavar="N",
        help="profile the networks as well: what each class and the N slowest operators achieve (in eager, "
        "ONNX Runtime and OpenVINO)",
    )
    command.add_argument(
        "--kernels",
        type=natural,
        metavar="N",
        help="profile what ran as well: the N slowest kernels, in eager or compiled",
    )
    command.add_argument("--repeats", type=natural, default=10, metavar="N", help="blocks of calls (default: 10)")
    add_place(command, threads=False)
    command.add_argument(
        "--cache",
        choices=("warm", "cold"),
        default="warm",
        help="cold: sweep the last-level cache before every call (default: warm)",
    )
    command.add_argument(
        "--models",
        metavar="DIR",
        help="with --engine: keep exported models here, so that they are found the next time (default: nowhere)",
    )
    add_model(command)
    add_workload(command, overrides=False, counting=False, batches=True)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.query import score
    from oracle.report.captions import spread_note

    if not args.device_file and (args.calibration or args.model == "calibrated"):
        raise OracleError("a prediction needs --device-file; `oracle probe -o host.yaml` makes one")
    sources = list(dict.fromkeys(_portable(source) for source in configs_of(args.networks, "measuring takes")))
    devices, model = devices_of([args.device_file] if args.device_file else []), model_of(args)
    words = {name: word for name, word in workload_of(args).items() if name not in ("batch_size", "threads")}
    sizes = batch_sizes_of(args) or (args.batch_size,)
    jobs = [(source, size) for source in sources for size in sizes]
    # complains before anything is timed
    costs = {job: score(job[0], devices, batch_size=job[1], threads=args.threads, **words, **model) for job in jobs}
    if args.operators and any(cost.workload.runtime == "compiled" for cost in costs.values()):
        raise OracleError("--operators: operators can be measured separately in eager and in engines only")
    found: dict[Job, Measurement] = {}
    profiles: list[NetworkProfile] = []
    kernels: dict[Job, tuple[KernelTime, ...]] = {}
    stop: KeyboardInterrupt | OracleError | None = None
    try:
        _measure(found, sources, sizes, args, devices[0].name if devices else None, words)
        # one by one, so that those there are remain
        profiles.extend(_profiled(job, args, devices, words, model) for job in jobs if args.operators)
        kernels.update((job, _kernels(job, args, words)) for job in jobs if args.kernels)
    except (KeyboardInterrupt, OracleError) as error:
        stop = error
    if found:
        _deliver(args, found, costs, profiles, kernels)
        if note := spread_note(list(found.values())):
            warn(note)
    return _ended(stop, found, len(jobs), args)


def _deliver(
    args: argparse.Namespace,
    found: Mapping[Job, Measurement],
    costs: Mapping[Job, Cost],
    profiles: list[NetworkProfile],
    kernels: Mapping[Job, tuple[KernelTime, ...]],
) -> None:
    from oracle.report.console import show
    from oracle.report.profiled_rows import kernel_time_rows, operator_rows
    from oracle.report.rows import measurement_rows
    from oracle.report.table.comparisons import measurement_tables

    rows, predicted = list(found.values()), [costs[job] for job in found]
    tables = measurement_tables(rows, predicted)
    tables += _profile_tables(profiles, args)
    tables += [table for job, own in kernels.items() for table in _kernel_tables(found[job], own, args)]
    deliver(
        args,
        table=lambda: tables,
        data=lambda: {
            "measurements": measurement_rows(rows),
            "predictions": [cost.to_dict() for cost in predicted],
            "operators": [row for profile in profiles for row in operator_rows(profile)],
            "kernels": [
                row
                for job, own in kernels.items()
                for row in kernel_time_rows(job[0], costs[job].workload.batch_size, own)
            ],
        },
        rows=lambda: measurement_rows(rows),
    )
    if args.output not in (None, "-"):
        show(tables)


def _ended(
    stop: KeyboardInterrupt | OracleError | None,
    found: Mapping[Job, Measurement],
    requested: int,
    args: argparse.Namespace,
) -> int:
    """The exit code; where measuring ended early, after a line that says what is kept: an hour may be in it."""
    if stop is None:
        return 0
    repeats = sorted({item.repeats for item in found.values()})
    what = "networks" if batch_sizes_of(args) is None else "networks at a batch size"
    kept = f"kept {len(found)} of {requested} {what}, {' or '.join(map(str, repeats))} of {args.repeats} repeats each"
    if isinstance(stop, KeyboardInterrupt):
        warn(f"interrupted: {kept if found else 'no network had enough finished repeats, nothing is kept'}")
        return 130
    if not found:
        raise stop
    complain(f"{stop}; {kept}")
    return 2


def _profiled(
    job: Job, args: argparse.Namespace, devices: list[Device], words: dict[str, Any], model: dict[str, Any]
) -> NetworkProfile:
    """A network operator by operator, as the model predicts it."""
    from oracle.measure import measure_operators
    from oracle.query import resolve
    from oracle.query.models import image_size_of, latency_models

    source, batch_size = job
    words = {**words, "batch_size": batch_size}
    roofs = devices[0] if devices else None
    efficiency = None
    if roofs is not None and model["model"] != "roofline":
        net, workload, *_ = resolve(source, **words)
        places = latency_models(devices, workload, **model, image_size=image_size_of(net.input_shape)).places
        efficiency = places[roofs.name].efficiency
    return measure_operators(
        source,
        device=args.on,
        roofs=roofs,
        repeats=min(args.repeats, 5),
        threads=args.threads,
        efficiency=efficiency,
        models=args.models,
        **words,
    )


def _profile_tables(profiles: list[NetworkProfile], args: argparse.Namespace) -> list[Any]:
    from oracle.report.table.profiles import profile_tables

    return profile_tables(profiles, args.operators) if profiles else []


def _kernels(job: Job, args: argparse.Namespace, words: dict[str, Any]) -> tuple[KernelTime, ...]:
    """What ran in a call of a network, kernel by kernel."""
    from oracle.measure import measure_kernels

    where: dict[str, Any] = {"device": args.on, "threads": args.threads, "repeats": min(args.repeats, 5)}
    return measure_kernels(job[0], batch_size=job[1], **where, **words)


def _kernel_tables(item: Measurement, kernels: Sequence[KernelTime], args: argparse.Namespace) -> list[Any]:
    from oracle.report.table.profiles import kernel_time_tables

    return kernel_time_tables(item.network, item.workload, kernels, args.kernels)


def _measure(
    found: dict[Job, Measurement],
    sources: list[str],
    sizes: Sequence[int | None],
    args: argparse.Namespace,
    name: str | None,
    words: dict[str, Any],
) -> None:
    """Add the measurements, which name networks so that they are found again; if ended early, those there are."""
    from dataclasses import replace

    from oracle import measure as stopwatch

    jobs = [(source, size) for source in sources for size in sizes]

    def keep(items: Sequence[Measurement | None]) -> None:
        found.update(
            {job: replace(item, network=job[0]) for job, item in zip(jobs, items, strict=True) if item is not None}
        )

    where = {name: getattr(args, name) for name in ("threads", "clock", "cache", "repeats", "models")}
    keep(stopwatch(sources, name=name, device=args.on, batch_size=sizes, on_stop=keep, **where, **words))


def _portable(source: str) -> str:
    """A shipped network by its name, not by where it is on this host."""
    from pathlib import Path

    from oracle._resources import shipped

    path = Path(source)
    return path.stem if shipped("networks").get(path.stem) == path else source
