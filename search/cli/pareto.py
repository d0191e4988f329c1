"""`oracle-search pareto`: the candidates of a sweep that no other beats, and how far devices agree about them."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_output, natural
from oracle.cli._output import deliver

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle-search pareto out/regnetx
  oracle-search pareto out/regnetx --objective 'min latency_ms' --objective 'max params' --top 10
  oracle-search pareto out/regnetx --objective 'min latency_ms@t4' --format csv -o fastest.csv
  oracle-search pareto trials.csv --objective 'min latency_ms@t4' --objective 'max accuracy'

An objective is min or max and a column of the file. `latency_ms` without @DEVICE stands for the
latency on each device in turn: one front per device. Where candidates share all objectives, all
of them are listed."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "pareto",
        help="the candidates that no other beats, per device, and how far devices agree",
        description="Exact Pareto fronts of a sweep or of any CSV or Parquet file of candidates: one per device,\n"
        "the candidates on all of them, and how far the devices agree on which candidates are fast.",
        epilog=_EXAMPLES,
    )
    command.add_argument("source", metavar="DIR|FILE", help="directory of a sweep, or CSV or Parquet file")
    command.add_argument(
        "--objective",
        action="append",
        default=[],
        metavar="'min|max COLUMN'",
        help="may be repeated (default: 'min latency_ms' and 'max macs')",
    )
    command.add_argument(
        "-d", "--device", action="append", default=[], metavar="DEVICE", help="look at these only; may be repeated"
    )
    command.add_argument("--top", type=natural, metavar="N", help="list the first N of each front")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from search.cli._fronts import front_data, front_rows, fronts_of
    from search.cli._tables import pareto_tables
    from search.sweep import read_candidates

    found = fronts_of(read_candidates(args.source), args.objective, args.device)
    deliver(
        args,
        table=lambda: pareto_tables(found, args.top),
        data=lambda: front_data(found, args.top),
        rows=lambda: front_rows(found, args.top),
    )
    return 0
