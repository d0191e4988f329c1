"""`oracle calibrate`: fit a device to latencies measured on it."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_selection, selection_of
from oracle.cli._messages import warn
from oracle.cli._output import YAML, check_file
from oracle.cli._sources import devices_of

_EXAMPLES = """\
examples:
  oracle calibrate --device host.yaml --measurements m.csv -o my.yaml
  oracle calibrate -d t4 --measurements m.csv --runtime engine --source "our rig, TensorRT 10.3" -o my.yaml
  oracle score ResNet-50 -d t4 --runtime engine --calibration my.yaml     # what it is for

The file has the columns network, device, batch_size, dtype, runtime, layout, mode and latency_ms, and
may have more, such as family (see `oracle measure`). Any number of rows gives the best answer it can."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "calibrate",
        help="fit a device to measured latencies",
        description="Fit the shares of its roofs that a device reaches to latencies measured on it, starting from\n"
        "what its kind teaches, and estimate the error on networks that the fit has not seen.",
        epilog=_EXAMPLES,
    )
    command.add_argument("-d", "--device", required=True, metavar="DEVICE", help="name, or path of a device file")
    command.add_argument("--measurements", required=True, metavar="FILE", help="CSV of measured latencies")
    command.add_argument("--source", default="", metavar="TEXT", help="who measured what (default: the file's name)")
    command.add_argument("--licence", default="unstated", metavar="TEXT", help="of the measurements")
    add_selection(command)
    command.add_argument("-o", "--output", metavar="FILE", help="write the calibration (YAML) here, and a summary to "
                         "standard output; without it the calibration goes there")  # fmt: skip
    command.set_defaults(run=_run, check=lambda args: check_file(args.output, YAML))


def _run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from oracle.calibration.files import from_yaml, to_yaml
    from oracle.query import calibrate
    from oracle.query.calibrating import measured_on
    from oracle.report.captions import spread_note
    from oracle.report.console import show, write
    from oracle.report.export import write_text
    from oracle.report.table.calibrations import calibration_tables

    (device,) = devices_of([args.device])
    rows = [chosen.item for chosen in measured_on(device, args.measurements, **selection_of(args))]
    if note := spread_note(rows):
        warn(note)
    found = calibrate(device, rows, source=args.source or Path(args.measurements).name, licence=args.licence)
    content = to_yaml(found)
    if args.output in (None, "-"):
        write(content)
    else:
        write_text(args.output, content)
        show(calibration_tables(from_yaml(content, args.output)))  # its figures as every later command reads them
    return 0
