"""`oracle validate`: how far predictions are from what was measured."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_model, add_output, add_selection, model_of, natural, selection_of
from oracle.cli._output import check_output, deliver
from oracle.cli._sources import devices_of

_EXAMPLES = """\
examples:
  oracle validate --device host.yaml --measurements m.csv --calibration my.yaml
  oracle validate -d rtx-4090 --measurements m.csv --model roofline --runtime compiled
  oracle validate -d t4 --measurements m.csv --format csv -o cases.csv
  oracle validate -d t4 --measurements m.csv -o parity.svg    # predicted against measured (or .png, .pdf)

With a column `accuracy`, the Pareto front is of accuracy and latency; else of MACs and latency.
Validate on networks that the calibration has not seen: on those it was fitted to it looks better."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "validate",
        help="compare predictions with measured latencies",
        description="Agreement of the orders, errors over all and by family, the worst cases, and how good a choice\n"
        "by the predictions would have been.",
        epilog=_EXAMPLES,
    )
    command.add_argument("-d", "--device", required=True, metavar="DEVICE", help="name, or path of a device file")
    command.add_argument("--measurements", required=True, metavar="FILE", help="CSV of measured latencies")
    command.add_argument("--worst", type=natural, default=5, metavar="N", help="how many of the worst (default: 5)")
    add_model(command)
    add_selection(command)
    add_output(command)
    command.set_defaults(run=_run, check=_check)


def _check(args: argparse.Namespace) -> None:
    from oracle.report.plot import FORMATS

    check_output(args, FORMATS)


def _is_figure(args: argparse.Namespace) -> bool:
    from oracle.report.plot import FORMATS

    return args.format is None and bool(args.output) and args.output.lower().endswith(tuple(f".{x}" for x in FORMATS))


def _run(args: argparse.Namespace) -> int:
    from oracle.query import compare
    from oracle.report.console import show
    from oracle.report.plot import parity_figure, write_figure
    from oracle.report.rows import comparison_rows
    from oracle.report.table.comparisons import comparison_tables

    (device,) = devices_of([args.device])
    found = compare(device, args.measurements, **model_of(args), **selection_of(args))
    if _is_figure(args):
        write_figure(args.output, parity_figure(found))
        show(comparison_tables(found, args.worst))
        return 0
    deliver(
        args,
        table=lambda: comparison_tables(found, args.worst),
        data=lambda: {**found.to_dict(), "cases": comparison_rows(found)},
        rows=lambda: comparison_rows(found),
    )
    return 0
