"""`oracle devices`: what there is to predict for, and what is known of each."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_output
from oracle.cli._output import deliver
from oracle.cli._sources import devices_of

_EXAMPLES = """\
examples:
  oracle devices
  oracle devices jetson-agx-orin
  oracle devices my/board.yaml                  # checks a device file of your own
  oracle devices --format csv -o devices.csv"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "devices",
        help="list devices, or show one with its figures, sources and ridge points",
        description="The shipped devices; or every figure of one with unit and source, and its ridge points.",
        epilog=_EXAMPLES,
    )
    command.add_argument("devices", nargs="*", metavar="NAME", help="name, alias, or path of a device file")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.devices import list_devices
    from oracle.report.rows import device_data, device_rows
    from oracle.report.table.devices import device_tables, devices_tables

    devices = devices_of(args.devices or list_devices())
    devices = devices if args.devices else sorted(devices, key=lambda device: (device.kind, device.name))
    deliver(
        args,
        table=lambda: (
            [item for device in devices for item in device_tables(device)] if args.devices else devices_tables(devices)
        ),
        data=lambda: {"devices": [device_data(device) for device in devices]},
        rows=lambda: [row for device in devices for row in device_rows(device)],
    )
    return 0
