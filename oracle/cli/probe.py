"""`oracle probe`: measure the roofs of this host."""

from __future__ import annotations

import argparse
from typing import Any

from oracle._files import is_file
from oracle.cli._flags import add_place
from oracle.cli._output import YAML, check_file

_EXAMPLES = """\
examples:
  oracle probe -o host.yaml                     # a device file like any other
  oracle probe --threads 1 --clock cpu -o host.yaml
  oracle probe --on cuda -o gpu.yaml            # TF32 and float8 too, where the GPU has them
  oracle score ResNet-50 --device host.yaml"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "probe",
        help="measure the roofs of this host, as a device file",
        description="Measure what this host reaches at best: matrix products per dtype, bandwidth of memory and\n"
        "last-level cache, time per operator. The result is a device file.",
        epilog=_EXAMPLES,
    )
    add_place(command)
    command.add_argument("--seconds", type=float, default=12.0, metavar="S", help="of benchmarks (default: 12)")
    command.add_argument("-o", "--output", metavar="FILE", help="write the device file (YAML) here, and a table to "
                         "standard output; without it the file goes there")  # fmt: skip
    command.set_defaults(run=_run, check=lambda args: check_file(args.output, YAML))


def _run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from oracle.devices import load_device
    from oracle.measure import device_yaml, probe
    from oracle.report.console import show, write
    from oracle.report.export import write_text
    from oracle.report.table.devices import device_tables

    file = None if args.output == "-" else args.output
    name = Path(file).stem if file else "host"
    found = probe(args.on, name=name, threads=args.threads, clock=args.clock, seconds=args.seconds)
    if file is None:
        write(device_yaml(found))
    else:
        write_text(file, device_yaml(found))
        if is_file(file):
            show(device_tables(load_device(Path(file))))
    return 0
