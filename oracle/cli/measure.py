"""`oracle measure`: time networks on this host."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_model, add_output, add_place, add_workload, model_of, natural, workload_of
from oracle.cli._output import deliver
from oracle.cli._sources import devices_of, expand
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.measure import Measurement

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle measure R-56 RegNetX-400MF -o m.csv
  oracle measure regnetx --device-file host.yaml -o m.csv     # beside what the host's roofs allow
  oracle measure ResNet-50 --device-file host.yaml --calibration my.yaml --threads 1 --clock cpu

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
    command.add_argument("--repeats", type=natural, default=10, metavar="N", help="blocks of calls (default: 10)")
    add_place(command)
    add_model(command)
    add_workload(command, overrides=False, counting=False)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.query import score
    from oracle.report.console import show
    from oracle.report.rows import measurement_rows
    from oracle.report.table import measurement_tables

    if not args.device_file and (args.model or args.calibration):
        raise OracleError("a prediction needs --device-file; `oracle probe -o host.yaml` makes one")
    sources = list(dict.fromkeys(_portable(source) for source in expand(args.networks)))
    devices, words = devices_of([args.device_file] if args.device_file else []), workload_of(args)
    model = model_of(args)
    costs = [score(source, devices, **words, **model) for source in sources]  # complains before anything is timed
    found = _measured(sources, args, devices[0].name if devices else None, words)
    deliver(
        args,
        table=lambda: measurement_tables(found, costs),
        data=lambda: {"measurements": measurement_rows(found), "predictions": [cost.to_dict() for cost in costs]},
        rows=lambda: measurement_rows(found),
    )
    if args.output not in (None, "-"):
        show(measurement_tables(found, costs))
    return 0


def _measured(
    sources: list[str], args: argparse.Namespace, name: str | None, words: dict[str, Any]
) -> list[Measurement]:
    """Measurements that name networks so that they are found again."""
    from dataclasses import replace

    from oracle import measure as stopwatch

    found = stopwatch(
        sources, device=args.on, name=name, repeats=args.repeats, threads=args.threads, clock=args.clock, **words
    )
    return [replace(item, network=source) for item, source in zip(found, sources, strict=True)]


def _portable(source: str) -> str:
    """A shipped network by its name, not by where it is on this host."""
    from pathlib import Path

    from oracle._resources import shipped

    path = Path(source)
    return path.stem if shipped("networks").get(path.stem) == path else source
