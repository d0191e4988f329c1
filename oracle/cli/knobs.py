"""`oracle knobs`: what one step of each number of a network changes, and which step buys the most time."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_devices, add_model, add_output, add_workload, model_of, workload_of
from oracle.cli._output import deliver
from oracle.cli._sources import configs_of, devices_of, only
from oracle.errors import OracleError

_EXAMPLES = """\
examples:
  oracle knobs RegNetX-400MF --device t4        # widths, depths, group widths, resolution
  oracle knobs EfficientNet-B0 -d pixel-4 -d jetson-nano --by knob
  oracle knobs ResNet-50 -d t4 --batch 64 --dtype float16 --runtime engine --format csv

On each device the steps that save time come first, the one that saves most per MAC given up on top;
then those that cost time, the one that costs least per MAC gained on top."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "knobs",
        help="what one step of a width, depth, group width or the resolution changes",
        description="Turn every knob of a network one step up and one step down: how much latency, traffic and\n"
        "how many MACs that changes on each device, and which step buys the most latency per MAC.",
        epilog=_EXAMPLES,
    )
    command.add_argument("network", metavar="NET", help="name of a shipped network, or YAML file")
    add_devices(command)
    command.add_argument(
        "--by",
        choices=("device", "knob"),
        default="device",
        help="a list per device, in its own order (default); or one list in the order of the network",
    )
    add_model(command)
    add_workload(command, counting=False)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.config import load_cfg
    from oracle.query import knobs
    from oracle.report.rows import knob_data, knob_rows
    from oracle.report.table.knobs import knob_tables

    source = only(configs_of([args.network], "knobs are the numbers of"), "knobs", args.network)
    cfg = load_cfg(source, [part for pair in args.overrides for part in pair])
    devices = devices_of(args.device or cfg.COST.DEVICES)
    if not devices:
        raise OracleError("knobs needs a device; say --device NAME (`oracle devices` lists them)")
    found = knobs(cfg, devices, **model_of(args), **workload_of(args))
    deliver(
        args,
        table=lambda: knob_tables(found, args.by),
        data=lambda: knob_data(found, args.by),
        rows=lambda: knob_rows(found, args.by),
    )
    return 0
